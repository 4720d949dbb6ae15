package weir;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.utils.AppInfoParser;

/** Writes the schema files; the format is described in ../README.md. */
public final class Extract {
    private static String head;

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        head = "# Written by schema/extract from the jars of Apache Kafka " + AppInfoParser.getVersion()
            + ". Do not edit.\n";
        for (Map.Entry<String, List<Catalog.Message>> file : Catalog.files().entrySet()) {
            StringBuilder text = new StringBuilder(head);
            for (Catalog.Message message : file.getValue()) message(text, new Shape(message));
            write(out.resolve(file.getKey() + ".schema"), text);
        }
        write(out.resolve("apis.tsv"), apis());
        write(out.resolve("errors.tsv"), errors());
    }

    private static void message(StringBuilder text, Shape shape) throws Exception {
        Catalog.Message message = shape.message;
        SortedSet<Integer> all = shape.structs.get(message.type()).versions;
        String flexible = shape.flexible.isEmpty() ? "none" : range(shape.flexible, message.highest());
        text.append('\n').append(message.kind()).append(' ').append(message.name());
        if (message.key() >= 0) text.append(" key ").append(message.key());
        text.append(" versions ").append(message.lowest()).append('-').append(message.highest());
        text.append(" flexible ").append(flexible).append('\n');
        for (Shape.StructShape struct : shape.structs.values()) {
            if (struct.type != message.type()) {
                text.append("struct ").append(struct.type.getSimpleName());
                if (!struct.versions.equals(all)) {
                    text.append(' ').append(range(struct.versions, message.highest()));
                }
                text.append('\n');
            }
            Object fresh = struct.type.getDeclaredConstructor().newInstance();
            for (Shape.FieldShape field : struct.fields.values()) {
                if (field.name != null) field(text, struct, field, fresh, message.highest());
            }
        }
    }

    private static void field(StringBuilder text, Shape.StructShape struct, Shape.FieldShape field, Object fresh,
                              int highest) throws Exception {
        text.append("  ").append(field.name).append(' ').append(field.type);
        if (!field.nullable.isEmpty()) {
            text.append('?');
            if (!field.nullable.equals(field.versions)) text.append(range(field.nullable, highest));
        }
        if (!field.versions.equals(struct.versions)) text.append(' ').append(range(field.versions, highest));
        if (!field.tags.isEmpty()) {
            int tag = field.tags.values().iterator().next();
            if (field.tags.values().stream().anyMatch(t -> t != tag)) throw new IllegalStateException("tag moves");
            if (!field.tags.keySet().equals(field.versions)) throw new IllegalStateException("tagged later");
            text.append(" tag ").append(tag);
        }
        if (field.neverCompact) text.append(" never-compact");
        String value = defaultValue(field.member.get(fresh));
        if (value != null) text.append(" = ").append(value);
        text.append('\n');
    }

    /** The default as text, or null when it is the plain one of the type (0, false, empty). */
    private static String defaultValue(Object value) {
        if (value == null) return "null";
        if (value instanceof Boolean b) return b ? "true" : null;
        if (value instanceof Number n) return n.doubleValue() == 0 ? null : n.toString();
        if (value instanceof String s) return s.isEmpty() ? null : '"' + s + '"';
        if (value instanceof Uuid u && !u.equals(Uuid.ZERO_UUID)) throw new IllegalStateException("default " + u);
        if (value instanceof Collection<?> c && !c.isEmpty()) throw new IllegalStateException("default " + c);
        if (value instanceof byte[] b && b.length > 0) throw new IllegalStateException("default bytes");
        return null;
    }

    /** `3+` up to the highest version of the message, `2` or `2-4` below it. */
    private static String range(SortedSet<Integer> versions, int highest) {
        int first = versions.first();
        int last = versions.last();
        if (last - first + 1 != versions.size()) throw new IllegalStateException("gap in " + versions);
        if (last == highest) return first + "+";
        return first == last ? "" + first : first + "-" + last;
    }

    private static CharSequence apis() {
        StringBuilder text = new StringBuilder(head);
        text.append("# key\tname\tversion_min\tversion_max\tlatest_version_unstable\tlisteners\n");
        for (ApiMessageType api : Catalog.apis()) {
            checkHeaderRule(api);
            short highest = api.highestSupportedVersion(true);
            String listeners = String.join(",", api.listeners().stream().map(l -> l.name().toLowerCase()).toList());
            text.append(api.apiKey()).append('\t').append(api.name).append('\t')
                .append(api.lowestSupportedVersion()).append('\t').append(highest).append('\t')
                .append(api.latestVersionUnstable()).append('\t').append(listeners).append('\n');
        }
        return text;
    }

    /** Header versions follow from flexibility; the one exception is the answer to ApiVersions. */
    private static void checkHeaderRule(ApiMessageType api) {
        for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(true); v++) {
            boolean request = new Shape(message("request", api)).flexible.contains((int) v);
            boolean response = new Shape(message("response", api)).flexible.contains((int) v);
            int responseHeader = response && api != ApiMessageType.API_VERSIONS ? 1 : 0;
            if (request != response || api.requestHeaderVersion(v) != (request ? 2 : 1)
                || api.responseHeaderVersion(v) != responseHeader) {
                throw new IllegalStateException("header rule broken by " + api + " v" + v);
            }
        }
    }

    private static Catalog.Message message(String kind, ApiMessageType api) {
        boolean request = kind.equals("request");
        Class<?> type = (request ? api.newRequest() : api.newResponse()).getClass();
        return new Catalog.Message(kind, api.name, api.apiKey(), type,
            request ? api.requestSchemas() : api.responseSchemas());
    }

    private static CharSequence errors() {
        StringBuilder text = new StringBuilder(head);
        text.append("# code\tname\tretriable\n");
        for (Errors error : Errors.values()) {
            boolean retriable = error.exception() instanceof RetriableException;
            text.append(error.code()).append('\t').append(error.name()).append('\t').append(retriable).append('\n');
        }
        return text;
    }

    private static void write(Path path, CharSequence text) throws Exception {
        Files.createDirectories(path.getParent());
        Files.write(path, text.toString().getBytes(StandardCharsets.UTF_8));
    }
}
