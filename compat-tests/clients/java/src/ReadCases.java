import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Finding records by offset and by time. */
final class ReadCases {
    private ReadCases() {}

    static void addTo(Map<String, Suite.Case> cases) {
        cases.put("offsets_by_time", ReadCases::byTime);
        cases.put("seek_to_begin_end_and_between", ReadCases::seek);
        cases.put("read_committed_reads_what_is_there", ReadCases::readCommitted);
        cases.put("offset_out_of_range_without_a_reset_policy", ReadCases::outOfRange);
    }

    private static void byTime(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "times", 2);
        long base = 1_700_000_000_000L;
        long[] times = {0, 1000, 1000, 5000, 3000, 9000};
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(c)) {
            for (long time : times) {
                Clients.wait(producer.send(new ProducerRecord<>(topic, 0, base + time, null, Clients.text(time))));
            }
        }
        TopicPartition full = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(c)) {
            long[][] wanted = {{-5, 0}, {0, 0}, {1, 1}, {1000, 1}, {1001, 3}, {5001, 5}, {9000, 5}};
            for (long[] pair : wanted) {
                Map<TopicPartition, OffsetAndTimestamp> found =
                        consumer.offsetsForTimes(Map.of(full, base + pair[0], empty, base));
                Suite.equal(found.get(full).offset(), pair[1], "offset for +" + pair[0]);
                long stamp = found.get(full).timestamp();
                Suite.equal(stamp, base + times[(int) pair[1]], "its timestamp");
                Suite.equal(found.get(empty), null, "empty partition");
            }
            Suite.equal(consumer.offsetsForTimes(Map.of(full, base + 9001)).get(full), null, "behind the last");
            consumer.assign(List.of(full));
            consumer.seek(full, consumer.offsetsForTimes(Map.of(full, base + 4000)).get(full).offset());
            Suite.equal(Clients.take(consumer, 1).get(0).offset(), 3L, "read from that time");
        }
    }

    private static void seek(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "seek", 1);
        Clients.fill(c, topic, 1, 1000);
        TopicPartition only = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.assigned(c, topic, 0, "max.poll.records", 10)) {
            for (long target : new long[] {900, 3, 999, 0, 500}) {
                consumer.seek(only, target);
                Suite.equal(Clients.take(consumer, 1).get(0).offset(), target, "record after a seek");
            }
            consumer.seekToEnd(List.of(only));
            Suite.equal(consumer.position(only), 1000L, "end");
            consumer.seekToBeginning(List.of(only));
            Suite.equal(consumer.position(only), 0L, "begin");
            Suite.equal(consumer.endOffsets(List.of(only)).get(only), 1000L, "end offset");
            Suite.equal(consumer.beginningOffsets(List.of(only)).get(only), 0L, "begin offset");
            Suite.equal(consumer.partitionsFor(topic).size(), 1, "partitions");
            Suite.check(consumer.listTopics().containsKey(topic), "listed");
        }
    }

    private static void readCommitted(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "committed", 1);
        Clients.fill(c, topic, 1, 100);
        try (KafkaConsumer<byte[], byte[]> consumer =
                Clients.assigned(c, topic, 0, "isolation.level", "read_committed")) {
            Suite.equal(Clients.take(consumer, 100).size(), 100, "records");
        }
    }

    private static void outOfRange(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "range", 1);
        Clients.fill(c, topic, 1, 10);
        try (KafkaConsumer<byte[], byte[]> consumer =
                Clients.assigned(c, topic, 0, "auto.offset.reset", "none")) {
            consumer.seek(new TopicPartition(topic, 0), 5000);
            Clients.fails(OffsetOutOfRangeException.class, x -> {
                for (int n = 0; n < 100; n++) {
                    consumer.poll(Duration.ofMillis(100));
                }
            }, c);
        }
    }
}
