import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Topics and the cluster through Kafka's Admin. */
final class AdminCases {
    private AdminCases() {}

    static void addTo(Map<String, Suite.Case> cases) {
        cases.put("cluster_is_described", AdminCases::cluster);
        cases.put("topics_are_created_described_grown_and_deleted", AdminCases::topics);
        cases.put("topic_and_broker_settings_are_described", AdminCases::configs);
        cases.put("offsets_are_listed", AdminCases::offsets);
    }

    private static void cluster(Suite.Context c) throws Exception {
        try (Admin admin = Clients.admin(c)) {
            DescribeClusterResult cluster = admin.describeCluster();
            Suite.equal(cluster.clusterId().get().length(), 22, "length of the cluster id");
            Suite.equal(cluster.nodes().get().size(), 1, "brokers");
            String address = cluster.nodes().get().iterator().next().host();
            Suite.equal(address, c.bootstrap().split(":")[0], "host");
            Suite.check(cluster.controller().get() != null, "a controller");
            Map<String, ?> features = admin.describeFeatures().featureMetadata().get().finalizedFeatures();
            Suite.check(features.containsKey("metadata.version"), "finalized features: " + features);
        }
    }

    private static TopicDescription describe(Admin admin, String name) throws Exception {
        return admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
    }

    private static void topics(Suite.Context c) throws Exception {
        String name = c.name("life");
        try (Admin admin = Clients.admin(c)) {
            admin.createTopics(List.of(new NewTopic(name, 3, (short) 1))).all().get();
            Clients.eventually("listed", () -> admin.listTopics().names().get().contains(name));
            TopicDescription found = describe(admin, name);
            Suite.equal(found.partitions().size(), 3, "partitions");
            Suite.check(found.partitions().stream().allMatch(p -> p.leader() != null && p.isr().size() == 1), "leaders");
            Suite.check(!found.isInternal(), "not internal");
            TopicDescription byId =
                    admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(found.topicId())))
                            .allTopicIds().get().get(found.topicId());
            Suite.equal(byId.name(), name, "name of the id");
            admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all().get();
            Clients.eventually("five partitions", () -> describe(admin, name).partitions().size() == 5);
            admin.deleteTopics(List.of(name)).all().get();
            Clients.eventually("gone", () -> !admin.listTopics().names().get().contains(name));
        }
    }

    private static void configs(Suite.Context c) throws Exception {
        String name = Clients.topic(c, "configs", 1, Map.of("retention.ms", "123456"));
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        try (Admin admin = Clients.admin(c)) {
            int id = admin.describeCluster().nodes().get().iterator().next().id();
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(id));
            Map<ConfigResource, Config> found = admin.describeConfigs(Set.of(topic, broker)).all().get();
            ConfigEntry retention = found.get(topic).get("retention.ms");
            Suite.equal(retention.value(), "123456", "retention.ms");
            Suite.equal(retention.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "its source");
            Suite.equal(found.get(topic).get("cleanup.policy").value(), "delete", "cleanup.policy");
            Suite.equal(found.get(broker).get("group.initial.rebalance.delay.ms").value(), "0", "a broker's setting");
        }
    }

    private static void offsets(Suite.Context c) throws Exception {
        String name = Clients.topic(c, "offsets", 1);
        Clients.fill(c, name, 1, 25);
        TopicPartition only = new TopicPartition(name, 0);
        try (Admin admin = Clients.admin(c)) {
            long[] offsets = new long[3];
            OffsetSpec[] specs = {OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp()};
            for (int n = 0; n < specs.length; n++) {
                offsets[n] = admin.listOffsets(Map.of(only, specs[n])).partitionResult(only).get().offset();
            }
            Suite.equal(offsets[0], 0L, "earliest");
            Suite.equal(offsets[1], 25L, "latest");
            Suite.check(offsets[2] >= 0 && offsets[2] < 25, "offset of the largest timestamp: " + offsets[2]);
        }
    }
}
