use weir_protocol::records::record::RecordErrorKind;
use weir_protocol::records::{
    Attributes, BatchBuilder, BatchError, BatchErrorKind, BatchHeader, BatchLimits, BatchMut,
    BatchView, Codec, ControlType, RecordFaultKind, TimestampType, ValidateMode, control_batch,
    validate_batch,
};
use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::support::*;

fn refuse(batch: &[u8]) -> BatchError {
    validate_batch(batch, 9, &limits()).unwrap_err()
}

fn fixed(codec: Codec, change: impl FnOnce(&mut BatchHeader)) -> BatchError {
    refuse(&with_header(&build(codec, &plain(3)), change))
}

#[test]
fn each_fact_has_its_error() {
    use BatchErrorKind::*;
    let good = build(Codec::None, &plain(3));
    let two = [&good[..], &good[..]].concat();
    let tail = [&good[..], &[0; 5]].concat();
    let mut old = good.clone();
    old[16] = 1;
    let mut odd = good.clone();
    odd[16] = 3;
    let mut short = good.clone();
    short[8..12].copy_from_slice(&48u32.to_be_bytes());
    let mut crc = good.clone();
    crc[80] ^= 1;
    let control = control_batch(ProducerId(1), ProducerEpoch(0), ControlType::Commit, 0, NOW);
    let table: Vec<(BatchError, BatchErrorKind, &str)> = vec![
        (refuse(&[]), InvalidRecord, "NoBatch"),
        (refuse(&good[..70]), InvalidRecord, "Truncated"),
        (refuse(&good[..5]), InvalidRecord, "Truncated"),
        (refuse(&old), InvalidRecord, "Magic"),
        (refuse(&odd), CorruptMessage, "Magic"),
        (refuse(&short), CorruptMessage, "Length"),
        (refuse(&two), InvalidRecord, "MoreThanOneBatch"),
        (refuse(&tail), InvalidRecord, "TrailingBytes"),
        (
            fixed(Codec::None, |h| h.attributes.0 |= 5),
            UnsupportedCompressionType,
            "UnknownCodec",
        ),
        (
            fixed(Codec::None, |h| h.base_offset = Offset(1)),
            InvalidRecord,
            "BaseOffset",
        ),
        (refuse(&crc), CorruptMessage, "Crc"),
        (
            fixed(Codec::None, |h| h.last_offset_delta = -1),
            InvalidRecord,
            "OffsetRange",
        ),
        (
            fixed(Codec::None, |h| h.last_offset_delta = i32::MIN),
            InvalidRecord,
            "OffsetRange",
        ),
        (
            fixed(Codec::None, |h| h.record_count = 0),
            InvalidRecord,
            "RecordCount",
        ),
        (
            fixed(Codec::None, |h| h.record_count = -5),
            InvalidRecord,
            "RecordCount",
        ),
        (
            fixed(Codec::None, |h| h.last_offset_delta = i32::MAX),
            InvalidRecord,
            "CountMismatch",
        ),
        (refuse(&control), InvalidRecord, "Control"),
        (
            fixed(Codec::None, |h| h.producer_id = ProducerId(4)),
            InvalidRecord,
            "Sequence",
        ),
    ];
    for (error, kind, name) in table {
        assert!(
            format!("{error:?}").starts_with(name),
            "{error:?} is no {name}"
        );
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!error.to_string().is_empty());
        assert!(error.record_faults().is_empty());
    }
}

#[test]
fn the_first_failing_check_is_kafkas_first() {
    // Everything is wrong with it; one thing after the other is put right.
    let mut limits = limits();
    limits.max_message_bytes = 10;
    let good = build(Codec::Zstd, &plain(3));
    let worst = with_header(&good, |h| {
        h.base_offset = Offset(9);
        h.last_offset_delta = -1;
        h.record_count = -1;
        h.attributes = h.attributes.with_control(true);
        h.producer_id = ProducerId(1);
        h.max_timestamp = -7;
    });
    let mut bad = worst.clone();
    bad[17] ^= 1;
    let name = |bytes: &[u8], version, limits: &BatchLimits| {
        let error = validate_batch(bytes, version, limits).unwrap_err();
        let text = format!("{error:?}");
        text.split([' ', '(']).next().unwrap().to_string()
    };
    assert_eq!(name(&bad, 6, &limits), "ZstdNeedsVersion7");
    assert_eq!(name(&bad, 7, &limits), "BaseOffset");
    bad[..8].fill(0);
    assert_eq!(name(&bad, 7, &limits), "TooLarge");
    limits.max_message_bytes = bad.len();
    assert_eq!(name(&bad, 7, &limits), "Crc");
    let mut header = BatchHeader::decode(&worst).unwrap();
    header.base_offset = Offset(0);
    let mut next = |change: &dyn Fn(&mut BatchHeader)| {
        change(&mut header);
        let fixed = with_header(&bad, |h| *h = header);
        name(&fixed, 7, &limits)
    };
    assert_eq!(next(&|_| ()), "OffsetRange");
    assert_eq!(next(&|h| h.last_offset_delta = 2), "RecordCount");
    assert_eq!(next(&|h| h.record_count = 2), "CountMismatch");
    assert_eq!(next(&|h| h.record_count = 3), "Control");
    assert_eq!(
        next(&|h| h.attributes = h.attributes.with_control(false)),
        "Sequence"
    );
}

#[test]
fn the_size_limit_counts_the_whole_batch() {
    let batch = build(Codec::None, &plain(3));
    let mut limits = limits();
    limits.max_message_bytes = batch.len();
    let valid = validate_batch(&batch, 3, &limits).unwrap();
    assert_eq!(valid.size_bytes(), batch.len());
    limits.max_message_bytes -= 1;
    let error = validate_batch(&batch, 3, &limits).unwrap_err();
    assert_eq!(error.kind(), BatchErrorKind::MessageTooLarge);
}

#[test]
fn declared_and_real_record_counts_must_agree() {
    for codec in Codec::ALL {
        let declare = |count: i32| {
            fixed(codec, |h| {
                h.record_count = count;
                h.last_offset_delta = count - 1;
            })
        };
        let few = declare(2);
        assert!(
            matches!(few, BatchError::Record(e) if matches!(e.kind, RecordErrorKind::BytesRemain { .. })),
            "{few}"
        );
        let many = declare(i32::MAX);
        assert!(
            matches!(many, BatchError::Record(e) if e.index == 3),
            "{many}"
        );
        assert_eq!(many.kind(), BatchErrorKind::InvalidRecord);
    }
}

#[test]
fn offsets_within_a_batch_must_be_dense() {
    for codec in Codec::ALL {
        // Two records of the same bytes: both with offset delta 0.
        let one = build(Codec::None, &plain(1));
        let area = one[61..].repeat(2);
        let mut payload = Vec::new();
        weir_protocol::records::compression::compress(codec.into(), &area, &mut payload);
        let batch = with_payload(&build(codec, &plain(2)), &payload);
        let error = refuse(&batch);
        assert_eq!(error, BatchError::OffsetDelta { index: 1, found: 0 });
    }
}

#[test]
fn every_record_that_breaks_a_rule_is_reported() {
    let mut records = plain(5);
    records[1].key = None;
    records[3].key = None;
    let batch = build(Codec::Gzip, &records);
    let mut limits = limits();
    limits.compacted = true;
    let error = validate_batch(&batch, 9, &limits).unwrap_err();
    assert_eq!(error.kind(), BatchErrorKind::InvalidRecord);
    let at: Vec<_> = error.record_faults().iter().map(|f| f.index).collect();
    assert_eq!(at, [1, 3]);

    // One timestamp error makes it a timestamp error; a missing key comes first for its record.
    records[3].timestamp = NOW + 3_600_001;
    records[4].timestamp = NOW + 3_600_001;
    let batch = build(Codec::None, &records);
    let error = validate_batch(&batch, 9, &limits).unwrap_err();
    assert_eq!(error.kind(), BatchErrorKind::InvalidTimestamp);
    let kinds: Vec<_> = error.record_faults().iter().map(|f| f.kind).collect();
    assert_eq!(kinds[..2], [RecordFaultKind::NoKey; 2]);
    assert!(matches!(
        kinds[2],
        RecordFaultKind::TimestampOutOfRange { .. }
    ));
    assert_eq!(
        error.to_string(),
        "One or more records have been rejected due to invalid timestamp"
    );
}

#[test]
fn reported_records_are_bounded_but_counted() {
    let records = plain(1500);
    let mut limits = limits();
    limits.timestamp_after_max_ms = 0;
    limits.now_ms = NOW - 1;
    let error = validate_batch(&build(Codec::Lz4, &records), 9, &limits).unwrap_err();
    let BatchError::Records(faults) = &error else {
        panic!("{error}")
    };
    assert_eq!(faults.total, 1500);
    assert_eq!(faults.listed.len(), 1000);
}

#[test]
fn timestamps_are_checked_against_both_bounds() {
    let mut limits = limits();
    limits.timestamp_before_max_ms = 1000;
    limits.timestamp_after_max_ms = 500;
    let table = [
        (NOW - 1000, true),
        (NOW - 1001, false),
        (NOW + 500, true),
        (NOW + 501, false),
        (-1, true),
        (-2, false),
        (0, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ];
    for (timestamp, accepted) in table {
        let mut records = plain(1);
        records[0].timestamp = timestamp;
        let batch = build(Codec::Snappy, &records);
        let result = validate_batch(&batch, 9, &limits);
        assert_eq!(result.is_ok(), accepted, "{timestamp}");
        let mut free = limits;
        free.message_timestamp_type = TimestampType::LogAppendTime;
        assert!(
            validate_batch(&batch, 9, &free).is_ok(),
            "LogAppendTime topics don't look at {timestamp}"
        );
    }
}

#[test]
fn a_batch_marked_log_append_time_is_refused() {
    for topic in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
        for mode in [ValidateMode::Full, ValidateMode::HeaderOnly] {
            let batch = with_header(&build(Codec::Lz4, &plain(2)), |h| {
                h.attributes = h
                    .attributes
                    .with_timestamp_type(TimestampType::LogAppendTime);
            });
            let mut limits = limits();
            limits.message_timestamp_type = topic;
            limits.mode = mode;
            let error = validate_batch(&batch, 9, &limits).unwrap_err();
            assert_eq!(error.kind(), BatchErrorKind::InvalidTimestamp);
            let fault = error.record_faults()[0];
            assert_eq!(
                (fault.index, fault.kind),
                (0, RecordFaultKind::LogAppendTime)
            );
        }
    }
}

#[test]
fn the_clients_max_timestamp_is_not_trusted() {
    let mut records = plain(4);
    records[1].timestamp = NOW + 100;
    records[2].timestamp = NOW + 100;
    for codec in Codec::ALL {
        let batch = build(codec, &records);
        let lied = with_header(&batch, |h| h.max_timestamp = NOW + 999_999_999);
        let valid = validate_batch(&lied, 9, &limits()).unwrap();
        assert_eq!(valid.max_timestamp, NOW + 100);
        assert_eq!(valid.offset_delta_of_max_timestamp, Some(1));
        assert!(valid.needs_crc_rewrite);
        let mut stored = lied.clone();
        let mut patch = BatchMut::parse(&mut stored).unwrap();
        valid.patch(&mut patch, Offset(500), LeaderEpoch(3));
        let view = BatchView::parse(&stored).unwrap();
        assert!(view.crc_is_valid());
        let expected = with_header(&batch, |h| {
            h.base_offset = Offset(500);
            h.partition_leader_epoch = LeaderEpoch(3);
        });
        assert_eq!(stored, expected, "as if the client had told the truth");
    }
}

#[test]
fn records_without_time_leave_the_batch_without_time() {
    let mut records = plain(2);
    records[0].timestamp = -1;
    records[1].timestamp = -1;
    let valid = validate_batch(&build(Codec::None, &records), 9, &limits()).unwrap();
    assert_eq!(valid.max_timestamp, -1);
    assert_eq!(valid.offset_delta_of_max_timestamp, None);
}

#[test]
fn log_append_time_is_stamped() {
    let mut limits = limits();
    limits.message_timestamp_type = TimestampType::LogAppendTime;
    let mut bytes = build(Codec::Zstd, &plain(3));
    let valid = validate_batch(&bytes, 9, &limits).unwrap();
    assert_eq!(valid.max_timestamp, NOW);
    assert!(valid.needs_crc_rewrite);
    let mut batch = BatchMut::parse(&mut bytes).unwrap();
    valid.patch(&mut batch, Offset(10), LeaderEpoch(0));
    let view = BatchView::parse(&bytes).unwrap();
    assert!(view.crc_is_valid());
    for (i, record) in read_all(&view).iter().enumerate() {
        assert_eq!((record.timestamp, record.offset), (NOW, 10 + i as i64));
    }
}

#[test]
fn header_mode_trusts_compressed_batches_only() {
    let mut limits = limits();
    limits.mode = ValidateMode::HeaderOnly;
    // Unreadable for every consumer, and yet accepted: the price of the mode.
    let broken = with_payload(&build(Codec::Lz4, &plain(3)), b"no lz4 frame");
    let valid = validate_batch(&broken, 9, &limits).unwrap();
    assert_eq!(valid.max_timestamp, NOW + 2);
    assert_eq!(valid.offset_delta_of_max_timestamp, None);
    let error = refuse(&broken);
    assert!(matches!(error, BatchError::Decompress(_)), "{error}");
    assert_eq!(error.kind(), BatchErrorKind::InvalidRecord);

    let broken = with_payload(&build(Codec::None, &plain(3)), b"no records");
    assert!(validate_batch(&broken, 9, &limits).is_err());
    let late = with_header(&build(Codec::Lz4, &plain(3)), |h| {
        h.max_timestamp = NOW + 3_600_001;
    });
    let error = validate_batch(&late, 9, &limits).unwrap_err();
    assert_eq!(error.kind(), BatchErrorKind::InvalidTimestamp);
}

#[test]
fn a_bomb_is_refused_as_too_large() {
    let mut builder = BatchBuilder::new(Codec::Zstd);
    builder.append(NOW, None, Some(&vec![0; 2 << 20]));
    let bomb = builder.build().unwrap();
    assert!(bomb.len() < 1000);
    let mut limits = limits();
    limits.decompressed_cap_bytes = 1 << 20;
    let error = validate_batch(&bomb, 9, &limits).unwrap_err();
    assert!(matches!(error, BatchError::DecompressedTooLarge { .. }));
    assert_eq!(error.kind(), BatchErrorKind::MessageTooLarge);
}

#[test]
fn zstd_needs_produce_version_7() {
    let batch = build(Codec::Zstd, &plain(1));
    let error = validate_batch(&batch, 6, &limits()).unwrap_err();
    assert_eq!(error, BatchError::ZstdNeedsVersion7 { version: 6 });
    assert_eq!(error.kind(), BatchErrorKind::UnsupportedCompressionType);
    assert!(validate_batch(&batch, 7, &limits()).is_ok());
    assert!(validate_batch(&build(Codec::Gzip, &plain(1)), 3, &limits()).is_ok());
}

#[test]
fn transactional_and_unknown_bits_are_reported_not_judged() {
    let batch = with_header(&build(Codec::None, &plain(1)), |h| {
        h.attributes = Attributes(h.attributes.0 | 1 << 12).with_transactional(true);
    });
    let valid = validate_batch(&batch, 9, &limits()).unwrap();
    assert!(valid.header.attributes.is_transactional());
}
