import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Clients of the broker under test, and the few calls that every case makes. */
final class Clients {
    static final long LIMIT_SECONDS = 30;

    private Clients() {}

    static KafkaProducer<byte[], byte[]> producer(Suite.Context c, Object... settings) {
        Map<String, Object> config = config(c, settings);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Suite.Context c, Object... settings) {
        Map<String, Object> config = new HashMap<>();
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.putAll(config(c, settings));
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static Admin admin(Suite.Context c) {
        return Admin.create(config(c));
    }

    private static Map<String, Object> config(Suite.Context c, Object... settings) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", c.bootstrap());
        for (int i = 0; i < settings.length; i += 2) {
            config.put((String) settings[i], settings[i + 1]);
        }
        return config;
    }

    /** Creates a topic and returns its name, made unique. */
    static String topic(Suite.Context c, String base, int partitions, Map<String, String> configs) throws Exception {
        String name = c.name(base);
        try (Admin admin = admin(c)) {
            NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(configs);
            admin.createTopics(List.of(topic)).all().get();
            waitForLeaders(admin, name, partitions);
        }
        return name;
    }

    /**
     * Kafka's controller answers before the leaders serve: a first idempotent batch that is refused then,
     * while its successor is taken, leaves the producer out of order for good.
     */
    private static void waitForLeaders(Admin admin, String topic, int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> question = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            question.put(new TopicPartition(topic, partition), OffsetSpec.latest());
        }
        eventually("leaders of " + topic, () -> {
            try {
                // The admin client repeats the question while a leader is missing.
                admin.listOffsets(question).all().get(LIMIT_SECONDS, TimeUnit.SECONDS);
                return true;
            } catch (ExecutionException e) {
                return false;
            }
        });
    }

    /** Looks until it holds: Kafka's brokers learn of their controller's decisions a little later. */
    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (!holds.call()) {
            Suite.check(System.nanoTime() < end, "not within " + LIMIT_SECONDS + " s: " + what);
            Thread.sleep(20);
        }
    }

    static String topic(Suite.Context c, String base, int partitions) throws Exception {
        return topic(c, base, partitions, Map.of());
    }

    /** The result of a future within the limit; its own failure when it fails. */
    static <T> T wait(Future<T> future) throws Exception {
        try {
            return future.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    static RecordMetadata send(KafkaProducer<byte[], byte[]> producer, String topic, Integer partition, byte[] value)
            throws Exception {
        return wait(producer.send(new ProducerRecord<>(topic, partition, null, value)));
    }

    /** Numbered values, in order, round robin over the partitions. */
    static void fill(Suite.Context c, String topic, int partitions, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(c)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < count; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, n % partitions, null, text(n))));
            }
            for (Future<RecordMetadata> result : sent) {
                wait(result);
            }
        }
    }

    static byte[] text(Object value) {
        return value.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    static KafkaConsumer<byte[], byte[]> assigned(Suite.Context c, String topic, int partition, Object... settings) {
        KafkaConsumer<byte[], byte[]> consumer = consumer(c, settings);
        TopicPartition only = new TopicPartition(topic, partition);
        consumer.assign(List.of(only));
        consumer.seekToBeginning(List.of(only));
        return consumer;
    }

    /** The next `count` records or more, as a poll gives them. */
    static List<ConsumerRecord<byte[], byte[]>> take(Consumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (records.size() < count) {
            Suite.check(System.nanoTime() < end, records.size() + " of " + count + " records");
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        return Collections.unmodifiableList(records);
    }

    /** The failure of `body`, which must be of the type. */
    static <E extends Throwable> E fails(Class<E> type, Suite.Case body, Suite.Context c) {
        try {
            body.run(c);
        } catch (Throwable failure) {
            for (Throwable t = failure; t != null; t = t.getCause()) {
                if (type.isInstance(t)) {
                    return type.cast(t);
                }
            }
            throw new AssertionError("fails, but not with " + type.getSimpleName(), failure);
        }
        throw new AssertionError("does not fail with " + type.getSimpleName());
    }
}
