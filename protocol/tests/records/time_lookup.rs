use weir_protocol::records::time_lookup::{first_at_or_after, first_with_max_timestamp};
use weir_protocol::records::{BatchView, Codec, RecordIter, TimestampType};
use weir_protocol::types::Offset;

use crate::support::*;

/// Times 10, 30, 20, 30 at the offsets 100 to 103.
fn batch(codec: Codec) -> Vec<u8> {
    let mut records = plain(4);
    for (record, timestamp) in records.iter_mut().zip([10, 30, 20, 30]) {
        record.timestamp = timestamp;
    }
    with_header(&build(codec, &records), |h| h.base_offset = Offset(100))
}

#[test]
fn the_first_record_at_or_after_a_time_is_found() {
    let table = [
        (0, 0, Some((10, 100))),
        (10, 0, Some((10, 100))),
        (11, 0, Some((30, 101))),
        (11, 102, Some((20, 102))),
        (21, 102, Some((30, 103))),
        (30, 0, Some((30, 101))),
        (31, 0, None),
        (0, 103, Some((30, 103))),
        (0, 104, None),
    ];
    for codec in Codec::ALL {
        let bytes = batch(codec);
        let batch = BatchView::parse(&bytes).unwrap();
        for (target, from, expected) in table {
            let found = first_at_or_after(&batch, target, Offset(from), CAP).unwrap();
            let found = found.map(|f| (f.timestamp, f.offset.0));
            assert_eq!(found, expected, "{codec}: ≥ {target} from {from}");
        }
        let max = first_with_max_timestamp(&batch, Offset(0), CAP).unwrap();
        assert_eq!(max.unwrap().offset, Offset(101));
        let max = first_with_max_timestamp(&batch, Offset(102), CAP).unwrap();
        assert_eq!(max.unwrap().offset, Offset(103));
    }
}

#[test]
fn log_append_time_needs_no_look_inside() {
    let bytes = with_header(&batch(Codec::Gzip), |h| {
        h.attributes = h
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
        h.max_timestamp = 77;
    });
    // Also when the records could not even be read.
    for bytes in [with_payload(&bytes, b"rubbish"), bytes] {
        let batch = BatchView::parse(&bytes).unwrap();
        let find = |target, from| {
            let found = first_at_or_after(&batch, target, Offset(from), CAP).unwrap();
            found.map(|f| (f.timestamp, f.offset.0))
        };
        assert_eq!(find(0, 0), Some((77, 100)));
        assert_eq!(find(77, 102), Some((77, 102)));
        assert_eq!(find(78, 0), None);
        assert_eq!(find(77, 104), None);
        let max = first_with_max_timestamp(&batch, Offset(0), CAP).unwrap();
        assert_eq!(max.unwrap().offset, Offset(100));
    }
}

#[test]
fn batches_thinned_by_compaction_are_walked() {
    // Offsets 100 and 103 are left of 100..=104.
    let one = build(Codec::None, &plain(1));
    let two = build(Codec::None, &plain(4));
    let mut records = RecordIter::new(&two[61..], 4);
    assert_eq!(records.by_ref().take(3).count(), 3);
    let area = [&one[61..], &two[61 + records.position()..]].concat();
    let bytes = with_header(&with_payload(&one, &area), |h| {
        h.base_offset = Offset(100);
        h.record_count = 2;
        h.last_offset_delta = 4;
        h.max_timestamp = 77;
        h.attributes = h
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
    });
    let batch = BatchView::parse(&bytes).unwrap();
    let offsets: Vec<_> = read_all(&batch).iter().map(|r| r.offset).collect();
    assert_eq!(offsets, [100, 103]);
    let found = first_at_or_after(&batch, 50, Offset(101), CAP).unwrap();
    assert_eq!(found.unwrap().offset, Offset(103));

    let empty = with_header(&with_payload(&bytes, &[]), |h| h.record_count = 0);
    let batch = BatchView::parse(&empty).unwrap();
    assert_eq!(first_at_or_after(&batch, 0, Offset(0), CAP), Ok(None));
}

#[test]
fn unreadable_batches_are_an_error_not_an_absence() {
    let bytes = with_payload(&batch(Codec::Zstd), b"rubbish");
    let batch = BatchView::parse(&bytes).unwrap();
    assert!(first_at_or_after(&batch, 10, Offset(0), CAP).is_err());
    assert!(first_with_max_timestamp(&batch, Offset(0), CAP).is_err());
}
