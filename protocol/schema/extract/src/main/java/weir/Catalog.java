package weir;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ApiMessageType.ListenerType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.types.Schema;

/** Which messages of Kafka we take, grouped by the schema file they are written to. */
final class Catalog {
    /** Controller APIs that the broker listener does not have and we want nevertheless. */
    private static final Set<Integer> ALSO = Set.of(58, 62, 63, 67);

    private static final String CLIENTS = "org.apache.kafka.common.message.";
    private static final String GROUP = "org.apache.kafka.coordinator.group.generated.";
    private static final String TRANSACTION = "org.apache.kafka.coordinator.transaction.generated.";
    private static final String SHARE = "org.apache.kafka.coordinator.share.generated.";

    /** One message: `schemas` is indexed by version, null where the version is not valid. */
    record Message(String kind, String name, int key, Class<?> type, Schema[] schemas) {
        int lowest() {
            int v = 0;
            while (schemas[v] == null) v++;
            return v;
        }

        int highest() {
            return schemas.length - 1;
        }

        ApiMessage fresh() throws ReflectiveOperationException {
            return (ApiMessage) type.getDeclaredConstructor().newInstance();
        }
    }

    static List<ApiMessageType> apis() {
        return Arrays.stream(ApiMessageType.values())
            .filter(api -> api.requestSchemas().length > 0)
            .filter(api -> api.listeners().contains(ListenerType.BROKER) || ALSO.contains((int) api.apiKey()))
            .sorted(Comparator.comparing(ApiMessageType::apiKey))
            .toList();
    }

    /** File name without extension → its messages. */
    static Map<String, List<Message>> files() throws Exception {
        Map<String, List<Message>> files = new LinkedHashMap<>();
        for (ApiMessageType api : apis()) {
            Message request = message("request", api.newRequest().getClass(), api.apiKey());
            Message response = message("response", api.newResponse().getClass(), api.apiKey());
            files.put("apis/" + snake(api.name), List.of(request, response));
        }
        files.put("headers", List.of(data("header", CLIENTS + "RequestHeaderData"),
            data("header", CLIENTS + "ResponseHeaderData")));
        files.put("consumer_protocol", List.of(data("data", CLIENTS + "ConsumerProtocolSubscription"),
            data("data", CLIENTS + "ConsumerProtocolAssignment")));
        List<Message> control = new ArrayList<>();
        for (String name : List.of("ControlRecordTypeSchema", "EndTxnMarker", "LeaderChangeMessage",
                "SnapshotHeaderRecord", "SnapshotFooterRecord", "KRaftVersionRecord", "VotersRecord")) {
            control.add(data("data", CLIENTS + name));
        }
        files.put("control_records", control);
        coordinator(files, "records/consumer_offsets", GROUP);
        coordinator(files, "records/transaction_state", TRANSACTION);
        coordinator(files, "records/share_group_state", SHARE);
        return files;
    }

    /** Every record type that the coordinator's own enum knows, by its number. */
    private static void coordinator(Map<String, List<Message>> files, String file, String pkg) throws Exception {
        List<Message> messages = new ArrayList<>();
        Class<?> types = Class.forName(pkg + "CoordinatorRecordType");
        for (Object type : types.getEnumConstants()) {
            short id = (short) types.getMethod("id").invoke(type);
            ApiMessage key = (ApiMessage) types.getMethod("newRecordKey").invoke(type);
            ApiMessage value = (ApiMessage) types.getMethod("newRecordValue").invoke(type);
            messages.add(message("key", key.getClass(), id));
            messages.add(message("value", value.getClass(), id));
        }
        files.put(file, messages);
    }

    private static Message data(String kind, String className) throws Exception {
        return message(kind, Class.forName(className), -1);
    }

    private static Message message(String kind, Class<?> type, int key) throws Exception {
        Field schemas = type.getField("SCHEMAS");
        String name = type.getSimpleName().replaceAll("Data$", "");
        return new Message(kind, name, key, type, (Schema[]) schemas.get(null));
    }

    static String snake(String camel) {
        return camel.chars().mapToObj(c -> Character.isUpperCase(c) ? "_" + Character.toLowerCase((char) c)
            : String.valueOf((char) c)).collect(Collectors.joining()).replaceAll("^_", "");
    }

    private Catalog() {}
}
