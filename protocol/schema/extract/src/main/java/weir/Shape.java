package weir;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.utils.ImplicitLinkedHashCollection;

/**
 * The union over all versions of one message: its structs in the order in which they are met, and
 * for each field the versions in which it exists, may be null and is tagged.
 *
 * <p>Names, types and versions come from the `Schema` objects; struct names and the order of fields
 * from the generated class beside them (a schema has no struct names, and tagged fields stand apart
 * there).
 */
final class Shape {
    static final class FieldShape {
        final Field member;
        String name;
        String type;
        Class<?> struct;
        final TreeSet<Integer> versions = new TreeSet<>();
        final TreeSet<Integer> nullable = new TreeSet<>();
        final TreeMap<Integer, Integer> tags = new TreeMap<>();
        boolean neverCompact;

        FieldShape(Field member) {
            this.member = member;
        }
    }

    static final class StructShape {
        final Class<?> type;
        final Map<String, FieldShape> fields = new LinkedHashMap<>();
        final TreeSet<Integer> versions = new TreeSet<>();

        StructShape(Class<?> type) {
            this.type = type;
            for (Field member : members(type)) fields.put(plain(member.getName()), new FieldShape(member));
        }
    }

    final Catalog.Message message;
    final Map<Class<?>, StructShape> structs = new LinkedHashMap<>();
    final TreeSet<Integer> flexible = new TreeSet<>();

    Shape(Catalog.Message message) {
        this.message = message;
        for (int v = 0; v < message.schemas().length; v++) {
            if (message.schemas()[v] != null) struct(message.type(), message.schemas()[v], v);
        }
        order(message.type(), new LinkedHashMap<>());
    }

    /** The data members of a generated class, in the order of its declaration. */
    static java.util.List<Field> members(Class<?> type) {
        boolean linked = ImplicitLinkedHashCollection.Element.class.isAssignableFrom(type);
        java.util.List<Field> members = new java.util.ArrayList<>();
        for (Field member : type.getDeclaredFields()) {
            boolean link = linked && (member.getName().equals("next") || member.getName().equals("prev"));
            if (Modifier.isStatic(member.getModifiers()) || link || member.getName().startsWith("_")) continue;
            member.setAccessible(true);
            members.add(member);
        }
        return members;
    }

    static String plain(String name) {
        return name.replace("_", "").toLowerCase();
    }

    private void struct(Class<?> type, Schema schema, int version) {
        StructShape shape = structs.computeIfAbsent(type, StructShape::new);
        shape.versions.add(version);
        boolean isFlexible = schema.fields().length > 0
            && schema.fields()[schema.fields().length - 1].def.type instanceof TaggedFields;
        if (isFlexible) flexible.add(version);
        checkOrder(shape, schema);
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                tagged.fields().forEach((tag, field) -> field(shape, field, version, tag, isFlexible));
            } else {
                field(shape, bound.def, version, null, isFlexible);
            }
        }
    }

    /** Fields stand on the wire in the order of the class, in every version. */
    private static void checkOrder(StructShape shape, Schema schema) {
        java.util.List<String> declared = new java.util.ArrayList<>(shape.fields.keySet());
        int last = -1;
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) continue;
            int index = declared.indexOf(plain(bound.def.name));
            if (index <= last) throw new IllegalStateException(shape.type + " reorders " + bound.def.name);
            last = index;
        }
    }

    private void field(StructShape owner, org.apache.kafka.common.protocol.types.Field def, int version,
                       Integer tag, boolean isFlexible) {
        FieldShape field = owner.fields.get(plain(def.name));
        if (field == null) throw new IllegalStateException(owner.type + " has no member for " + def.name);
        field.name = def.name;
        field.versions.add(version);
        if (tag != null) field.tags.put(version, tag);
        if (def.type.isNullable()) field.nullable.add(version);
        String type = def.type.isArray()
            ? "[]" + element(field, def.type.arrayElementType().orElseThrow(), version, isFlexible)
            : scalar(field, def.type, field.member.getType(), version, isFlexible);
        if (field.type != null && !field.type.equals(type)) throw new IllegalStateException(def.name + " changes type");
        field.type = type;
    }

    private String element(FieldShape field, org.apache.kafka.common.protocol.types.Type type, int version,
                           boolean isFlexible) {
        if (type.isNullable() || type.isArray()) throw new IllegalStateException("array of " + type);
        return scalar(field, type, elementClass(field.member), version, isFlexible);
    }

    private String scalar(FieldShape field, org.apache.kafka.common.protocol.types.Type type, Class<?> javaType,
                          int version, boolean isFlexible) {
        if (type instanceof Schema schema) {
            struct(javaType, schema, version);
            field.struct = javaType;
            return javaType.getSimpleName();
        }
        String name = type.toString();
        boolean sized = name.endsWith("STRING") || name.endsWith("BYTES") || name.endsWith("RECORDS");
        if (sized && isFlexible && !name.startsWith("COMPACT_")) field.neverCompact = true;
        return switch (name.replace("COMPACT_", "").replace("NULLABLE_", "")) {
            case "BOOLEAN" -> "bool";
            case "INT8", "INT16", "INT32", "INT64", "UINT16", "UINT32", "FLOAT64", "UUID", "STRING", "BYTES",
                "RECORDS" -> name.replace("COMPACT_", "").replace("NULLABLE_", "").toLowerCase();
            default -> throw new IllegalStateException("type " + name);
        };
    }

    /** The class of the elements of a list member, or of a linked collection class. */
    static Class<?> elementClass(Field member) {
        Type type = member.getGenericType();
        if (!(type instanceof ParameterizedType)) type = ((Class<?>) type).getGenericSuperclass();
        Type argument = ((ParameterizedType) type).getActualTypeArguments()[0];
        if (!Collection.class.isAssignableFrom(member.getType())) throw new IllegalStateException("" + member);
        return (Class<?>) argument;
    }

    /** Puts the structs into the order of first use, depth first, whatever version introduced them. */
    private void order(Class<?> type, Map<Class<?>, StructShape> ordered) {
        collect(type, ordered);
        structs.clear();
        structs.putAll(ordered);
    }

    private void collect(Class<?> type, Map<Class<?>, StructShape> ordered) {
        if (ordered.putIfAbsent(type, structs.get(type)) != null) return;
        for (FieldShape field : structs.get(type).fields.values()) {
            if (field.struct != null) collect(field.struct, ordered);
        }
    }
}
