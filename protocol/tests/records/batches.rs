use proptest::prelude::*;
use weir_protocol::records::batch::SplitError;
use weir_protocol::records::header::{NO_SEQUENCE, sequence_add};
use weir_protocol::records::recompress::recompress;
use weir_protocol::records::{
    Attributes, BatchBuilder, BatchHeader, BatchMut, BatchView, Codec, ControlRecord, ControlType,
    TimestampType, control_batch, split_batches, validate_batch,
};
use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::support::*;

proptest! {
    #[test]
    fn a_built_batch_reads_back_and_validates(
        codec in codec(),
        records in records(),
        (producer_id, producer_epoch, sequence) in producer(),
        transactional: bool,
    ) {
        let mut builder = BatchBuilder::new(codec).producer(producer_id, producer_epoch, sequence);
        if transactional {
            builder = builder.transactional();
        }
        append_all(&mut builder, &records);
        let bytes = builder.build().unwrap();
        let batch = BatchView::parse(&bytes).unwrap();
        prop_assert!(batch.crc_is_valid());
        prop_assert_eq!(&read_all(&batch), &records);

        let mut limits = limits();
        limits.timestamp_after_max_ms = i64::MAX;
        let valid = validate_batch(&bytes, 9, &limits).unwrap();
        prop_assert_eq!(valid.header, *batch.header());
        prop_assert_eq!(valid.record_count as usize, records.len());
        prop_assert_eq!(valid.max_timestamp, batch.header().max_timestamp);
        prop_assert!(!valid.needs_crc_rewrite);
        let first = records.iter().position(|r| r.timestamp == valid.max_timestamp);
        if valid.max_timestamp >= 0 {
            prop_assert_eq!(valid.offset_delta_of_max_timestamp, first.map(|i| i as i32));
        }
    }

    #[test]
    fn another_codec_changes_nothing_but_the_codec(
        from in codec(), to in codec(), records in records(), (id, epoch, sequence) in producer(),
    ) {
        let mut builder = BatchBuilder::new(from).producer(id, epoch, sequence).transactional();
        append_all(&mut builder, &records);
        let old = builder.build().unwrap();
        let old = BatchView::parse(&old).unwrap();
        let new = recompress(&old, to.into(), CAP).unwrap();
        let new = BatchView::parse(&new).unwrap();
        prop_assert!(new.crc_is_valid());
        prop_assert_eq!(read_all(&new), records);
        let mut expected = *old.header();
        expected.attributes = expected.attributes.with_codec(to);
        expected.length = new.header().length;
        expected.crc = new.header().crc;
        prop_assert_eq!(*new.header(), expected);
    }

    #[test]
    fn header_bytes_round_trip(bytes in prop::collection::vec(any::<u8>(), 61)) {
        let mut bytes = bytes;
        bytes[8] &= 0x7f;
        bytes[10] |= 1;
        bytes[16] = 2;
        prop_assert_eq!(&BatchHeader::decode(&bytes).unwrap().encode()[..], &bytes[..]);
    }
}

#[test]
fn offset_and_leader_epoch_are_patched_outside_the_crc() {
    let mut bytes = build(Codec::Lz4, &plain(3));
    let crc = BatchHeader::decode(&bytes).unwrap().crc;
    let mut batch = BatchMut::parse(&mut bytes).unwrap();
    batch.set_base_offset(Offset(i64::MAX - 2));
    batch.set_partition_leader_epoch(LeaderEpoch(7));
    let patched = *batch.header();
    let view = BatchView::parse(&bytes).unwrap();
    assert_eq!(*view.header(), patched);
    assert_eq!(patched.base_offset, Offset(i64::MAX - 2));
    assert_eq!(patched.partition_leader_epoch, LeaderEpoch(7));
    assert_eq!(patched.crc, crc);
    assert!(view.crc_is_valid());
    assert_eq!(patched.offset_last(), Offset(i64::MAX));
    assert_eq!(
        patched.offset_next(),
        Offset(i64::MAX),
        "saturates, no panic"
    );
}

#[test]
fn timestamps_are_patched_with_a_new_crc_only_when_they_change() {
    let mut bytes = build(Codec::Zstd, &plain(3));
    // An unused attribute bit goes when the attributes are rewritten, as in Kafka.
    bytes = with_header(&bytes, |header| header.attributes.0 |= 1 << 9);
    let before = bytes.clone();
    let mut batch = BatchMut::parse(&mut bytes).unwrap();
    assert!(!batch.set_timestamps(TimestampType::CreateTime, NOW + 2));
    assert_eq!(bytes, before);

    let mut batch = BatchMut::parse(&mut bytes).unwrap();
    assert!(batch.set_timestamps(TimestampType::LogAppendTime, 5));
    let patched = *batch.header();
    let view = BatchView::parse(&bytes).unwrap();
    assert_eq!(*view.header(), patched);
    assert!(view.crc_is_valid());
    let attributes = Attributes::default().with_codec(Codec::Zstd);
    let attributes = attributes.with_timestamp_type(TimestampType::LogAppendTime);
    assert_eq!(patched.attributes, attributes);
    assert!(read_all(&view).iter().all(|record| record.timestamp == 5));
}

#[test]
fn attribute_bits_are_kafkas() {
    let none = Attributes::default();
    let table = [
        (none.with_codec(Codec::Gzip), 1),
        (none.with_codec(Codec::Zstd).with_codec(Codec::Lz4), 3),
        (none.with_timestamp_type(TimestampType::LogAppendTime), 8),
        (none.with_transactional(true), 16),
        (none.with_control(true), 32),
        (none.with_delete_horizon(true), 64),
    ];
    for (attributes, bits) in table {
        assert_eq!(attributes.0, bits);
    }
    let all = Attributes(0x7f);
    assert_eq!(all.codec(), None);
    assert_eq!(all.codec_id(), 7);
    assert_eq!(all.timestamp_type(), TimestampType::LogAppendTime);
    assert!(all.is_transactional() && all.is_control() && all.has_delete_horizon());
}

#[test]
fn sequences_wrap_to_zero() {
    let table = [
        (0, 0, 0),
        (5, 3, 8),
        (i32::MAX, 1, 0),
        (i32::MAX - 1, 1, i32::MAX),
        (i32::MAX, i32::MAX, i32::MAX - 1),
    ];
    for (sequence, increment, sum) in table {
        assert_eq!(
            sequence_add(sequence, increment),
            sum,
            "{sequence} + {increment}"
        );
    }
    let bytes = build(Codec::None, &plain(3));
    let header = |base| {
        let bytes = with_header(&bytes, |h| h.base_sequence = base);
        BatchHeader::decode(&bytes).unwrap()
    };
    assert_eq!(header(i32::MAX - 1).sequence_last(), 0);
    assert_eq!(header(i32::MAX - 1).sequence_next(), 1);
    assert_eq!(header(i32::MAX - 2).sequence_next(), 0);
    assert_eq!(header(-1).sequence_last(), NO_SEQUENCE);
}

#[test]
fn batches_are_split_and_the_first_bad_one_is_named() {
    let (first, second) = (
        build(Codec::None, &plain(2)),
        build(Codec::Snappy, &plain(9)),
    );
    let both = [&first[..], &second[..]].concat();
    let walked: Vec<_> = split_batches(&both).map(Result::unwrap).collect();
    assert_eq!(walked.len(), 2);
    assert_eq!(walked[0].as_bytes(), first);
    assert_eq!(walked[1].as_bytes(), second);
    assert_eq!(read_all(&walked[1]), plain(9));

    let mut walk = split_batches(&both[..both.len() - 1]);
    assert!(walk.next().unwrap().is_ok());
    let SplitError { position, .. } = walk.next().unwrap().unwrap_err();
    assert_eq!(position, first.len());
    assert_eq!(walk.position(), first.len());
    assert!(walk.next().is_none());
}

#[test]
fn control_batches_carry_their_marker() {
    for (control_type, id) in [(ControlType::Abort, 0), (ControlType::Commit, 1)] {
        let bytes = control_batch(ProducerId(9), ProducerEpoch(2), control_type, 77, NOW);
        let batch = BatchView::parse(&bytes).unwrap();
        let header = batch.header();
        assert!(header.attributes.is_control() && header.attributes.is_transactional());
        assert_eq!(header.base_sequence, NO_SEQUENCE);
        assert_eq!(header.record_count, 1);
        let marker = batch
            .with_records(CAP, |mut records| {
                let record = records.next().unwrap().unwrap();
                assert_eq!(record.key, Some(&[0, 0, 0, id][..]));
                ControlRecord::parse(&record).unwrap()
            })
            .unwrap();
        assert_eq!(marker.control_type, control_type);
        assert_eq!(marker.coordinator_epoch, 77);
    }
}
