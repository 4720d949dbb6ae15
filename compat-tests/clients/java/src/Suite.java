import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Kafka's own Java client and command line tools against a running broker, in one JVM.
 *
 * <p>Arguments: HOST:PORT, the kind of broker (weir or anything else), and optionally a part of the
 * names of the cases to run. Prints one line per case and exits with 0 when all passed. Every case has
 * a time limit; one that hangs ends the run.
 */
public final class Suite {
    static final long CASE_LIMIT_SECONDS = 60;

    /** What a case needs to know. */
    record Context(String bootstrap, boolean weir, String unique) {
        String name(String base) {
            return base + "-" + unique;
        }
    }

    interface Case {
        void run(Context context) throws Exception;
    }

    private Suite() {}

    public static void main(String[] args) throws Exception {
        Tools.takeOverExit();
        Map<String, Case> cases = new LinkedHashMap<>();
        ProducerCases.addTo(cases);
        ReadCases.addTo(cases);
        GroupCases.addTo(cases);
        ErrorCases.addTo(cases);
        AdminCases.addTo(cases);
        ToolCases.addTo(cases);
        String filter = args.length > 2 ? args[2] : "";
        cases.keySet().removeIf(name -> !name.contains(filter));
        String run = Long.toHexString(System.nanoTime() & 0xffffff);
        List<String> failures = new ArrayList<>();
        int number = 0;
        for (Map.Entry<String, Case> entry : cases.entrySet()) {
            boolean weir = args[1].equals("weir");
            Context context = new Context(args[0], weir, number++ + "-" + run);
            if (!runCase(entry.getKey(), entry.getValue(), context, failures)) {
                break;
            }
        }
        failures.forEach(Tools.OUT::println);
        Tools.OUT.flush();
        // Not exit(): shutdown hooks of the tools wait for their own end.
        Runtime.getRuntime().halt(failures.isEmpty() ? 0 : 1);
    }

    /** False when the case hangs: nothing more can be run beside it. */
    private static boolean runCase(String name, Case body, Context context, List<String> failures) {
        Thread[] itself = new Thread[1];
        ExecutorService thread = Executors.newSingleThreadExecutor(runnable -> {
            itself[0] = new Thread(runnable, name);
            itself[0].setDaemon(true);
            return itself[0];
        });
        long begun = System.nanoTime();
        Throwable failure = null;
        boolean hangs = false;
        try {
            Future<?> result = thread.submit(() -> {
                body.run(context);
                return null;
            });
            result.get(CASE_LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (java.util.concurrent.TimeoutException e) {
            failure = new AssertionError("still running after " + CASE_LIMIT_SECONDS + " s");
            failure.setStackTrace(itself[0].getStackTrace());
            hangs = true;
        } catch (java.util.concurrent.ExecutionException e) {
            failure = e.getCause();
        } catch (InterruptedException e) {
            failure = e;
        }
        thread.shutdownNow();
        String word = failure == null ? "ok" : "FAILED";
        double seconds = (System.nanoTime() - begun) / 1e9;
        Tools.OUT.printf("test java::%s ... %s (%.2f s)%n", name, word, seconds);
        if (failure != null) {
            failures.add("\n---- java::" + name + " ----\n" + Tools.stackTrace(failure));
        }
        return !hangs;
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object got, Object wanted, String what) {
        check(java.util.Objects.equals(got, wanted), what + ": " + got + " instead of " + wanted);
    }
}
