//! Which layer wins, and what is said about names and values that cannot be.

use weir::config::{Layers, Source, Variable};

use crate::{errors_of, file, from_file, load};

fn variable(name: &str, value: &str) -> Variable {
    Variable {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn flag_beats_override_beats_environment_beats_file_beats_default() {
    let mut layers = Layers::default();
    let node_id = |layers: &Layers| {
        let config = load(layers).unwrap();
        let key = weir::config::all_keys()
            .find(|key| key.name == "node.id")
            .unwrap();
        (config.node_id.0, config.settings.effective(key).source)
    };
    assert_eq!(node_id(&layers), (1, Source::Default));
    layers.file = Some(file("\n node.id = 2 \n"));
    let source = Source::File {
        path: "f.properties".into(),
        line: 2,
    };
    assert_eq!(node_id(&layers), (2, source));
    layers.environment = vec![variable("WEIR_NODE_ID", "3")];
    let source = Source::Environment {
        variable: "WEIR_NODE_ID".into(),
    };
    assert_eq!(node_id(&layers), (3, source));
    layers.overrides = vec!["node.id=9".into(), "node.id=4".into()];
    assert_eq!(node_id(&layers), (4, Source::Override));
    layers.flags = vec![("--node-id", "node.id", "5".into())];
    assert_eq!(node_id(&layers), (5, Source::Flag("--node-id")));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    assert_eq!(
        errors_of("# comment\nnum.partition=3\n"),
        "unknown key 'num.partition' (f.properties, line 2); did you mean 'num.partitions'?"
    );
    assert_eq!(
        errors_of("store.url=/x"),
        "unknown key 'store.url' (f.properties, line 1); did you mean 'weir.store.url'?"
    );
    assert_eq!(
        errors_of("entirely.else.and.far.from.everything=1"),
        "unknown key 'entirely.else.and.far.from.everything' (f.properties, line 1)"
    );
    assert_eq!(
        errors_of("zookeeper.connect=localhost:2181"),
        "key 'zookeeper.connect' (f.properties, line 1) belongs to older Kafka releases and was \
         removed in Kafka 4; remove it"
    );
}

#[test]
fn an_unknown_variable_and_a_malformed_override_are_refused() {
    let layers = Layers {
        environment: vec![
            variable("WEIR_NODE_IDS", "3"),
            variable("WEIR_STORE_URL", "/x"),
        ],
        overrides: vec!["node.id".into()],
        ..Layers::default()
    };
    assert_eq!(
        load(&layers).map(|_| ()).unwrap_err().to_string(),
        "unknown environment variable WEIR_NODE_IDS (it would set 'node.ids'); did you mean \
         WEIR_NODE_ID ('node.id')?\n\
         unknown environment variable WEIR_STORE_URL (it would set 'store.url'); did you mean \
         WEIR_WEIR_STORE_URL ('weir.store.url')?\n\
         --override takes KEY=VALUE, not 'node.id'"
    );
}

#[test]
fn a_bad_value_is_refused_with_its_source_and_all_errors_come_at_once() {
    assert_eq!(
        errors_of("num.partitions=0\nnode.id=abc\nauto.create.topics.enable=yes"),
        "invalid value '0' for num.partitions (f.properties, line 1): Value must be at least 1\n\
         invalid value 'abc' for node.id (f.properties, line 2): Not a number of type INT\n\
         invalid value 'yes' for auto.create.topics.enable (f.properties, line 3): Expected value \
         to be either true or false"
    );
}

#[test]
fn the_last_of_two_equal_keys_counts_and_is_remarked() {
    let config = from_file("num.partitions=3\nnum.partitions=6\n").unwrap();
    assert_eq!(config.topic_creation.partitions_default, 6);
    assert_eq!(
        config.warnings,
        [
            "f.properties: 'num.partitions' stands on line 1 and again on line 2; the last one counts"
        ]
    );
}

#[test]
fn a_malformed_file_is_refused_with_its_line() {
    assert_eq!(
        errors_of("a=1\nnode.id=\\u12"),
        "f.properties, line 2: \\u needs four hexadecimal digits"
    );
}

#[test]
fn secrets_do_not_get_into_messages() {
    let config = from_file("delegation.token.secret.key=hunter2").unwrap();
    let entries = weir::config::describe_broker(&config.settings);
    let entry = entries
        .iter()
        .find(|entry| entry.name == "delegation.token.secret.key")
        .unwrap();
    assert!(entry.sensitive && entry.value.is_none());
    assert!(entry.synonyms.iter().all(|synonym| synonym.value.is_none()));
}
