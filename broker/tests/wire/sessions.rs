//! Incremental fetch sessions over the wire (KIP-227).

use weir_protocol::{
    messages::{FetchRequest, fetch_request::ForgottenTopic},
    str::Str,
};

use crate::{
    broker::Broker,
    records::{Topic, batch, fetch, fetched, new_topic, offset_of},
};

fn session(topic: &Topic, id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let mut request = FetchRequest {
        session_id: id,
        session_epoch: epoch,
        ..fetch(topic, partitions)
    };
    if partitions.is_empty() {
        request.topics.clear();
    }
    request
}

#[test]
fn an_incremental_answer_carries_what_is_new() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 3);
    for version in 7..=18 {
        let offsets: Vec<(i32, i64)> = (0..3)
            .map(|p| (p, offset_of(&mut client, &topic, p, batch(1)) + 1))
            .collect();
        let full = client.call(version, &session(&topic, 0, 0, &offsets));
        assert_eq!(
            (full.error_code, fetched(&full).len()),
            (0, 3),
            "v{version}"
        );
        let id = full.session_id;
        assert!(id > 0);
        let mut carried = |epoch, partitions: &[(i32, i64)]| {
            let response = client.call(version, &session(&topic, id, epoch, partitions));
            assert_eq!(
                (response.error_code, response.session_id),
                (0, id),
                "v{version}"
            );
            let data = fetched(&response);
            data.iter()
                .map(|d| (d.partition_index, d.error_code))
                .collect::<Vec<_>>()
        };
        assert_eq!(carried(1, &[]), []);
        offset_of(&mut broker.client(), &topic, 1, batch(1));
        assert_eq!(carried(2, &[]), [(1, 0)]);
        assert_eq!(carried(3, &[]), [(1, 0)], "as long as it has records");
        assert_eq!(carried(4, &[(1, offsets[1].1 + 1)]), []);
        assert_eq!(carried(5, &[(9, 0)]), [(9, 3)]);
        assert_eq!(carried(6, &[]), [(9, 3)], "errors are always told");
        let forgets = FetchRequest {
            forgotten_topics_data: vec![ForgottenTopic {
                topic: topic.name.clone(),
                topic_id: topic.id,
                partitions: vec![9],
                ..Default::default()
            }],
            ..session(&topic, id, 7, &[])
        };
        assert_eq!(fetched(&client.call(version, &forgets)).len(), 0);
        let repeated = client.call(version, &session(&topic, id, 7, &[]));
        assert_eq!(
            (repeated.error_code, repeated.session_id),
            (71, 0),
            "v{version}"
        );
        let closed = client.call(version, &session(&topic, id, -1, &[(0, 0)]));
        assert_eq!((closed.session_id, fetched(&closed).len()), (0, 1));
        let gone = client.call(version, &session(&topic, id, 8, &[]));
        assert_eq!(gone.error_code, 70, "v{version}");
    }
}

#[test]
fn a_session_does_not_mix_names_and_ids() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    for (first, second) in [(12, 13), (13, 12)] {
        let id = client
            .call(first, &session(&topic, 0, 0, &[(0, 0)]))
            .session_id;
        let mixed = client.call(second, &session(&topic, id, 1, &[(0, 0)]));
        assert_eq!(mixed.error_code, 106);
    }
}

#[test]
fn an_unknown_topic_id_stays_and_resolves_never_by_itself() {
    let broker = Broker::start();
    let mut client = broker.client();
    let missing = Topic {
        name: Str::from("missing"),
        id: weir_protocol::types::Uuid([3; 16]),
    };
    let full = client.call(13, &session(&missing, 0, 0, &[(0, 0)]));
    assert_eq!(fetched(&full)[0].error_code, 100);
    for epoch in 1..4 {
        let next = client.call(13, &session(&missing, full.session_id, epoch, &[]));
        assert_eq!(fetched(&next)[0].error_code, 100);
    }
}
