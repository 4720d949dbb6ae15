//! The three classes of keys: honoured, without an effect, unsafe to ignore.

use crate::{errors_of, from_file};

/// What Kafka ships as config/server.properties, without its comments.
const KAFKA_SERVER_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

#[test]
fn the_file_that_kafka_ships_is_accepted_and_its_idle_keys_are_listed_in_one_line() {
    let config = from_file(KAFKA_SERVER_PROPERTIES).unwrap();
    let names: Vec<&str> = config
        .listeners
        .bind
        .iter()
        .map(|l| l.name.as_str())
        .collect();
    assert_eq!(names, ["PLAINTEXT"]);
    assert_eq!(
        config.listeners.bind[0].advertised.to_string(),
        "localhost:9092"
    );
    assert_eq!(
        config.warnings,
        [
            "set but without an effect here: controller.quorum.bootstrap.servers, log.dirs, \
             log.segment.bytes, num.io.threads, num.network.threads, \
             num.recovery.threads.per.data.dir, offsets.topic.replication.factor, process.roles, \
             share.coordinator.state.topic.min.isr, share.coordinator.state.topic.replication.factor, \
             socket.receive.buffer.bytes, socket.send.buffer.bytes, transaction.state.log.min.isr, \
             transaction.state.log.replication.factor, listener CONTROLLER (not bound)",
            "retention and compaction are shown but free no space in this version: \
             log.retention.check.interval.ms, log.retention.hours",
        ]
    );
}

#[test]
fn keys_whose_absence_would_be_unsafe_are_refused() {
    for key in [
        "ssl.keystore.location",
        "ssl.some.future.key",
        "sasl.enabled.mechanisms",
        "sasl.jaas.config",
        "authorizer.class.name",
        "authorizer.anything",
        "super.users",
        "allow.everyone.if.no.acl.found",
        "principal.builder.class",
        "client.quota.callback.class",
        "listener.name.internal.ssl.keystore.location",
    ] {
        let error = errors_of(&format!("{key}=x"));
        let expected = format!("'{key}' (f.properties, line 1) asks for security");
        assert!(error.starts_with(&expected), "{key}: {error}");
    }
}

#[test]
fn protocols_other_than_plaintext_are_refused_where_they_are_used() {
    let error = errors_of("security.inter.broker.protocol=SSL");
    assert!(error.starts_with("'security.inter.broker.protocol=SSL' (f.properties, line 1) asks"));
    let error = errors_of("listeners=SSL://127.0.0.1:9093");
    assert!(
        error.starts_with("'listeners: SSL with security protocol SSL' (f.properties, line 1)")
    );
    let error = errors_of(
        "listeners=OUT://127.0.0.1:9093\nlistener.security.protocol.map=OUT:SASL_PLAINTEXT",
    );
    assert!(
        error.contains("OUT with security protocol SASL_PLAINTEXT"),
        "{error}"
    );
    let fine = "security.inter.broker.protocol=PLAINTEXT\n\
                listener.security.protocol.map=PLAINTEXT:PLAINTEXT,UNUSED:SASL_SSL";
    assert_eq!(from_file(fine).unwrap().warnings, [""; 0]);
}

#[test]
fn a_configuration_of_honoured_keys_warns_about_nothing() {
    let config = from_file("num.partitions=3\nweir.store.url=/x\nbroker.rack=a").unwrap();
    assert_eq!(config.warnings, [""; 0]);
}
