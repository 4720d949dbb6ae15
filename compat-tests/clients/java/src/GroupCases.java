import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.common.TopicPartition;

/** Consumer groups of the classic protocol: join, leave, crash, commit, resume. */
final class GroupCases {
    private static final int PARTITIONS = 4;

    private GroupCases() {}

    static void addTo(Map<String, Suite.Case> cases) {
        cases.put("commit_and_resume", GroupCases::commitAndResume);
        cases.put("join_and_leave_range", c -> joinAndLeave(c, RangeAssignor.class));
        cases.put("join_and_leave_cooperative", c -> joinAndLeave(c, CooperativeStickyAssignor.class));
        cases.put("crashed_member_is_replaced", GroupCases::crash);
        cases.put("expelled_member_may_not_commit", GroupCases::expelled);
    }

    private static KafkaConsumer<byte[], byte[]> join(Suite.Context c, String topic, Object... more) {
        List<Object> settings = new ArrayList<>(List.of(
                "group.id", topic + "-group", "session.timeout.ms", 6000, "heartbeat.interval.ms", 500));
        settings.addAll(List.of(more));
        KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(c, settings.toArray());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** Polls all members until together they own every partition once, and each its share. */
    private static void settle(List<KafkaConsumer<byte[], byte[]>> members, int share) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Clients.LIMIT_SECONDS);
        while (true) {
            Set<TopicPartition> owned = new HashSet<>();
            int sum = 0;
            boolean fair = true;
            for (KafkaConsumer<byte[], byte[]> member : members) {
                member.poll(Duration.ofMillis(20));
                Set<TopicPartition> its = member.assignment();
                owned.addAll(its);
                sum += its.size();
                fair &= its.size() >= share;
            }
            if (fair && sum == PARTITIONS && owned.size() == PARTITIONS) {
                return;
            }
            Suite.check(System.nanoTime() < end, "the group does not settle: " + owned);
        }
    }

    private static Set<List<Long>> places(List<ConsumerRecord<byte[], byte[]>> records) {
        Set<List<Long>> places = new HashSet<>();
        records.forEach(r -> places.add(List.of((long) r.partition(), r.offset())));
        return places;
    }

    private static void commitAndResume(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "resume", PARTITIONS);
        Clients.fill(c, topic, PARTITIONS, 200);
        Set<List<Long>> seen;
        try (KafkaConsumer<byte[], byte[]> first = join(c, topic, "max.poll.records", 10)) {
            seen = places(Clients.take(first, 120));
            first.commitSync();
            Map<TopicPartition, OffsetAndMetadata> committed = first.committed(first.assignment());
            long sum = committed.values().stream().mapToLong(o -> o == null ? 0 : o.offset()).sum();
            Suite.equal(sum, (long) seen.size(), "committed");
        }
        try (KafkaConsumer<byte[], byte[]> second = join(c, topic)) {
            Set<List<Long>> rest = places(Clients.take(second, 200 - seen.size()));
            Suite.equal(rest.size() + seen.size(), 200, "nothing twice, nothing left out");
            rest.retainAll(seen);
            Suite.check(rest.isEmpty(), "read twice: " + rest);
            TopicPartition one = new TopicPartition(topic, 1);
            second.commitSync(Map.of(one, new OffsetAndMetadata(7, "a note")));
            OffsetAndMetadata committed = second.committed(Set.of(one)).get(one);
            Suite.equal(committed.offset(), 7L, "offset");
            Suite.equal(committed.metadata(), "a note", "metadata");
        }
    }

    private static void joinAndLeave(Suite.Context c, Class<?> assignor) throws Exception {
        String topic = Clients.topic(c, "members", PARTITIONS);
        String[] setting = {"partition.assignment.strategy", assignor.getName()};
        List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();
        try {
            members.add(join(c, topic, (Object[]) setting));
            settle(members, 4);
            members.add(join(c, topic, (Object[]) setting));
            settle(members, 2);
            members.remove(0).close();
            long left = System.nanoTime();
            settle(members, 4);
            long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - left);
            Suite.check(seconds < 5, "leaving is quick, not " + seconds + " s");
        } finally {
            members.forEach(KafkaConsumer::close);
        }
    }

    /** The member that is killed is Kafka's VerifiableConsumer in a JVM of its own. */
    private static void crash(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "crash", PARTITIONS);
        Process other = new ProcessBuilder(
                        "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
                        "org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", c.bootstrap(),
                        "--topic", topic, "--group-id", topic + "-group", "--session-timeout", "6000")
                .redirectErrorStream(true)
                .start();
        List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();
        try {
            java.io.BufferedReader lines = other.inputReader();
            String line;
            do {
                line = lines.readLine();
                Suite.check(line != null, "VerifiableConsumer ended");
            } while (!line.contains("partitions_assigned"));
            members.add(join(c, topic));
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Clients.LIMIT_SECONDS);
            while (members.get(0).assignment().size() != 2) {
                Suite.check(System.nanoTime() < end, "the two do not share");
                members.get(0).poll(Duration.ofMillis(50));
            }
            other.destroyForcibly().waitFor();
            long killed = System.nanoTime();
            settle(members, 4);
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - killed);
            Suite.check(millis > 3000, "taken over within a session: " + millis + " ms");
            Suite.check(millis < 18000, "taken over only after " + millis + " ms");
        } finally {
            other.destroyForcibly();
            members.forEach(KafkaConsumer::close);
        }
    }

    private static void expelled(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "expelled", PARTITIONS);
        Clients.fill(c, topic, PARTITIONS, 40);
        try (KafkaConsumer<byte[], byte[]> slow = join(c, topic, "max.poll.interval.ms", 1000)) {
            Clients.take(slow, 1);
            // Its client leaves the group by itself when the application does not poll.
            Thread.sleep(3000);
            Clients.fails(CommitFailedException.class, x -> slow.commitSync(), c);
        }
    }
}
