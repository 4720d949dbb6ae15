//! Identity, listeners, connections and requests.

use crate::config::key::{Key, Kind, int, list, long, string, unset};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    unset(Kind::List, "advertised.listeners").high()
        .honoured("Addresses that clients are told to connect to, one per listener, when they differ from listeners: behind NAT, in containers, and always with 0.0.0.0."),
    int("broker.id", "-1").high()
        .honoured("Older name of node.id. When both are set they must be equal."),
    unset(Kind::String, "broker.rack")
        .honoured("Rack or availability zone of this broker, as shown to clients."),
    long("connections.max.idle.ms", "600000")
        .honoured("A connection without a request for so long is closed. Clients open a new one when they need it."),
    list("controller.listener.names", "").high()
        .honoured("Names of listeners that belong to a Kafka controller. They are not bound: there is no controller here."),
    int("fetch.max.bytes", "57671680").at_least(1024)
        .honoured("Most bytes in one answer to a fetch, whatever the client asks for. The first batch is sent even when it is larger."),
    unset(Kind::String, "inter.broker.listener.name")
        .honoured("Name of the listener that brokers use among themselves. It must be one of listeners."),
    string("listener.security.protocol.map", "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT").low().per_broker()
        .honoured("Security protocol of each listener name. Only PLAINTEXT is served by this version; entries without a listener are harmless."),
    list("listeners", "PLAINTEXT://127.0.0.1:9092").high().per_broker()
        .honoured("Addresses to listen on, as NAME://HOST:PORT, separated by commas. The default serves this machine only; to serve others, name an interface (or 0.0.0.0 together with advertised.listeners). Port 0 picks a free one."),
    int("max.connections", "2147483647").cluster_wide().at_least(0)
        .honoured("Most connections of the broker at one time; further ones are closed at once."),
    int("max.connections.per.ip", "2147483647").cluster_wide().at_least(0)
        .honoured("Most connections from one address at one time; further ones are closed at once."),
    string("max.connections.per.ip.overrides", "").cluster_wide()
        .honoured("Other limits for some addresses, as ADDRESS:COUNT, separated by commas."),
    int("max.incremental.fetch.session.cache.slots", "1000").at_least(0)
        .honoured("Most incremental fetch sessions that are remembered; a session saves a consumer of many partitions from naming them in each request."),
    int("node.id", "1").high().at_least(0)
        .honoured("Id of this broker, unique in its cluster. A store belongs to the id that used it first."),
    string("security.inter.broker.protocol", "PLAINTEXT")
        .honoured("Security protocol between brokers. Only PLAINTEXT is served by this version."),
    int("socket.request.max.bytes", "104857600").high().at_least(1)
        .honoured("Largest request. A larger one closes its connection, and so does one that is larger than a quarter of weir.memory.bytes."),
];
