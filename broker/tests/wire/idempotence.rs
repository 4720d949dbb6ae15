//! Idempotent producers on the wire: duplicates, gaps, epochs; before and after a crash.

use weir_protocol::messages::{InitProducerIdRequest, ProduceRequest};

use crate::{
    broker::Broker,
    client::{Client, versions},
    data::{Topic, batch, produced, sequenced},
};

/// (code, base offset) of a batch of two records.
fn send(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    (producer, epoch, sequence): (i64, i16, i32),
) -> (i16, i64) {
    let records = sequenced(producer, epoch, sequence, &["a", "b"]);
    let answer = produced(client, version, &topic.produce(-1, 0, records));
    (answer.error_code, answer.base_offset)
}

fn new_producer(client: &mut Client) -> i64 {
    let request = InitProducerIdRequest {
        transactional_id: None,
        ..Default::default()
    };
    client.call(5, &request).producer_id
}

#[test]
fn a_duplicate_gets_the_original_offset_also_after_a_crash() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<ProduceRequest>() {
        let topic = Topic::create(&mut client, &format!("t{version}"), &[]);
        let id = new_producer(&mut client);
        for i in 0..6 {
            let got = send(&mut client, version, &topic, (id, 0, i * 2));
            assert_eq!(got, (0, i64::from(i) * 2), "v{version}");
        }
        for round in ["before", "after"] {
            for i in 1..6 {
                let got = send(&mut client, version, &topic, (id, 0, i * 2));
                assert_eq!(got, (0, i64::from(i) * 2), "v{version} {round} the crash");
            }
            // Older than the last five.
            let got = send(&mut client, version, &topic, (id, 0, 0));
            assert_eq!(got, (45, -1), "v{version} {round} the crash");
            if round == "before" {
                broker.crash_and_restart();
                client = broker.client();
            }
        }
        let got = send(&mut client, version, &topic, (id, 0, 12));
        assert_eq!(got, (0, 12), "v{version}: nothing was stored twice");
    }
}

#[test]
fn gaps_and_old_epochs_are_refused() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<ProduceRequest>() {
        let topic = Topic::create(&mut client, &format!("t{version}"), &[]);
        let id = new_producer(&mut client);
        let mut send = |epoch, sequence| send(&mut client, version, &topic, (id, epoch, sequence));
        // A producer that is not known here may begin anywhere.
        assert_eq!(send(1, 10), (0, 0), "v{version}");
        assert_eq!(send(1, 13), (45, -1), "v{version}: a gap");
        assert_eq!(send(1, 11), (45, -1), "v{version}: an overlap");
        assert_eq!(send(1, 12), (0, 2), "v{version}");
        assert_eq!(send(0, 14), (47, -1), "v{version}: an old epoch");
        assert_eq!(
            send(2, 14),
            (45, -1),
            "v{version}: a new epoch begins with 0"
        );
        assert_eq!(send(2, 0), (0, 4), "v{version}");
        assert_eq!(send(1, 14), (47, -1), "v{version}: the epoch is over");
        let bare = topic.produce(-1, 0, batch(&["x"]));
        assert_eq!(produced(&mut client, version, &bare).base_offset, 6);
    }
}

#[test]
fn sequences_wrap_at_the_end_of_their_range() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let id = new_producer(&mut client);
    let mut send = |sequence| send(&mut client, 13, &topic, (id, 0, sequence));
    assert_eq!(send(i32::MAX - 2), (0, 0));
    assert_eq!(send(i32::MAX), (0, 2), "i32::MAX and 0");
    assert_eq!(send(1), (0, 4));
    assert_eq!(send(i32::MAX), (0, 2), "the duplicate");
}

#[test]
fn pipelined_duplicates_wait_for_the_original() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let id = new_producer(&mut client);
    let request = topic.produce(-1, 0, sequenced(id, 0, 0, &["a"]));
    let ids = [0; 5].map(|_| client.send(13, &request));
    for id in ids {
        let response = client.receive::<ProduceRequest>(13, id);
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    }
}
