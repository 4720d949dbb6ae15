//! What the writer does beyond giving the right bytes: it shares, gathers, and refuses.

use bytes::Bytes;
use weir_protocol::frame;
use weir_protocol::message::Message;
use weir_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use weir_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use weir_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use weir_protocol::messages::{
    FetchRequest, FetchResponse, JoinGroupRequest, MetadataRequest, ProduceRequest,
    TransactionLogValue,
};
use weir_protocol::str::Str;
use weir_protocol::wire::{EncodeErrorKind, RawTaggedField, Reader, Records, Writer};

fn within(part: &[u8], whole: &[u8]) -> bool {
    whole.as_ptr_range().start <= part.as_ptr()
        && part.as_ptr_range().end <= whole.as_ptr_range().end
}

#[test]
fn records_go_out_as_the_chunks_they_are() {
    let first = Bytes::from(vec![1; 10]);
    let second = Bytes::from(vec![2; 5000]);
    let partition = |records: Records| PartitionData {
        records: Some(records),
        ..Default::default()
    };
    let response = FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: "t".into(),
            partitions: vec![
                partition(Records::from(vec![
                    first.clone(),
                    Bytes::new(),
                    second.clone(),
                ])),
                partition(Records::new()),
                partition(Records::from(first.clone())),
            ],
            ..Default::default()
        }],
        ..Default::default()
    };
    let chunks = frame::response::<FetchRequest>(12, 1, &response).unwrap();
    let shared: Vec<&[u8]> = chunks
        .iter()
        .map(|c| &c[..])
        .filter(|c| within(c, &first) || within(c, &second))
        .collect();
    assert_eq!(shared, [&first[..], &second, &first]);
    assert_eq!(
        chunks.len(),
        6,
        "records, and the small fields between them"
    );
    assert!(chunks.iter().all(|c| !c.is_empty()));

    let whole = Bytes::from(chunks.concat());
    assert_eq!(whole[..4], (whole.len() as u32 - 4).to_be_bytes());
    let decoded = FetchResponse::from_bytes(whole.slice(9..), 12).unwrap();
    assert_eq!(decoded, response, "however the records are cut");
}

#[test]
fn strings_and_records_of_a_request_are_slices_of_its_frame() {
    let request = ProduceRequest {
        transactional_id: Some("tx".into()),
        topic_data: vec![TopicProduceData {
            name: "orders".into(),
            partition_data: vec![PartitionProduceData {
                records: Some(Records::from(Bytes::from(vec![9; 100]))),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in [3, 9] {
        let bytes = request.to_bytes(version).unwrap();
        let decoded = ProduceRequest::from_bytes(bytes.clone(), version).unwrap();
        assert_eq!(decoded, request);
        let topic = &decoded.topic_data[0];
        let records = topic.partition_data[0].records.as_ref().unwrap();
        assert!(within(topic.name.as_bytes(), &bytes));
        assert!(within(&records.chunks()[0], &bytes));
        assert!(!within(topic.name.detach().as_bytes(), &bytes));
    }
}

#[test]
fn large_bytes_are_shared_and_small_ones_copied() {
    for (length, shared) in [(100, false), (5000, true)] {
        let metadata = Bytes::from(vec![1; length]);
        let request = JoinGroupRequest {
            protocols: vec![JoinGroupRequestProtocol {
                metadata: metadata.clone(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut writer = Writer::new();
        request.encode(&mut writer, 9);
        let expected = writer.len();
        let chunks = writer.finish().unwrap();
        assert_eq!(chunks.iter().any(|c| within(c, &metadata)), shared);
        assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), expected);
    }
}

#[test]
fn a_value_that_the_version_cannot_express_is_an_error_at_the_end() {
    let kind = |error: weir_protocol::wire::EncodeError| (error.field, error.kind);
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    assert!(request.to_bytes(1).is_ok(), "null is all topics");
    let error = request.to_bytes(0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MetadataRequest v0, field topics: null is not allowed in this version"
    );
    let (length, limit) = (40_000, 32_767);
    let long = FetchRequest {
        rack_id: Str::from("r".repeat(length)),
        ..Default::default()
    };
    for version in [11, 12] {
        assert_eq!(
            kind(long.to_bytes(version).unwrap_err()),
            ("rack_id", EncodeErrorKind::TooLong { length, limit })
        );
    }
    assert!(long.to_bytes(10).is_ok(), "a version without the field");
    let (first, last) = (4, 18);
    assert_eq!(
        kind(long.to_bytes(19).unwrap_err()),
        (
            "version",
            EncodeErrorKind::UnsupportedVersion { first, last }
        )
    );
}

#[test]
fn unknown_tagged_fields_survive_among_known_ones_in_ascending_order() {
    let unknown = |tag, length| RawTaggedField {
        tag,
        data: Bytes::from(vec![tag as u8; length]),
    };
    // Tag 2 and 3 are known in v1; 1 is left at its default.
    let value = TransactionLogValue {
        client_transaction_version: 2,
        next_producer_epoch: 7,
        unknown_tagged_fields: vec![unknown(9, 1), unknown(300, 200)],
        ..Default::default()
    };
    let bytes = value.to_bytes(1).unwrap();
    let tail = [4, 2, 2, 0, 2, 3, 2, 0, 7, 9, 1, 9, 0xac, 0x02, 0xc8, 0x01];
    let tags_at = bytes.len() - 200 - tail.len();
    assert_eq!(bytes[tags_at..tags_at + tail.len()], tail);
    assert_eq!(TransactionLogValue::from_bytes(bytes, 1).unwrap(), value);
}

#[test]
fn shared_bytes_within_a_tagged_field_keep_their_place() {
    // No message has such a field today; the writer must not depend on that.
    let large = Bytes::from(vec![5; 3000]);
    let mut writer = Writer::new();
    let mut tags = writer.tags(&[], 1);
    tags.field(&mut writer, 0, |w| {
        w.i8(1);
        w.bytes(true, "large", &large);
        w.i8(2);
    });
    tags.finish(&mut writer);
    writer.i8(3);
    let chunks = writer.finish().unwrap();
    assert!(chunks.iter().any(|c| within(c, &large)));
    let whole = Bytes::from(chunks.concat());
    let mut reader = Reader::new(whole);
    let mut unknown = Vec::new();
    reader
        .tagged_fields(&mut unknown, |r, tag| {
            assert_eq!((tag, r.i8("before")?), (0, 1));
            assert_eq!(r.bytes(true, "large")?, large);
            assert_eq!(r.i8("after")?, 2);
            Ok(true)
        })
        .unwrap();
    assert_eq!(reader.i8("end"), Ok(3));
    reader.finish().unwrap();
}

#[test]
fn a_prefix_stands_before_keys_and_values_of_coordinator_records() {
    use weir_protocol::messages::{OffsetCommitKey, OffsetCommitValue};
    let key = OffsetCommitKey {
        group: "g".into(),
        topic: "t".into(),
        partition: 3,
    };
    let bytes = key
        .to_prefixed_bytes(OffsetCommitKey::RECORD_TYPE, 0)
        .unwrap();
    assert_eq!(bytes[..], [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 3]);
    let mut reader = Reader::new(bytes);
    assert_eq!(reader.i16("type"), Ok(OffsetCommitKey::RECORD_TYPE));
    assert_eq!(OffsetCommitKey::decode(&mut reader, 0), Ok(key));
    assert_eq!(OffsetCommitValue::default().leader_epoch, -1);
}
