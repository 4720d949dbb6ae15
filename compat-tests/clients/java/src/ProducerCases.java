import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** Records of every kind come back as they were sent. */
final class ProducerCases {
    private ProducerCases() {}

    static void addTo(Map<String, Suite.Case> cases) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.put("codec_" + codec, c -> codec(c, codec));
        }
        cases.put("values_of_a_million_bytes", ProducerCases::large);
        cases.put("idempotence_keeps_order_on_many_partitions", ProducerCases::idempotence);
        cases.put("canary_a_changed_record_is_noticed", ProducerCases::canary);
    }

    /** Null and empty keys and values, headers, text that compresses and bytes that do not. */
    private static List<ProducerRecord<byte[], byte[]>> mixed(String topic) {
        Random random = new Random(topic.hashCode());
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int n = 0; n < 1000; n++) {
            byte[] key = n % 5 == 0 ? null : Clients.text(n % 5 == 1 ? "" : "key " + n % 7);
            byte[] value;
            if (n % 4 == 0) {
                value = null;
            } else if (n % 4 == 1) {
                value = new byte[random.nextInt(3000)];
                random.nextBytes(value);
            } else {
                value = Clients.text("the same words again ".repeat(random.nextInt(100)));
            }
            ProducerRecord<byte[], byte[]> record =
                    new ProducerRecord<>(topic, 0, 1_700_000_000_000L + n, key, value);
            for (int h = 0; h < n % 3; h++) {
                record.headers().add("header", h == 0 ? null : Clients.text("value " + n));
            }
            records.add(record);
        }
        return records;
    }

    private static void send(Suite.Context c, List<ProducerRecord<byte[], byte[]>> records, Object... settings)
            throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(c, settings)) {
            List<Future<RecordMetadata>> results = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) {
                results.add(producer.send(record));
            }
            for (int n = 0; n < results.size(); n++) {
                Suite.equal(Clients.wait(results.get(n)).offset(), (long) n, "acknowledged offset");
            }
        }
    }

    private static void compare(Suite.Context c, String topic, List<ProducerRecord<byte[], byte[]>> sent) {
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.assigned(c, topic, 0)) {
            List<ConsumerRecord<byte[], byte[]>> got = Clients.take(consumer, sent.size());
            Suite.equal(got.size(), sent.size(), "number of records");
            for (int n = 0; n < got.size(); n++) {
                ConsumerRecord<byte[], byte[]> record = got.get(n);
                ProducerRecord<byte[], byte[]> wanted = sent.get(n);
                boolean same = record.offset() == n
                        && Arrays.equals(record.key(), wanted.key())
                        && Arrays.equals(record.value(), wanted.value())
                        && record.headers().equals(wanted.headers())
                        && (wanted.timestamp() == null || record.timestamp() == wanted.timestamp());
                Suite.check(same, "record " + n + " came back changed");
            }
        }
    }

    private static void codec(Suite.Context c, String codec) throws Exception {
        String topic = Clients.topic(c, codec, 1);
        List<ProducerRecord<byte[], byte[]>> records = mixed(topic);
        send(c, records, "compression.type", codec, "linger.ms", 20);
        compare(c, topic, records);
    }

    private static void large(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "large", 1);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        Random random = new Random(1);
        for (int n = 0; n < 10; n++) {
            byte[] value = new byte[1_000_000];
            random.nextBytes(value);
            records.add(new ProducerRecord<>(topic, 0, null, value));
        }
        send(c, records, "max.request.size", 2_000_000);
        compare(c, topic, records);
    }

    private static void idempotence(Suite.Context c) throws Exception {
        int partitions = 5;
        String topic = Clients.topic(c, "idempotent", partitions);
        try (KafkaProducer<byte[], byte[]> producer =
                Clients.producer(c, "enable.idempotence", true, "batch.size", 200, "linger.ms", 0)) {
            List<Future<RecordMetadata>> results = new ArrayList<>();
            for (int n = 0; n < 5000; n++) {
                results.add(producer.send(new ProducerRecord<>(topic, n % partitions, null, Clients.text(n))));
            }
            for (int n = 0; n < 5000; n++) {
                Suite.equal(Clients.wait(results.get(n)).offset(), (long) n / partitions, "offset of " + n);
            }
        }
        for (int partition = 0; partition < partitions; partition++) {
            try (KafkaConsumer<byte[], byte[]> consumer = Clients.assigned(c, topic, partition)) {
                for (ConsumerRecord<byte[], byte[]> record : Clients.take(consumer, 1000)) {
                    long n = record.offset() * partitions + partition;
                    Suite.check(Arrays.equals(record.value(), Clients.text(n)), "value at " + record.offset());
                }
            }
        }
    }

    private static void canary(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "canary", 1);
        List<ProducerRecord<byte[], byte[]>> records = mixed(topic);
        send(c, records);
        compare(c, topic, records);
        List<ProducerRecord<byte[], byte[]>> changed = new ArrayList<>(records);
        changed.set(999, new ProducerRecord<>(topic, 0, null, Clients.text("another")));
        Clients.fails(AssertionError.class, x -> compare(x, topic, changed), c);
    }
}
