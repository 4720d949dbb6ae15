//! `__consumer_offsets` as Kafka's own tools find it: an ordinary topic with Kafka's records.

use bytes::{Buf, Bytes};
use weir_coordinator::partition_for;
use weir_protocol::{
    message::Message,
    messages::{
        FetchRequest, GroupMetadataKey, GroupMetadataValue, MetadataRequest, OffsetCommitKey,
        OffsetCommitValue, fetch_request, metadata_request::MetadataRequestTopic,
    },
    records::split_batches,
    types::PartitionIndex,
};

use crate::{
    broker::Store,
    client::Client,
    group_calls::{commit, str},
};

/// All records of a partition of `__consumer_offsets`: key and value.
fn records(client: &mut Client, partition: PartitionIndex) -> Vec<(Bytes, Option<Bytes>)> {
    let request = FetchRequest {
        max_wait_ms: 0,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![fetch_request::FetchTopic {
            topic: str("__consumer_offsets"),
            partitions: vec![fetch_request::FetchPartition {
                partition: partition.0,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = client.call(12, &request);
    let fetched = &answer.responses[0].partitions[0];
    assert_eq!((answer.error_code, fetched.error_code), (0, 0));
    let bytes = fetched.records.clone().unwrap().into_bytes();
    let mut all = Vec::new();
    for batch in split_batches(&bytes) {
        let batch = batch.unwrap();
        assert!(batch.crc_is_valid());
        assert!(batch.header().producer_id.0 == -1 && batch.header().attributes.0 == 0);
        let copy = |b: &[u8]| Bytes::copy_from_slice(b);
        batch
            .with_records(1 << 20, |records| {
                let records = records.map(Result::unwrap);
                all.extend(records.map(|r| (copy(r.key.unwrap()), r.value.map(copy))));
            })
            .unwrap();
    }
    all
}

/// The int16 in front, and the message behind it.
fn prefixed(bytes: &Bytes) -> (i16, Bytes) {
    let mut bytes = bytes.clone();
    (bytes.get_i16(), bytes)
}

#[test]
fn its_records_are_kafkas() {
    let store = Store::new();
    let broker = store.start(&["group.initial.rebalance.delay.ms=0"]);
    let mut client = broker.connect();
    client.coordinator();
    let topic = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(str("__consumer_offsets")),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let metadata = client.call(12, &topic);
    assert!(metadata.topics[0].is_internal);
    assert_eq!(metadata.topics[0].partitions.len(), 50);

    let orders = ("orders", client.topic("orders"));
    let (member, generation) = client.stable_group("g", b"part");
    let mut request = commit("g", orders, 0, 4711, "note");
    request.member_id = str(&member);
    request.generation_id_or_member_epoch = generation;
    assert_eq!(
        client.call(9, &request).topics[0].partitions[0].error_code,
        0
    );

    let records = records(&mut client, partition_for("g", 50));
    let decoded: Vec<(i16, i16)> = records
        .iter()
        .map(|(key, value)| (prefixed(key).0, prefixed(value.as_ref().unwrap()).0))
        .collect();
    // Group metadata in version 3: empty, then with its member; an offset in version 4.
    assert_eq!(decoded, [(2, 3), (2, 3), (1, 4)]);

    let (_, key) = prefixed(&records[1].0);
    assert_eq!(&*GroupMetadataKey::from_bytes(key, 0).unwrap().group, "g");
    let (version, value) = prefixed(records[1].1.as_ref().unwrap());
    let group = GroupMetadataValue::from_bytes(value, version).unwrap();
    assert_eq!((&*group.protocol_type, group.generation), ("consumer", 1));
    assert_eq!(group.leader, Some(str(&member)));
    assert_eq!(&group.members[0].assignment[..], b"part");
    assert_eq!(&*group.members[0].client_host, "/127.0.0.1");

    let (_, key) = prefixed(&records[2].0);
    let key = OffsetCommitKey::from_bytes(key, 0).unwrap();
    assert_eq!(
        (&*key.group, &*key.topic, key.partition),
        ("g", "orders", 0)
    );
    let (version, value) = prefixed(records[2].1.as_ref().unwrap());
    let value = OffsetCommitValue::from_bytes(value, version).unwrap();
    assert_eq!((value.offset, value.leader_epoch), (4711, 3));
    assert_eq!((&*value.metadata, value.topic_id), ("note", orders.1));
}
