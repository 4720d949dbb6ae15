//! DescribeConfigs, all versions.

use weir_protocol::{
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
    },
    str::Str,
};

use crate::{
    broker::Broker,
    client::{Client, versions},
    topics::text,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type: kind,
        resource_name: Str::from_str_copy(name),
        configuration_keys: keys
            .map(|keys| keys.iter().map(|key| Str::from_str_copy(key)).collect()),
        ..Default::default()
    }
}

fn call(
    client: &mut Client,
    version: i16,
    resources: Vec<DescribeConfigsResource>,
) -> DescribeConfigsResponse {
    let request = DescribeConfigsRequest {
        resources,
        include_synonyms: true,
        include_documentation: true,
        ..Default::default()
    };
    client.call(version, &request)
}

/// The only result.
fn one(
    client: &mut Client,
    version: i16,
    wanted: DescribeConfigsResource,
) -> DescribeConfigsResult {
    let mut results = call(client, version, vec![wanted.clone()]).results;
    assert_eq!(results.len(), 1);
    let result = results.remove(0);
    assert_eq!(result.resource_type, wanted.resource_type);
    assert_eq!(result.resource_name, wanted.resource_name);
    result
}

fn config<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result
        .configs
        .iter()
        .find(|config| config.name.as_str() == name)
        .unwrap()
}

/// `name=value@source` of each synonym.
fn synonyms(config: &DescribeConfigsResourceResult) -> Vec<String> {
    let of = config.synonyms.iter();
    of.map(|s| {
        format!(
            "{}={}@{}",
            s.name,
            s.value.as_deref().unwrap_or("null"),
            s.source
        )
    })
    .collect()
}

#[test]
fn a_topic_shows_its_33_settings_with_sources_and_synonyms() {
    let broker = Broker::with(&["message.max.bytes=2000000"]);
    let mut client = broker.client();
    client.create_topic(
        "t",
        1,
        &[
            ("max.message.bytes", "77"),
            ("cleanup.policy", "compact,delete"),
        ],
    );
    for version in versions::<DescribeConfigsRequest>() {
        let result = one(&mut client, version, resource(TOPIC, "t", None));
        assert_eq!(
            (result.error_code, result.configs.len()),
            (0, 33),
            "v{version}"
        );
        let size = config(&result, "max.message.bytes");
        assert_eq!((text(&size.value), size.config_source), (Some("77"), 1));
        assert_eq!((size.read_only, size.is_sensitive), (false, false));
        assert_eq!(
            synonyms(size),
            [
                "max.message.bytes=77@1",
                "message.max.bytes=2000000@4",
                "message.max.bytes=1048588@5"
            ]
        );
        let policy = config(&result, "cleanup.policy");
        assert_eq!(text(&policy.value), Some("compact,delete"));
        let flush = config(&result, "flush.messages");
        assert_eq!(
            (text(&flush.value), flush.config_source),
            (Some("9223372036854775807"), 5)
        );
        if version >= 3 {
            // INT, LIST, LONG
            let types = [size, policy, flush].map(|config| config.config_type);
            assert_eq!(types, [3, 7, 5]);
            assert!(text(&size.documentation).unwrap().len() > 20);
        }
    }
}

#[test]
fn this_broker_shows_its_settings() {
    let broker = Broker::with(&["num.io.threads=4"]);
    let mut client = broker.client();
    for version in versions::<DescribeConfigsRequest>() {
        let result = one(&mut client, version, resource(BROKER, "1", None));
        assert_eq!(result.error_code, 0, "v{version}");
        let threads = config(&result, "num.io.threads");
        let shown = (
            text(&threads.value),
            threads.config_source,
            threads.read_only,
        );
        assert_eq!(shown, (Some("4"), 4, false));
        assert_eq!(
            synonyms(threads),
            ["num.io.threads=4@4", "num.io.threads=8@5"]
        );
        assert!(config(&result, "num.partitions").read_only);
        let background = config(&result, "background.threads");
        assert_eq!(
            (text(&background.value), background.config_source),
            (Some("10"), 5)
        );
        let secret = config(&result, "ssl.key.password");
        assert_eq!((text(&secret.value), secret.is_sensitive), (None, true));
        // The cluster's dynamic defaults: none can be set yet.
        let default = one(&mut client, version, resource(BROKER, "", None));
        assert_eq!((default.error_code, default.configs.len()), (0, 0));
    }
}

#[test]
fn keys_choose_and_no_keys_choose_all() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    for version in versions::<DescribeConfigsRequest>() {
        let wanted: &[(Option<&[&str]>, usize)] = &[
            (None, 33),
            (Some(&[]), 33),
            (Some(&["retention.ms", "segment.ms", "no.such"]), 2),
            (Some(&["no.such"]), 0),
        ];
        for (keys, count) in wanted {
            let result = one(&mut client, version, resource(TOPIC, "t", *keys));
            assert_eq!(
                (result.error_code, result.configs.len()),
                (0, *count),
                "v{version}"
            );
        }
    }
}

#[test]
fn synonyms_and_documentation_come_only_when_asked_for() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    for version in versions::<DescribeConfigsRequest>() {
        let request = DescribeConfigsRequest {
            resources: vec![resource(TOPIC, "t", Some(&["max.message.bytes"]))],
            ..Default::default()
        };
        let response = client.call(version, &request);
        let config = &response.results[0].configs[0];
        assert!(config.synonyms.is_empty(), "v{version}");
        if version >= 3 {
            assert_eq!((text(&config.documentation), config.config_type), (None, 3));
        }
    }
}

#[test]
fn each_mistake_has_kafkas_code_and_words() {
    let broker = Broker::start();
    let mut client = broker.client();
    let cases = [
        (TOPIC, "missing", 3, ""),
        (
            TOPIC,
            "",
            17,
            "Topic name is invalid: the empty string is not allowed",
        ),
        (
            TOPIC,
            "a b",
            17,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (
            BROKER,
            "7",
            42,
            "Unexpected broker id, expected 1 or empty string, but received 7",
        ),
        (
            BROKER,
            "me",
            42,
            "Broker id must be an integer, but it is: me",
        ),
        (LOGGER, "", 42, "Broker id must not be empty"),
        (
            LOGGER,
            "7",
            42,
            "Unexpected broker id, expected 1 but received 7",
        ),
        (GROUP, "", 42, "Group name must not be empty"),
        (
            CLIENT_METRICS,
            "",
            42,
            "Client metrics subscription name must not be empty",
        ),
        (
            CLIENT_METRICS,
            "m",
            42,
            "Unsupported resource type: CLIENT_METRICS",
        ),
    ];
    for version in versions::<DescribeConfigsRequest>() {
        for (kind, name, code, message) in cases {
            let result = one(&mut client, version, resource(kind, name, None));
            let got = (result.error_code, text(&result.error_message));
            assert_eq!(got, (code, Some(message)), "v{version}");
            assert!(result.configs.is_empty());
        }
    }
}

#[test]
fn a_resource_type_that_does_not_exist_spoils_the_request() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    for version in versions::<DescribeConfigsRequest>() {
        for unknown in [0, 1, 3, 64, -1] {
            let resources = vec![resource(TOPIC, "t", None), resource(unknown, "x", None)];
            let response = call(&mut client, version, resources);
            let codes: Vec<_> = response.results.iter().map(|r| r.error_code).collect();
            assert_eq!(codes, [42, 42], "v{version} type {unknown}");
        }
    }
}

#[test]
fn groups_show_what_they_inherit_from_the_broker() {
    let broker = Broker::with(&["group.consumer.session.timeout.ms=50000"]);
    let mut client = broker.client();
    let result = one(&mut client, 4, resource(GROUP, "any", None));
    assert_eq!((result.error_code, result.configs.len()), (0, 17));
    let session = config(&result, "consumer.session.timeout.ms");
    assert_eq!(
        (text(&session.value), session.config_source),
        (Some("50000"), 4)
    );
    let names = synonyms(session);
    assert_eq!(
        names,
        [
            "group.consumer.session.timeout.ms=50000@4",
            "group.consumer.session.timeout.ms=45000@5"
        ]
    );
    let own = config(&result, "share.auto.offset.reset");
    assert_eq!(synonyms(own), ["share.auto.offset.reset=latest@5"]);
}

#[test]
fn the_log_level_is_shown_as_loggers() {
    let broker = Broker::with(&["weir.log.level=warn,weir::net=debug"]);
    let mut client = broker.client();
    let result = one(&mut client, 4, resource(LOGGER, "1", None));
    let loggers: Vec<_> = result
        .configs
        .iter()
        .map(|c| (&*c.name, text(&c.value), c.config_source))
        .collect();
    assert_eq!(
        loggers,
        [("root", Some("WARN"), 6), ("weir::net", Some("DEBUG"), 6)]
    );
}
