package weir;

import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.internal.MemoryRecords;

/** Fills the fields that a message has in one version; the others keep their defaults. */
final class Filler {
    private static final String[] TEXTS = {"", "a", "orders", "client-1", "größe", "日本語", "😀", "x.y_z-0",
        "a".repeat(126), "a".repeat(127), "b".repeat(300), "c".repeat(17_000)};
    private static final long[] EDGES = {0, 1, -1, 127, 128, -128, 255, 256, 32767, -32768, 65535, 2147483647L,
        -2147483648L, 4294967295L, Long.MAX_VALUE, Long.MIN_VALUE};

    private final Shape shape;
    private final int version;
    private final Random random;
    private final Style style;

    /** Everything set; as little as possible; or by chance. */
    enum Style { FULL, MINIMAL, RANDOM }

    Filler(Shape shape, int version, Style style, long seed) {
        this.shape = shape;
        this.version = version;
        this.style = style;
        this.random = new Random(seed);
    }

    void fill(Object target, int depth) throws Exception {
        for (Shape.FieldShape field : shape.structs.get(target.getClass()).fields.values()) {
            if (field.name == null || !field.versions.contains(version)) continue;
            // A tagged field that keeps its default is left out on the wire.
            if (field.tags.containsKey(version) && chance(3, Style.MINIMAL)) continue;
            boolean isNull = field.nullable.contains(version) && chance(4, Style.MINIMAL);
            field.member.set(target, isNull ? null : value(field, depth));
        }
        if (shape.flexible.contains(version) && (style == Style.FULL || style == Style.RANDOM && random.nextInt(4) == 0)) {
            unknownTags(target);
        }
    }

    /** True in one of `n` random cases, always in style `always`, never in the third style. */
    private boolean chance(int n, Style always) {
        return style == always || style == Style.RANDOM && random.nextInt(n) == 0;
    }

    @SuppressWarnings("unchecked")
    private void unknownTags(Object target) throws Exception {
        Method unknown = target.getClass().getMethod("unknownTaggedFields");
        List<RawTaggedField> list = (List<RawTaggedField>) unknown.invoke(target);
        list.add(new RawTaggedField(100, bytes(random.nextInt(4))));
        if (random.nextInt(3) == 0) list.add(new RawTaggedField(20_000, bytes(130)));
    }

    private Object value(Shape.FieldShape field, int depth) throws Exception {
        if (!field.type.startsWith("[]")) return scalar(field, field.member.getType(), depth, false);
        Class<?> type = field.member.getType();
        Collection<Object> all = type == List.class ? new ArrayList<>() : newCollection(type);
        int count = count(field.struct == null, depth);
        for (int i = 0; i < count; i++) all.add(scalar(field, Shape.elementClass(field.member), depth, true));
        return all;
    }

    @SuppressWarnings("unchecked")
    private static Collection<Object> newCollection(Class<?> type) throws Exception {
        return (Collection<Object>) type.getDeclaredConstructor().newInstance();
    }

    private int count(boolean primitive, int depth) {
        if (style == Style.MINIMAL) return 0;
        if (primitive && random.nextInt(40) == 0) return 130;
        int most = depth < 1 ? 3 : 2;
        return style == Style.FULL ? 1 + random.nextInt(most - 1) : random.nextInt(most + 1);
    }

    private Object scalar(Shape.FieldShape field, Class<?> type, int depth, boolean element) throws Exception {
        if (field.struct != null) {
            Object struct = field.struct.getDeclaredConstructor().newInstance();
            fill(struct, depth + 1);
            return struct;
        }
        return switch (field.type.replace("[]", "")) {
            case "bool" -> random.nextBoolean();
            case "int8" -> (byte) number();
            case "int16" -> (short) number();
            case "int32" -> (int) number();
            case "int64" -> number();
            case "uint16" -> (int) (number() & 0xffff);
            case "uint32" -> number() & 0xffffffffL;
            case "float64" -> random.nextInt(2_000_000) / 2.0 - 500_000.0;
            case "uuid" -> random.nextInt(4) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
            case "string" -> text();
            case "bytes" -> type == ByteBuffer.class ? ByteBuffer.wrap(blob()) : blob();
            case "records" -> MemoryRecords.readableRecords(ByteBuffer.wrap(blob()));
            default -> throw new IllegalStateException(field.type + " " + element);
        };
    }

    private long number() {
        return random.nextInt(2) == 0 ? EDGES[random.nextInt(EDGES.length)] : random.nextInt(1_000_000) - 1000;
    }

    private String text() {
        if (style == Style.MINIMAL) return "";
        // The longest one rarely: it is there for three-byte lengths.
        int index = random.nextInt(TEXTS.length);
        return TEXTS[index == TEXTS.length - 1 && random.nextInt(20) != 0 ? 2 : index];
    }

    private byte[] blob() {
        if (style == Style.MINIMAL) return new byte[0];
        int pick = random.nextInt(12);
        return bytes(pick == 0 ? 1500 : pick == 1 ? 128 : random.nextInt(12));
    }

    /** Random at the start, then constant, so that the file stays small. */
    private byte[] bytes(int length) {
        byte[] out = new byte[length];
        byte[] head = new byte[Math.min(length, 8)];
        random.nextBytes(head);
        System.arraycopy(head, 0, out, 0, head.length);
        return out;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
