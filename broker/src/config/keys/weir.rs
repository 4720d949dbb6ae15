//! Our own keys. Durations are in milliseconds, sizes in bytes, as plain numbers.

use crate::config::key::{Key, Kind, Valid, boolean, int, long, string, unset};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    string("weir.admin.listener", "127.0.0.1:9644").high()
        .honoured("HOST:PORT of the admin HTTP server (/metrics, /healthz, /readyz). It has no authentication: keep it on an address that only operators reach."),
    long("weir.checkpoint.interval.ms", "60000").at_least(1000)
        .honoured("How often the index is written to the store. Longer saves requests to the store; shorter makes a start after a crash faster."),
    unset(Kind::String, "weir.cluster.id")
        .honoured("Id of the cluster, 22 characters of base64. An empty store is created with it; a store of another cluster is refused. Without it a new cluster gets a random id."),
    long("weir.connection.frame.timeout.ms", "30000").at_least(100)
        .honoured("A request must have arrived completely so long after its first byte, else its connection is closed: a slow sender must not hold memory for ever."),
    int("weir.connection.requests.max", "256").at_least(1)
        .honoured("Most requests of one connection that are being answered at one time. The connection is not read further until one is done."),
    long("weir.connection.write.timeout.ms", "60000").at_least(100)
        .honoured("A connection that takes no byte of its answer for so long is closed: a slow reader must not hold memory for ever."),
    long("weir.flush.bytes", "8388608").between(65536, 268_435_456)
        .honoured("Records are written to the store when so many bytes have gathered, whatever the interval. Larger objects are cheaper per byte and take longer to write."),
    long("weir.flush.early.bytes", "1048576").between(1024, 268_435_456)
        .honoured("So many bytes without a new arrival for 2 ms are written at once, without waiting for the interval: a producer whose window is full does not wait."),
    long("weir.flush.interval.ms", "-1").between(-1, 60_000)
        .honoured("Average time between writes to the store: latency against the price of requests. -1 chooses by the store: on a local directory a write starts at once when none is in flight, otherwise when one returns or after 2 ms."),
    string("weir.log.format", "text").low().one_of(&["text", "json"])
        .honoured("Form of the log on stderr: text for people, json for machines."),
    string("weir.log.level", "warn").low()
        .honoured("What is logged: error, warn, info, debug or trace, or a list such as 'warn,weir::net=debug' that differs by part."),
    long("weir.memory.bytes", "-1").high().valid(Valid::BetweenOr(67_108_864, 1_099_511_627_776, -1))
        .honoured("One budget for everything in flight and for the newest records that are read from memory. -1 takes a quarter of the memory of the machine or its cgroup, at least 128 MiB, at most 1 GiB. The process itself needs about 40 MiB more."),
    string("weir.produce.validate", "full").one_of(&["full", "header"])
        .honoured("How far compressed batches are checked before they are stored. 'full' decompresses them, as Kafka does where it must, so that nobody can store a batch that blocks every consumer; 'header' saves that CPU where all producers are trusted."),
    boolean("weir.replication.factor.strict", "false").low()
        .honoured("Refuse topics with a replication factor above the number of brokers, as Kafka does. Off, any factor of at least 1 is accepted: applications ask for 3, and durability is the store's."),
    long("weir.session.timeout.ms", "6000").between(1000, 60_000)
        .honoured("How long a broker may be silent before others take it for dead. Start waits so long when it cannot tell whether an earlier run of its node id still lives."),
    long("weir.shutdown.timeout.ms", "8000").at_least(100)
        .honoured("Time for a clean stop after SIGTERM. Out of time the process exits with 1; nothing acknowledged is lost, but the next start takes over as after a crash."),
    boolean("weir.store.create", "true")
        .honoured("An empty store becomes a new cluster. Turn it off in production, so that a mistyped URL is an error and not an empty cluster."),
    string("weir.store.url", "./weir-data").high()
        .valid(Valid::NonEmpty)
        .honoured("Where all data is: a directory (a path or file:///path), or memory: for tests, which forgets everything at exit."),
];
