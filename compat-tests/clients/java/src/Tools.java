import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools through their main methods, as the scripts do, but in this JVM: the
 * input and output streams are ours while one runs, and its exit ends only the call.
 */
final class Tools {
    /** The real standard output, also while a tool's output is captured. */
    static final PrintStream OUT = System.out;
    private static final InputStream IN = System.in;
    private static final PrintStream ERR = System.err;

    /** How a tool ended and what it printed. */
    record Result(int code, String out, String err) {
        Result ok() {
            Suite.check(code == 0, "exit code " + code + "\n" + tail(out) + "\n" + tail(err));
            return this;
        }

        /** Fails unless a line of the output holds all the parts, in order. */
        Result prints(String... parts) {
            Suite.check(out.lines().anyMatch(line -> holds(line, parts)),
                    "no line with " + String.join(" … ", parts) + " in:\n" + tail(out) + "\n" + tail(err));
            return this;
        }

        private static String tail(String text) {
            return text.substring(Math.max(0, text.length() - 2000));
        }

        private static boolean holds(String line, String[] parts) {
            int from = 0;
            for (String part : parts) {
                int at = line.indexOf(part, from);
                if (at < 0) {
                    return false;
                }
                from = at + part.length();
            }
            return true;
        }
    }

    private static final class Exited extends RuntimeException {
        private static final long serialVersionUID = 1L;
        final int code;

        Exited(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    private static Integer firstExit;

    private Tools() {}

    static void takeOverExit() {
        Exit.Procedure procedure = (code, message) -> {
            synchronized (Tools.class) {
                if (firstExit == null) {
                    firstExit = code;
                }
            }
            throw new Exited(code);
        };
        Exit.setExitProcedure(procedure);
        Exit.setHaltProcedure(procedure);
    }

    /** Runs the tool `org.apache.kafka.tools.{name}`. */
    static Result run(String name, String... args) throws Exception {
        return runWithInput("", name, args);
    }

    static Result runWithInput(String input, String name, String... args) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        synchronized (Tools.class) {
            firstExit = null;
        }
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        int code = 0;
        try {
            Class<?> tool = Class.forName("org.apache.kafka.tools." + name);
            tool.getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Exited)) {
                err.writeBytes(stackTrace(e.getCause()).getBytes(StandardCharsets.UTF_8));
                code = 1;
            }
        } finally {
            System.setIn(IN);
            System.setOut(OUT);
            System.setErr(ERR);
        }
        synchronized (Tools.class) {
            if (firstExit != null) {
                code = firstExit;
            }
        }
        return new Result(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** Runs a tool in a JVM of its own, as its script does. */
    static Result runAlone(String name, String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp",
                System.getProperty("java.class.path"), "org.apache.kafka.tools." + name));
        command.addAll(List.of(args));
        File out = File.createTempFile("tool", ".out");
        File err = File.createTempFile("tool", ".err");
        Process process = new ProcessBuilder(command).redirectOutput(out).redirectError(err).start();
        try {
            process.getOutputStream().close();
            Suite.check(process.waitFor(Clients.LIMIT_SECONDS, TimeUnit.SECONDS), name + " does not end");
            return new Result(process.exitValue(), Files.readString(out.toPath()), Files.readString(err.toPath()));
        } finally {
            process.destroyForcibly();
            Files.delete(out.toPath());
            Files.delete(err.toPath());
        }
    }

    static String stackTrace(Throwable failure) {
        StringWriter text = new StringWriter();
        failure.printStackTrace(new PrintWriter(text));
        return text.toString();
    }
}
