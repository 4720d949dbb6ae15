//! From coordinator records to batches of the partition.

use bytes::{Bytes, BytesMut};
use weir_coordinator::CoordinatorRecord;
use weir_protocol::records::{BatchBuilder, Codec};
use weir_tiering::log::AppendBatch;

/// Varints, attributes and counts of one record, at most: two length fields of five bytes, three
/// deltas and counts of five, a length of five and the attributes.
const RECORD_OVERHEAD_BYTES: usize = 31;

/// The records do not fit into one batch of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

fn size_max(record: &CoordinatorRecord) -> usize {
    let value = record.value.as_ref().map_or(0, Bytes::len);
    record.key.len() + value + RECORD_OVERHEAD_BYTES
}

/// Batches of at most `bytes_max` bytes with the records, in their order. Without `may_split` there
/// is exactly one.
pub(super) fn batches(
    records: &[CoordinatorRecord],
    may_split: bool,
    bytes_max: usize,
    now_ms: i64,
) -> Result<Vec<AppendBatch>, TooLarge> {
    let mut batches = Vec::with_capacity(1);
    let mut builder = BatchBuilder::new(Codec::None);
    for record in records {
        let is_full = builder.uncompressed_bytes() + size_max(record) > bytes_max;
        if may_split && is_full && builder.record_count() > 0 {
            let full = std::mem::replace(&mut builder, BatchBuilder::new(Codec::None));
            batches.push(finish(full, bytes_max, now_ms)?);
        }
        builder.append(now_ms, Some(&record.key), record.value.as_deref());
    }
    batches.push(finish(builder, bytes_max, now_ms)?);
    Ok(batches)
}

fn finish(builder: BatchBuilder, bytes_max: usize, now_ms: i64) -> Result<AppendBatch, TooLarge> {
    if builder.uncompressed_bytes() > bytes_max {
        return Err(TooLarge);
    }
    let count = u32::try_from(builder.record_count()).map_err(|_| TooLarge)?;
    let bytes = builder.build().map_err(|_| TooLarge)?;
    Ok(AppendBatch {
        bytes: BytesMut::from(Bytes::from(bytes)),
        record_count: count,
        offset_count: count,
        max_timestamp: now_ms,
        sequenced: None,
        permit: None,
    })
}

#[cfg(test)]
mod tests {
    use weir_protocol::records::BatchView;

    use super::*;

    fn record(key: &'static str, value: Option<&'static str>) -> CoordinatorRecord {
        CoordinatorRecord {
            key: Bytes::from_static(key.as_bytes()),
            value: value.map(|v| Bytes::from_static(v.as_bytes())),
        }
    }

    fn keys(batch: &AppendBatch) -> Vec<String> {
        let view = BatchView::parse(&batch.bytes).unwrap();
        assert!(view.crc_is_valid());
        assert_eq!(view.header().record_count as u32, batch.record_count);
        let read = |records: weir_protocol::records::RecordIter<'_>| {
            let key = |r: weir_protocol::records::Record<'_>| {
                String::from_utf8(r.key.unwrap().to_vec()).unwrap()
            };
            records.map(|r| key(r.unwrap())).collect()
        };
        view.with_records(1 << 20, read).unwrap()
    }

    #[test]
    fn records_with_an_answer_stay_together_or_are_refused() {
        let records = [
            record("a", Some("1")),
            record("b", None),
            record("c", Some("3")),
        ];
        let batches_of = |may_split, bytes_max| batches(&records, may_split, bytes_max, 5);
        let one = batches_of(false, 1000).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(keys(&one[0]), ["a", "b", "c"]);
        assert_eq!((one[0].offset_count, one[0].max_timestamp), (3, 5));

        let exact = one[0].bytes.len();
        assert!(batches_of(false, exact).is_ok());
        assert_eq!(batches_of(false, exact - 1).err(), Some(TooLarge));

        let split = batches_of(true, exact - 1).unwrap();
        let all: Vec<String> = split.iter().flat_map(keys).collect();
        assert_eq!(all, ["a", "b", "c"]);
        assert!(split.len() > 1 && split.iter().all(|b| b.bytes.len() < exact));
        // One record alone is too large for any batch.
        assert_eq!(batches_of(true, 62).err(), Some(TooLarge));
    }
}
