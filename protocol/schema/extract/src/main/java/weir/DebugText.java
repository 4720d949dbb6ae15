package weir;

import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.List;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.internal.BaseRecords;

/**
 * A message as Rust's `{:?}` shows the generated type: names, values and defaults of all fields. Its
 * checksum stands beside each vector, so that a field that is read under another name is found.
 */
final class DebugText {
    private final Shape shape;
    private final StringBuilder out = new StringBuilder();

    DebugText(Shape shape) {
        this.shape = shape;
    }

    String of(Object message, String name) throws Exception {
        struct(message, name);
        return out.toString();
    }

    @SuppressWarnings("unchecked")
    private void struct(Object value, String name) throws Exception {
        boolean first = true;
        out.append(name);
        for (Shape.FieldShape field : shape.structs.get(value.getClass()).fields.values()) {
            if (field.name == null) continue;
            out.append(first ? " { " : ", ").append(field.name).append(": ");
            first = false;
            field(field, field.member.get(value));
        }
        if (!shape.flexible.isEmpty()) {
            out.append(first ? " { " : ", ").append("unknown_tagged_fields: [");
            first = false;
            String comma = "";
            Object unknown = value.getClass().getMethod("unknownTaggedFields").invoke(value);
            for (RawTaggedField raw : (List<RawTaggedField>) unknown) {
                out.append(comma).append("RawTaggedField { tag: ").append(raw.tag()).append(", data: ");
                bytes(ByteBuffer.wrap(raw.data()));
                out.append(" }");
                comma = ", ";
            }
            out.append(']');
        }
        if (!first) out.append(" }");
    }

    private void field(Shape.FieldShape field, Object value) throws Exception {
        boolean optional = !field.nullable.isEmpty();
        if (optional && value == null) {
            out.append("None");
            return;
        }
        if (optional) out.append("Some(");
        if (field.type.startsWith("[]")) {
            String comma = "";
            out.append('[');
            for (Object element : (Collection<?>) value) {
                out.append(comma);
                scalar(field, element);
                comma = ", ";
            }
            out.append(']');
        } else {
            scalar(field, value);
        }
        if (optional) out.append(')');
    }

    private void scalar(Shape.FieldShape field, Object value) throws Exception {
        if (field.struct != null) {
            struct(value, field.struct.getSimpleName());
        } else if (value instanceof String text) {
            out.append('"').append(text).append('"');
        } else if (value instanceof byte[] array) {
            bytes(ByteBuffer.wrap(array));
        } else if (value instanceof ByteBuffer buffer) {
            bytes(buffer.duplicate());
        } else if (field.type.equals("records")) {
            int size = value == null ? 0 : ((BaseRecords) value).sizeInBytes();
            out.append("Records(").append(size).append(" bytes, 1 chunks)");
        } else {
            out.append(value);
        }
    }

    private void bytes(ByteBuffer buffer) {
        out.append("b\"");
        while (buffer.hasRemaining()) {
            int b = buffer.get() & 0xff;
            switch (b) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                case '"' -> out.append("\\\"");
                case 0 -> out.append("\\0");
                default -> {
                    if (b >= 0x20 && b < 0x7f) out.append((char) b);
                    else out.append(String.format("\\x%02x", b));
                }
            }
        }
        out.append('"');
    }
}
