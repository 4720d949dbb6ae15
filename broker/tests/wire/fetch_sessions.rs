//! Fetch sessions (KIP-227), versions 7 and later.

use weir_protocol::messages::{FetchRequest, FetchResponse, fetch_request::FetchTopic};

use crate::{
    broker::Broker,
    client::{Client, versions},
    data::{Topic, append, batch, fetch_request, from_offset, values},
};

fn session(
    client: &mut Client,
    version: i16,
    (session_id, session_epoch): (i32, i32),
    topics: Vec<FetchTopic>,
) -> FetchResponse {
    let request = FetchRequest {
        session_id,
        session_epoch,
        ..fetch_request(topics)
    };
    client.call(version, &request)
}

/// (partition, code, number of records) of all partitions in the answer.
fn told(response: &FetchResponse) -> Vec<(i32, i16, usize)> {
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions);
    partitions
        .map(|data| (data.partition_index, data.error_code, values(data).len()))
        .collect()
}

fn with_sessions() -> impl Iterator<Item = i16> {
    versions::<FetchRequest>().filter(|version| *version >= 7)
}

#[test]
fn an_incremental_answer_carries_only_news() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in with_sessions() {
        let topic = Topic::create(&mut client, &format!("t{version}"), &[]);
        let both = topic.fetch(&[from_offset(0, 0), from_offset(1, 0)]);
        let first = session(&mut client, version, (0, 0), vec![both]);
        let id = first.session_id;
        assert_ne!(id, 0, "v{version}");
        assert_eq!(told(&first), [(0, 0, 0), (1, 0, 0)]);
        let quiet = session(&mut client, version, (id, 1), Vec::new());
        assert_eq!((quiet.session_id, quiet.error_code), (id, 0));
        assert_eq!(told(&quiet), [], "v{version}: nothing new");
        append(&mut client, &topic, batch(&["a"]));
        let news = session(&mut client, version, (id, 2), Vec::new());
        assert_eq!(told(&news), [(0, 0, 1)], "v{version}");
        // The client moves on; what it does not mention stays as it was.
        let moved = topic.fetch(&[from_offset(0, 1)]);
        let quiet = session(&mut client, version, (id, 3), vec![moved]);
        assert_eq!(told(&quiet), [], "v{version}");
        client.call(13, &topic.produce(-1, 1, batch(&["b"])));
        let request = FetchRequest {
            session_id: id,
            session_epoch: 4,
            forgotten_topics_data: vec![topic.forget(&[1])],
            ..fetch_request(Vec::new())
        };
        assert_eq!(
            told(&client.call(version, &request)),
            [],
            "v{version}: forgotten"
        );
    }
}

#[test]
fn wrong_ids_and_epochs_are_refused() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for version in with_sessions() {
        let unknown = session(&mut client, version, (i32::MAX, 1), Vec::new());
        assert_eq!(
            (unknown.error_code, unknown.session_id),
            (70, 0),
            "v{version}"
        );
        let one = || vec![topic.fetch(&[from_offset(0, 0)])];
        let id = session(&mut client, version, (0, 0), one()).session_id;
        for epoch in [2, 7] {
            let wrong = session(&mut client, version, (id, epoch), Vec::new());
            assert_eq!((wrong.error_code, wrong.session_id), (71, 0), "v{version}");
            assert!(wrong.responses.is_empty());
        }
        assert_eq!(
            session(&mut client, version, (id, 1), Vec::new()).error_code,
            0
        );
        // The epoch was used.
        assert_eq!(
            session(&mut client, version, (id, 1), Vec::new()).error_code,
            71
        );
        // Final epoch: the session ends, the fetch itself is served.
        let last = session(&mut client, version, (id, -1), one());
        assert_eq!((last.error_code, last.session_id), (0, 0), "v{version}");
        assert_eq!(told(&last), [(0, 0, 0)]);
        assert_eq!(
            session(&mut client, version, (id, 2), Vec::new()).error_code,
            70
        );
        let none = session(&mut client, version, (0, -1), one());
        assert_eq!(
            (none.error_code, none.session_id),
            (0, 0),
            "v{version}: no session"
        );
    }
}

#[test]
fn a_session_begun_with_names_is_not_continued_with_ids_nor_the_other_way() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for (begun, continued) in [(12, 13), (13, 12), (7, 18), (18, 7)] {
        let topics = vec![topic.fetch(&[from_offset(0, 0)])];
        let id = session(&mut client, begun, (0, 0), topics).session_id;
        let mixed = session(&mut client, continued, (id, 1), Vec::new());
        assert_eq!(
            (mixed.error_code, mixed.session_id),
            (106, 0),
            "v{begun} then v{continued}"
        );
    }
}

#[test]
fn an_error_is_told_each_time_and_so_is_the_recovery() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in with_sessions() {
        let name = format!("late{version}");
        let mut missing = Topic::unknown();
        missing.name = weir_protocol::str::Str::from(name.clone());
        let code = if version >= 13 { 100 } else { 3 };
        let topics = vec![missing.fetch(&[from_offset(0, 0)])];
        let first = session(&mut client, version, (0, 0), topics);
        assert_eq!(told(&first), [(0, code, 0)], "v{version}");
        let id = first.session_id;
        assert_ne!(id, 0);
        for epoch in 1..3 {
            let again = session(&mut client, version, (id, epoch), Vec::new());
            assert_eq!(told(&again), [(0, code, 0)], "v{version}");
        }
        if version < 13 {
            client.create_topic(&name, 1, &[]);
            let recovered = session(&mut client, version, (id, 3), Vec::new());
            assert_eq!(told(&recovered), [(0, 0, 0)], "v{version}");
            assert_eq!(
                told(&session(&mut client, version, (id, 4), Vec::new())),
                []
            );
        }
    }
}

#[test]
fn partitions_that_had_records_go_to_the_end() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in with_sessions() {
        let topic = Topic::create(&mut client, &format!("t{version}"), &[]);
        for partition in [0, 1] {
            client.call(13, &topic.produce(-1, partition, batch(&["a"])));
        }
        let both = topic.fetch(&[from_offset(0, 0), from_offset(1, 0)]);
        let limited = |session_id, session_epoch, topics| FetchRequest {
            session_id,
            session_epoch,
            max_bytes: 1,
            ..fetch_request(topics)
        };
        let first = client.call(version, &limited(0, 0, vec![both]));
        assert_eq!(told(&first), [(0, 0, 1), (1, 0, 0)], "v{version}");
        // As in Kafka, only incremental answers move a partition.
        for (epoch, partition) in [(1, 0), (2, 1), (3, 0)] {
            let next = client.call(version, &limited(first.session_id, epoch, Vec::new()));
            assert_eq!(
                told(&next),
                [(partition, 0, 1)],
                "v{version}, epoch {epoch}"
            );
        }
    }
}
