//! Typed values, and rules between keys.

use std::time::Duration;

use weir::config::{LogFormat, ProduceValidate};
use weir_tiering::store::url::StoreUrl;

use crate::{errors_of, from_file};

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = from_file("").unwrap();
    assert_eq!(config.node_id.0, 1);
    assert_eq!(config.cluster_id, None);
    assert_eq!(config.admin.to_string(), "127.0.0.1:9644");
    assert!(config.store_create && !config.take_over);
    let StoreUrl::Local(path) = &config.store_url else {
        panic!("{:?}", config.store_url)
    };
    assert!(path.is_absolute() && path.ends_with("weir-data"));
    assert_eq!(config.shutdown_timeout, Duration::from_secs(8));
    assert_eq!(config.memory_bytes, 512 << 20);
    assert_eq!(config.flush.interval, None);
    assert_eq!(
        (config.flush.bytes, config.flush.early_bytes),
        (8 << 20, 1 << 20)
    );
    assert_eq!(config.produce_validate, ProduceValidate::Full);
    assert_eq!(config.group.initial_rebalance_delay, Duration::from_secs(3));
    assert_eq!(
        config.group.offsets_retention,
        Duration::from_secs(7 * 24 * 3600)
    );
    assert_eq!(config.connection.idle_max, Some(Duration::from_secs(600)));
    assert_eq!(config.log_format, LogFormat::Text);
    assert_eq!(config.log_level, "warn");
}

#[test]
fn values_reach_their_fields() {
    let config = from_file(
        "weir.flush.interval.ms=100\nweir.memory.bytes=134217728\nweir.produce.validate=header\n\
         weir.log.format=json\nweir.log.level=info,weir::net=debug\nconnections.max.idle.ms=-1\n\
         max.connections.per.ip.overrides=10.0.0.1:5,[::1]:7\nbroker.id=6\nnode.id=6\n\
         weir.cluster.id=MkU3OEVBNTcwNTJENDM2Qg\nweir.store.create=false\nbroker.rack=zone-b",
    )
    .unwrap();
    assert_eq!(config.flush.interval, Some(Duration::from_millis(100)));
    assert_eq!(config.memory_bytes, 128 << 20);
    assert_eq!(config.produce_validate, ProduceValidate::Header);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.connection.idle_max, None);
    let limits: Vec<u32> = config
        .connection
        .connections_per_ip_overrides
        .into_values()
        .collect();
    assert_eq!(limits, [5, 7]);
    assert_eq!(config.node_id.0, 6);
    assert_eq!(
        config.cluster_id.unwrap().to_string(),
        "MkU3OEVBNTcwNTJENDM2Qg"
    );
    assert_eq!(config.rack.as_deref(), Some("zone-b"));
    assert!(!config.store_create);
}

#[test]
fn stores_are_paths_file_urls_and_memory() {
    let store = |text: &str| {
        from_file(&format!("weir.store.url={text}"))
            .unwrap()
            .store_url
    };
    assert_eq!(store("memory:"), StoreUrl::Memory);
    assert_eq!(store("/data/weir"), StoreUrl::Local("/data/weir".into()));
    assert_eq!(
        store("file:///data/weir"),
        StoreUrl::Local("/data/weir".into())
    );
    let StoreUrl::Local(relative) = store("here") else {
        panic!()
    };
    assert!(relative.is_absolute() && relative.ends_with("here"));
    for (text, part) in [
        ("s3://bucket/prefix", "s3 stores are not in this version"),
        ("file://host/path", "file:///absolute/path"),
        ("memory:x", "memory: takes no name"),
        ("", "String must be non-empty"),
    ] {
        let error = errors_of(&format!("weir.store.url={text}"));
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    for (text, part) in [
        ("node.id=1\nbroker.id=2", "it differs from node.id=1"),
        (
            "weir.flush.bytes=65536\nweir.flush.early.bytes=65537",
            "must not exceed weir.flush.bytes",
        ),
        (
            "group.min.session.timeout.ms=2000000",
            "must not exceed group.max.session.timeout.ms",
        ),
        ("weir.cluster.id=short", "22 characters"),
        ("weir.cluster.id=AAAAAAAAAAAAAAAAAAAAAA", "reserves"),
        ("weir.admin.listener=9644", "it must end in :PORT"),
        ("weir.log.level=warning", "'warning' is not a level"),
        (
            "max.connections.per.ip.overrides=host:3",
            "is not an IP address",
        ),
        ("weir.memory.bytes=1000", "Value must be between 67108864"),
    ] {
        let error = errors_of(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}
