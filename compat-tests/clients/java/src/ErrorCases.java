import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What goes wrong goes wrong at once, with the exception that Kafka gives. */
final class ErrorCases {
    private ErrorCases() {}

    static void addTo(Map<String, Suite.Case> cases) {
        cases.put("too_large_a_record_is_refused", ErrorCases::tooLarge);
        cases.put("wrong_names_and_settings", ErrorCases::wrongNames);
        cases.put("unknown_topics_and_groups", ErrorCases::unknown);
        cases.put("transactional_producer_is_told_at_once", ErrorCases::transactional);
    }

    private static void tooLarge(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "too-large", 1);
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(c, "max.request.size", 5_000_000)) {
            Suite.equal(Clients.send(producer, topic, 0, Clients.text("before")).offset(), 0L, "offset");
            Clients.fails(RecordTooLargeException.class,
                    x -> Clients.send(producer, topic, 0, new byte[2_000_000]), c);
            Suite.equal(Clients.send(producer, topic, 0, Clients.text("after")).offset(), 1L, "offset");
        }
    }

    private static KafkaFuture<Void> create(Admin admin, String name, int partitions, Map<String, String> configs) {
        return admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all();
    }

    private static void wrongNames(Suite.Context c) throws Exception {
        String taken = Clients.topic(c, "taken", 1);
        try (Admin admin = Clients.admin(c);
                KafkaProducer<byte[], byte[]> producer = Clients.producer(c, "max.block.ms", 20_000)) {
            for (String name : List.of("with space", "sl/ash", "umläut", "..", "x".repeat(250))) {
                Clients.fails(InvalidTopicException.class, x -> create(admin, name, 1, Map.of()).get(), c);
                Clients.fails(InvalidTopicException.class,
                        x -> Clients.send(producer, name, null, Clients.text("v")), c);
            }
            Clients.fails(TopicExistsException.class, x -> create(admin, taken, 1, Map.of()).get(), c);
            String free = c.name("free");
            Clients.fails(InvalidPartitionsException.class, x -> create(admin, free, 0, Map.of()).get(), c);
            Clients.fails(InvalidConfigurationException.class,
                    x -> create(admin, free, 1, Map.of("no.such.setting", "1")).get(), c);
            Clients.fails(InvalidConfigurationException.class,
                    x -> create(admin, free, 1, Map.of("retention.ms", "soon")).get(), c);
        }
    }

    private static void unknown(Suite.Context c) throws Exception {
        String name = c.name("unknown");
        try (Admin admin = Clients.admin(c)) {
            Clients.fails(UnknownTopicOrPartitionException.class,
                    x -> admin.deleteTopics(List.of(name)).all().get(), c);
            Clients.fails(UnknownTopicOrPartitionException.class,
                    x -> admin.describeTopics(List.of(name)).allTopicNames().get(), c);
            Clients.fails(GroupIdNotFoundException.class,
                    x -> admin.describeConsumerGroups(List.of(name)).all().get(), c);
        }
    }

    /** Weir has no transactions yet and says so with a final error; in Kafka they work. */
    private static void transactional(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "transactional", 1);
        try (KafkaProducer<byte[], byte[]> producer =
                Clients.producer(c, "transactional.id", c.name("tx"), "max.block.ms", 30_000)) {
            if (!c.weir()) {
                producer.initTransactions();
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, Clients.text("v")));
                producer.commitTransaction();
                return;
            }
            long asked = System.nanoTime();
            Exception told = Clients.fails(TransactionalIdAuthorizationException.class,
                    x -> producer.initTransactions(), c);
            Tools.OUT.println("    the Java client prints: " + told);
            long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - asked);
            Suite.check(seconds < 5, "told only after " + seconds + " s");
        }
    }
}
