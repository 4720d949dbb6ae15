//! Every truncation and every bit flip of a batch: never a panic, and noticed where the CRC covers it.

use proptest::prelude::*;
use weir_protocol::records::record::RecordErrorKind;
use weir_protocol::records::time_lookup::{first_at_or_after, first_with_max_timestamp};
use weir_protocol::records::{
    BatchError, BatchMut, BatchView, Codec, RecordIter, TimestampType, split_batches,
    validate_batch,
};
use weir_protocol::types::Offset;

use crate::support::*;

/// Uses the bytes in every way there is; the results don't matter.
fn exercise(bytes: &[u8]) {
    let _ = validate_batch(bytes, 9, &limits());
    for batch in split_batches(bytes).flatten() {
        let header = batch.header();
        let _ = (
            header.offset_next(),
            header.sequence_last(),
            header.sequence_next(),
        );
        let _ = batch.with_records(CAP, |records| {
            records
                .flatten()
                .map(|record| {
                    header.timestamp_of(record.timestamp_delta);
                    header.offset_of(record.offset_delta);
                    record.headers.iter().count()
                })
                .sum::<usize>()
        });
        let _ = first_at_or_after(&batch, NOW, Offset(0), CAP);
        let _ = first_with_max_timestamp(&batch, Offset(0), CAP);
    }
    let mut copy = bytes.to_vec();
    if let Ok(mut batch) = BatchMut::parse(&mut copy) {
        batch.set_timestamps(TimestampType::LogAppendTime, NOW);
    }
}

fn samples() -> Vec<Vec<u8>> {
    let mut records = plain(4);
    records[1].key = None;
    records[2].value = None;
    records[3].headers = vec![(b"h".to_vec(), Some(b"v".to_vec())), (b"n".to_vec(), None)];
    let codecs = Codec::ALL.iter();
    codecs.map(|&codec| build(codec, &records)).collect()
}

#[test]
fn every_truncation_is_refused() {
    for batch in samples() {
        validate_batch(&batch, 9, &limits()).unwrap();
        for end in 0..batch.len() {
            exercise(&batch[..end]);
            assert!(validate_batch(&batch[..end], 9, &limits()).is_err());
            assert!(BatchView::parse(&batch[..end]).is_err());
        }
    }
}

#[test]
fn every_bit_flip_is_survived_and_noticed() {
    for batch in samples() {
        for bit in 0..batch.len() * 8 {
            let mut bad = batch.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            exercise(&bad);
            let leader_epoch = (12..16).contains(&(bit / 8));
            let result = validate_batch(&bad, 9, &limits());
            assert_eq!(
                result.is_ok(),
                leader_epoch,
                "bit {bit}: only the leader epoch is not looked at"
            );
            if bit / 8 >= 21 {
                let crc = BatchView::parse(&bad).map(|batch| batch.crc_is_valid());
                assert_eq!(crc, Ok(false), "bit {bit}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// As a hostile client would: damage with a CRC that fits it.
    #[test]
    fn damage_with_a_right_crc_never_panics(
        codec in codec(),
        records in records(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4),
        keep: prop::sample::Index,
    ) {
        let mut batch = build(codec, &records);
        for (at, flip) in &flips {
            let at = 21 + at.index(batch.len() - 21);
            batch[at] ^= flip;
        }
        let payload = batch[61..].to_vec();
        exercise(&with_payload(&batch, &payload));
        exercise(&with_payload(&batch, &payload[..keep.index(payload.len())]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
        let mut bytes = bytes;
        if bytes.len() > 16 {
            bytes[16] = 2;
        }
        exercise(&bytes);
        let mut iter = RecordIter::new(&bytes, i32::MAX);
        let read = iter.by_ref().take_while(Result::is_ok).count();
        prop_assert!(read <= bytes.len());
        prop_assert!(iter.next().is_none(), "nothing after an error");
    }
}

#[test]
fn malformed_records_are_named_with_index_and_place() {
    use RecordErrorKind::*;
    use weir_protocol::records::record::RecordField::*;
    // length 7: attributes, timestamp delta, offset delta, null key, null value, no headers.
    let good = [0x0c, 0, 0, 0, 1, 1, 0];
    let huge = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    let case = |bytes: &[u8], count| {
        let error = RecordIter::new(bytes, count).find_map(Result::err).unwrap();
        (error.index, error.position, error.kind)
    };
    assert_eq!(RecordIter::new(&good, 1).count(), 1);
    assert_eq!(RecordIter::new(&[], 0).count(), 0);
    assert_eq!(case(&[], 1), (0, 0, Truncated(Length)));
    assert_eq!(case(&[], -1), (0, 0, NegativeCount { count: -1 }));
    assert_eq!(case(&good, 2), (1, 7, Truncated(Length)));
    assert_eq!(
        case(&[good, good].concat(), 1),
        (1, 7, BytesRemain { bytes: 7 })
    );
    let table: [(&[u8], RecordErrorKind); 12] = [
        (
            &[1],
            Size {
                field: Length,
                size: -1,
            },
        ),
        (&huge, Truncated(Length)),
        (&[0x80, 0x80, 0x80, 0x80, 0x10], Varint(Length)),
        (&[0], Truncated(Attributes)),
        (&[2, 0], Truncated(TimestampDelta)),
        (&[4, 0, 0], Truncated(OffsetDelta)),
        (&[8, 0, 0, 0, 2], Truncated(Key)),
        (&[10, 0, 0, 0, 1, 2], Truncated(Value)),
        (
            &[12, 0, 0, 0, 1, 1, 1],
            Size {
                field: HeaderCount,
                size: -1,
            },
        ),
        (
            &[14, 0, 0, 0, 1, 1, 2, 1],
            Size {
                field: HeaderKey,
                size: -1,
            },
        ),
        (&[16, 0, 0, 0, 1, 1, 2, 0, 4], Truncated(HeaderValue)),
        (
            &[14, 0, 0, 0, 1, 1, 0, 9],
            NotConsumed {
                declared: 7,
                read: 6,
            },
        ),
    ];
    for (bytes, kind) in table {
        let bytes = [&good[..], bytes].concat();
        assert_eq!(case(&bytes, 2), (1, 7, kind), "{bytes:?}");
        let batch = with_payload(&build(Codec::None, &plain(2)), &bytes);
        let error = validate_batch(&batch, 9, &limits()).unwrap_err();
        assert!(
            matches!(error, BatchError::Record(e) if e.kind == kind),
            "{error}"
        );
    }
}

/// Canary: were a byte of the records not looked at, this would show it. The CRC is put right, so
/// nothing but the reading can notice. Only a record's attributes byte means nothing (yet).
#[test]
fn canary_every_bit_of_the_records_is_read() {
    let batch = &samples()[0];
    let read = |bytes: &[u8]| {
        let valid = validate_batch(bytes, 9, &limits()).ok()?;
        Some((
            valid.max_timestamp,
            read_all(&BatchView::parse(bytes).ok()?),
        ))
    };
    let before = read(batch);
    assert!(before.is_some());
    let mut unseen = 0;
    for bit in 0..(batch.len() - 61) * 8 {
        let mut payload = batch[61..].to_vec();
        payload[bit / 8] ^= 1 << (bit % 8);
        unseen += usize::from(read(&with_payload(batch, &payload)) == before);
    }
    assert_eq!(unseen, 4 * 8, "four records with 8 attribute bits each");
}
