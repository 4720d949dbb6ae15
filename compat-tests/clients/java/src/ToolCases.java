import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Kafka's command line tools with their usual flags. */
final class ToolCases {
    private ToolCases() {}

    static void addTo(Map<String, Suite.Case> cases) {
        cases.put("tool_TopicCommand", ToolCases::topics);
        cases.put("tool_ConsoleProducer_and_ConsoleConsumer", ToolCases::console);
        cases.put("tool_VerifiableProducer_and_VerifiableConsumer", ToolCases::verifiable);
        cases.put("tool_ProducerPerformance_and_ConsumerPerformance", ToolCases::performance);
        cases.put("tool_ConsumerGroupCommand", ToolCases::groups);
        cases.put("tool_GetOffsetShell", ToolCases::offsets);
        cases.put("tool_BrokerApiVersionsCommand", ToolCases::apiVersions);
        cases.put("canary_a_failing_tool_is_noticed", ToolCases::canary);
    }

    private static Tools.Result tool(Suite.Context c, String name, String... args) throws Exception {
        String[] server = {"--bootstrap-server", c.bootstrap()};
        return Tools.run(name, Stream.concat(Arrays.stream(server), Arrays.stream(args)).toArray(String[]::new));
    }

    private static void topics(Suite.Context c) throws Exception {
        String topic = c.name("tool");
        tool(c, "TopicCommand", "--create", "--topic", topic, "--partitions", "3", "--config", "retention.ms=777000")
                .ok().prints("Created topic " + topic);
        Clients.eventually("listed", () -> tool(c, "TopicCommand", "--list").ok().out().contains(topic));
        tool(c, "TopicCommand", "--create", "--topic", topic, "--if-not-exists").ok();
        Tools.Result again = tool(c, "TopicCommand", "--create", "--topic", topic);
        Suite.check(again.code() != 0 && (again.out() + again.err()).contains("already exists"), "twice: " + again);
        tool(c, "TopicCommand", "--describe", "--topic", topic).ok()
                .prints("Topic: " + topic, "TopicId: ", "PartitionCount: 3", "ReplicationFactor: 1", "retention.ms=777000")
                .prints("Partition: 2", "Leader: ", "Replicas: ", "Isr: ");
        tool(c, "TopicCommand", "--alter", "--topic", topic, "--partitions", "6").ok();
        Clients.eventually("six partitions", () ->
                tool(c, "TopicCommand", "--describe", "--topic", topic).ok().out().contains("PartitionCount: 6"));
        tool(c, "TopicCommand", "--delete", "--topic", topic).ok();
        Clients.eventually("deleted", () -> !tool(c, "TopicCommand", "--list").ok().out().contains(topic));
        Tools.Result gone = tool(c, "TopicCommand", "--describe", "--topic", topic);
        Suite.check(gone.code() != 0, "describing a topic that is gone");
    }

    private static void console(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "console", 1);
        String lines = IntStream.range(0, 100).mapToObj(n -> "k" + n + ":value " + n + "\n").collect(Collectors.joining());
        Tools.runWithInput(lines, "ConsoleProducer", "--bootstrap-server", c.bootstrap(), "--topic", topic,
                "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
                "--compression-codec", "lz4").ok();
        Tools.Result read = tool(c, "consumer.ConsoleConsumer", "--topic", topic, "--from-beginning",
                "--max-messages", "100", "--timeout-ms", "20000",
                "--formatter-property", "print.key=true", "--formatter-property", "print.offset=true").ok();
        for (int n = 0; n < 100; n++) {
            read.prints("Offset:" + n, "k" + n, "value " + n);
        }
        Suite.equal(read.out().lines().filter(l -> l.startsWith("Offset:")).count(), 100L, "lines");
        tool(c, "consumer.ConsoleConsumer", "--topic", topic, "--partition", "0", "--offset", "98",
                "--max-messages", "2", "--timeout-ms", "20000").ok().prints("value 98").prints("value 99");
    }

    private static void verifiable(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "verifiable", 4);
        // Prints its results while its JVM ends, so it needs one of its own.
        Tools.runAlone("VerifiableProducer", "--bootstrap-server", c.bootstrap(), "--topic", topic,
                        "--max-messages", "1000", "--acks", "-1").ok()
                .prints("producer_send_success")
                .prints("tool_data", "\"sent\":1000", "\"acked\":1000");
        tool(c, "VerifiableConsumer", "--topic", topic, "--group-id", c.name("verifiable-group"),
                "--max-messages", "1000", "--reset-policy", "earliest").ok()
                .prints("partitions_assigned")
                .prints("records_consumed")
                .prints("offsets_committed", "\"success\":true");
    }

    private static void performance(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "perf", 2);
        Tools.run("ProducerPerformance", "--bootstrap-server", c.bootstrap(), "--topic", topic,
                "--num-records", "20000", "--record-size", "200", "--throughput", "-1",
                "--command-property", "acks=all").ok().prints("20000 records sent", "99.9th");
        tool(c, "ConsumerPerformance", "--topic", topic, "--num-records", "20000", "--timeout", "20000",
                "--group", c.name("perf-group")).ok().prints("data.consumed.in.nMsg");
    }

    private static void groups(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "groups", 2);
        String group = c.name("tool-group");
        Clients.fill(c, topic, 2, 50);
        tool(c, "consumer.ConsoleConsumer", "--topic", topic, "--group", group, "--from-beginning",
                "--max-messages", "50", "--timeout-ms", "20000").ok();
        String[] name = {"--group", group};
        tool(c, "consumer.group.ConsumerGroupCommand", "--list").ok().prints(group);
        tool(c, "consumer.group.ConsumerGroupCommand", "--describe", name[0], name[1]).ok()
                .prints(group, topic, "25", "25", "0");
        tool(c, "consumer.group.ConsumerGroupCommand", "--describe", "--state", name[0], name[1]).ok()
                .prints(group, "Empty");
        tool(c, "consumer.group.ConsumerGroupCommand", "--reset-offsets", name[0], name[1], "--topic", topic,
                "--to-earliest", "--dry-run").ok().prints(group, topic, "0");
        tool(c, "consumer.group.ConsumerGroupCommand", "--reset-offsets", name[0], name[1], "--topic", topic + ":1",
                "--to-offset", "10", "--execute").ok().prints(group, topic, "1", "10");
        tool(c, "consumer.group.ConsumerGroupCommand", "--describe", name[0], name[1]).ok()
                .prints(group, topic, "1", "10", "25", "15");
        tool(c, "consumer.group.ConsumerGroupCommand", "--reset-offsets", name[0], name[1], "--all-topics",
                "--shift-by", "-5", "--execute").ok().prints(group, topic, "5");
    }

    private static void offsets(Suite.Context c) throws Exception {
        String topic = Clients.topic(c, "shell", 2);
        Clients.fill(c, topic, 2, 30);
        tool(c, "GetOffsetShell", "--topic", topic).ok().prints(topic + ":0:15").prints(topic + ":1:15");
        tool(c, "GetOffsetShell", "--topic", topic, "--time", "earliest").ok().prints(topic + ":0:0");
        tool(c, "GetOffsetShell", "--topic-partitions", topic + ":1", "--time", "latest").ok().prints(topic + ":1:15");
    }

    private static void apiVersions(Suite.Context c) throws Exception {
        Tools.Result found = tool(c, "BrokerApiVersionsCommand").ok();
        found.prints("(id: ", "rack: ").prints("Produce(0): 0 to 13").prints("Fetch(1): 4 to 18").prints("ApiVersions(18): 0 to");
    }

    private static void canary(Suite.Context c) throws Exception {
        Tools.Result bad = tool(c, "TopicCommand", "--describe", "--topic", c.name("never-created"));
        Clients.fails(AssertionError.class, x -> bad.ok(), c);
        Clients.fails(AssertionError.class, x -> bad.prints("Topic: ", "PartitionCount"), c);
    }
}
