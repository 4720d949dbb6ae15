//! Every version of the APIs of committed offsets.

use weir_protocol::{
    messages::{
        OffsetCommitRequest, OffsetDeleteRequest,
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
    },
    types::Uuid,
};

use crate::{
    broker::{Broker, Store},
    client::Client,
    group_calls::{commit, fetch, fetched, leave, str},
};

const UNKNOWN: (&str, Uuid) = ("nowhere", Uuid([9; 16]));

fn start(store: &Store) -> (Broker, Client) {
    let broker = store.start(&["group.initial.rebalance.delay.ms=0", "num.partitions=3"]);
    let mut client = broker.connect();
    client.coordinator();
    (broker, client)
}

/// The only error of a commit of one partition; the answer names the topic as its version does.
fn committed(client: &mut Client, version: i16, request: &OffsetCommitRequest) -> i16 {
    let answer = client.call(version, request);
    assert_eq!(answer.topics.len(), 1, "v{version}");
    let (asked, topic) = (&request.topics[0], &answer.topics[0]);
    if version >= 10 {
        assert_eq!((topic.topic_id, &*topic.name), (asked.topic_id, ""));
    } else {
        assert_eq!((topic.topic_id, &topic.name), (Uuid::ZERO, &asked.name));
    }
    assert_eq!(topic.partitions.len(), 1, "v{version}");
    assert_eq!(
        topic.partitions[0].partition_index,
        asked.partitions[0].partition_index
    );
    topic.partitions[0].error_code
}

#[test]
fn offset_commit_v2_to_v10() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let orders = ("orders", client.topic("orders"));
    let (member, generation) = client.stable_group("g", b"a");
    for version in 2..=10 {
        // By the member.
        let mut request = commit("g", orders, 1, 100 + i64::from(version), "m");
        request.member_id = str(&member);
        request.generation_id_or_member_epoch = generation;
        let mut error = |request: &OffsetCommitRequest| committed(&mut client, version, request);
        assert_eq!(error(&request), 0, "v{version}");
        let mut wrong = request.clone();
        wrong.generation_id_or_member_epoch += 1;
        assert_eq!(error(&wrong), 22, "v{version}");
        wrong = request.clone();
        wrong.member_id = str("nobody");
        assert_eq!(error(&wrong), 25, "v{version}");
        wrong = request.clone();
        wrong.topics[0].partitions[0].committed_metadata = Some(str(&"x".repeat(4097)));
        assert_eq!(error(&wrong), 12, "v{version}");
        wrong = request.clone();
        wrong.topics[0].partitions[0].partition_index = 3;
        assert_eq!(error(&wrong), 3, "v{version}");
        // By nobody, while there are members.
        assert_eq!(error(&commit("g", orders, 1, 1, "")), 25, "v{version}");
        // To what does not exist.
        let unknown = if version >= 10 { 100 } else { 3 };
        assert_eq!(
            error(&commit("g", UNKNOWN, 0, 1, "")),
            unknown,
            "v{version}"
        );
        // By somebody of a group that does not exist.
        wrong = commit(&format!("no-{version}"), orders, 0, 1, "");
        wrong.generation_id_or_member_epoch = 1;
        let missing = if version >= 9 { 69 } else { 22 };
        assert_eq!(error(&wrong), missing, "v{version}");
        // Without a group: an administrator, or a consumer that only stores offsets here.
        let simple = format!("simple-{version}");
        assert_eq!(
            error(&commit(&simple, orders, 2, 7, "by hand")),
            0,
            "v{version}"
        );

        let found = fetched(&mut client, 5, &fetch("g", Some(orders), &[1]));
        let epoch = if version >= 6 { 3 } else { -1 };
        let expected = (1, 100 + i64::from(version), epoch, "m".to_owned(), 0);
        assert_eq!(found.topics[0].2, [expected], "v{version}");
        assert_eq!(
            client.describe(0, &simple).group_state,
            *"Empty",
            "v{version}"
        );
    }
}

#[test]
fn offset_fetch_v1_to_v10() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let orders = ("orders", client.topic("orders"));
    let other = ("other", client.topic("other"));
    assert_eq!(
        committed(&mut client, 8, &commit("g", orders, 1, 42, "here")),
        0
    );
    assert_eq!(committed(&mut client, 8, &commit("g", other, 0, 5, "")), 0);
    for version in 1..=10 {
        let names = |topic: (&str, Uuid)| match version {
            10 => (String::new(), topic.1),
            _ => (topic.0.to_owned(), Uuid::ZERO),
        };
        let epoch = if version >= 5 { 3 } else { -1 };
        let nothing = |partition| (partition, -1, -1, String::new(), 0);
        let here = (1, 42, epoch, "here".to_owned(), 0);

        let found = fetched(&mut client, version, &fetch("g", Some(orders), &[0, 1, 7]));
        let (name, id) = names(orders);
        let expected = vec![nothing(0), here.clone(), nothing(7)];
        assert_eq!(
            (found.error, found.topics),
            (0, vec![(name, id, expected)]),
            "v{version}"
        );

        // A group that does not exist has committed nothing.
        let found = fetched(&mut client, version, &fetch("none", Some(orders), &[1]));
        assert_eq!(
            (found.error, &found.topics[0].2),
            (0, &vec![nothing(1)]),
            "v{version}"
        );

        // A topic that does not exist.
        let found = fetched(&mut client, version, &fetch("g", Some(UNKNOWN), &[0]));
        let error = if version >= 10 { 100 } else { 0 };
        let expected = (0, -1, -1, String::new(), error);
        assert_eq!(
            (found.error, &found.topics[0].2),
            (0, &vec![expected]),
            "v{version}"
        );

        if version >= 2 {
            let found = fetched(&mut client, version, &fetch("g", None, &[]));
            let ((name, id), (other_name, other_id)) = (names(orders), names(other));
            let all = vec![
                (name, id, vec![here]),
                (other_name, other_id, vec![(0, 5, epoch, String::new(), 0)]),
            ];
            assert_eq!((found.error, found.topics), (0, all), "v{version}");
        }
    }
}

#[test]
fn several_groups_in_one_fetch_each_get_their_own_answer() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let orders = ("orders", client.topic("orders"));
    assert_eq!(
        committed(&mut client, 8, &commit("g", orders, 1, 42, "here")),
        0
    );
    for version in 8..=10 {
        let mut request = fetch("g", Some(orders), &[1]);
        request.groups.push(OffsetFetchRequestGroup {
            group_id: str("none"),
            topics: None,
            ..Default::default()
        });
        let answer = client.call(version, &request);
        let groups = answer
            .groups
            .iter()
            .map(|g| (&*g.group_id, g.error_code, g.topics.len()));
        assert_eq!(
            groups.collect::<Vec<_>>(),
            [("g", 0, 1), ("none", 0, 0)],
            "v{version}"
        );
    }
}

#[test]
fn offset_delete_spares_what_the_group_consumes() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let orders = ("orders", client.topic("orders"));
    let other = ("other", client.topic("other"));
    let (member, generation) = client.stable_group("g", b"a");
    for topic in [orders, other] {
        let mut request = commit("g", topic, 0, 9, "");
        request.member_id = str(&member);
        request.generation_id_or_member_epoch = generation;
        assert_eq!(committed(&mut client, 8, &request), 0);
    }
    let topic = |name: &str, partitions: &[i32]| OffsetDeleteRequestTopic {
        name: str(name),
        partitions: partitions
            .iter()
            .map(|p| OffsetDeleteRequestPartition {
                partition_index: *p,
            })
            .collect(),
    };
    let delete = |client: &mut Client, group: &str| {
        let request = OffsetDeleteRequest {
            group_id: str(group),
            topics: vec![
                topic("orders", &[0, 8]),
                topic("other", &[0]),
                topic("nowhere", &[0]),
            ],
        };
        let answer = client.call(0, &request);
        let topics = answer.topics.iter().map(|t| {
            let partitions = t
                .partitions
                .iter()
                .map(|p| (p.partition_index, p.error_code));
            (t.name.to_string(), partitions.collect::<Vec<_>>())
        });
        (answer.error_code, topics.collect::<Vec<_>>())
    };
    let of = |name: &str, partitions: &[(i32, i16)]| (name.to_owned(), partitions.to_vec());
    let (error, topics) = delete(&mut client, "g");
    let expected = [
        of("orders", &[(8, 3), (0, 86)]),
        of("other", &[(0, 0)]),
        of("nowhere", &[(0, 3)]),
    ];
    assert_eq!((error, topics), (0, expected.to_vec()));
    let left = fetched(&mut client, 7, &fetch("g", None, &[]));
    assert_eq!(left.topics.len(), 1, "{left:?}");
    assert_eq!(left.topics[0].0, "orders");

    client.call(0, &leave("g", &member));
    let (error, topics) = delete(&mut client, "g");
    assert_eq!((error, &topics[0]), (0, &of("orders", &[(8, 3), (0, 0)])));
    assert_eq!(fetched(&mut client, 7, &fetch("g", None, &[])).topics, []);
    assert_eq!(delete(&mut client, "none"), (69, vec![]));
    assert_eq!(delete(&mut client, ""), (24, vec![]));
}
