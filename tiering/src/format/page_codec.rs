//! Bytes of a page: an 8-byte prefix, then protobuf, as a zstd frame when it is large.
//!
//! ```text
//! 0 flags u32 (bit 0 the rest is a zstd frame; others must be understood)
//! 4 length of the protobuf u32
//! 8 protobuf (tiering/proto/checkpoint.proto, message Page)
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId};

use super::{
    FormatError, ObjectRef, PageRef, WalRange,
    compress::{compress_if_large, decompress_exact},
    cursor::Cursor,
    object_ref::{incarnation, narrow, required, uuid_from},
    page::{ChildPage, EpochStart, OpenTransaction, Page, PartitionRoot, ProducerEntry},
    proto,
    wal::ProducerBatch,
};
use crate::ids::{OwnershipEpoch, PgId, Slot, TopicPartition};

const FLAG_ZSTD: u32 = 1;
const PREFIX_LEN: usize = 8;
/// No page is larger, stored or unpacked.
const PAGE_LEN_MAX: usize = 512 << 20;

pub(super) fn encode_page(page: &Page) -> Result<Bytes, FormatError> {
    page.check()?;
    let raw = page_to_proto(page).encode_to_vec();
    if raw.len() > PAGE_LEN_MAX {
        return Err(too_large(raw.len() as u64));
    }
    let packed = compress_if_large(&raw);
    let flags = if packed.is_some() { FLAG_ZSTD } else { 0 };
    let raw_len = raw.len() as u32;
    let stored = packed.unwrap_or_else(|| raw.into());
    let mut out = BytesMut::with_capacity(PREFIX_LEN + stored.len());
    out.put_u32_le(flags);
    out.put_u32_le(raw_len);
    out.put_slice(&stored);
    Ok(out.freeze())
}

/// `stored` are the bytes of one page whose checksum was right.
pub(super) fn decode_page(stored: &Bytes) -> Result<Page, FormatError> {
    let mut input = Cursor::new("page", stored);
    let flags = input.u32()?;
    let raw_len = input.u32()?;
    if flags & !FLAG_ZSTD != 0 {
        return Err(FormatError::Unknown {
            what: "page flags",
            value: flags.into(),
        });
    }
    if raw_len as usize > PAGE_LEN_MAX {
        return Err(too_large(raw_len.into()));
    }
    let rest = input.take(input.remaining())?;
    let raw = if flags & FLAG_ZSTD != 0 {
        decompress_exact("page", &rest, raw_len.into())?
    } else {
        rest
    };
    if raw.len() != raw_len as usize {
        return Err(FormatError::Truncated {
            what: "page",
            needed: raw_len.into(),
            found: raw.len() as u64,
        });
    }
    let message = decode_message("page", raw)?;
    let page = page_from_proto(message)?;
    page.check()?;
    Ok(page)
}

pub(super) fn decode_message<M: Message + Default>(
    what: &'static str,
    bytes: Bytes,
) -> Result<M, FormatError> {
    M::decode(bytes).map_err(|error| FormatError::Invalid {
        what,
        message: error.to_string(),
    })
}

fn too_large(len: u64) -> FormatError {
    FormatError::Invalid {
        what: "page",
        message: format!("{len} bytes are more than {PAGE_LEN_MAX}"),
    }
}

fn page_to_proto(page: &Page) -> proto::Page {
    proto::Page {
        pg: page.pg.0,
        ownership_epoch: page.ownership_epoch.0,
        writer_broker: page.writer.broker.0,
        writer_epoch: page.writer.epoch.0,
        lane: page.lane.into(),
        as_of: page.as_of.0,
        partitions: page.partitions.iter().map(root_to_proto).collect(),
        live_wal: page.live_wal.iter().map(WalRange::to_proto).collect(),
        merged: page.merged.iter().map(ObjectRef::to_proto).collect(),
        producers_base: page.producers_base.as_ref().map(PageRef::to_proto),
    }
}

fn page_from_proto(page: proto::Page) -> Result<Page, FormatError> {
    Ok(Page {
        pg: PgId(page.pg),
        ownership_epoch: OwnershipEpoch(page.ownership_epoch),
        writer: incarnation(page.writer_broker, page.writer_epoch),
        lane: narrow("lane", page.lane)?,
        as_of: Slot(page.as_of),
        partitions: collect(&page.partitions, root_from_proto)?,
        live_wal: collect(&page.live_wal, WalRange::from_proto)?,
        merged: collect(&page.merged, ObjectRef::from_proto)?,
        producers_base: page
            .producers_base
            .as_ref()
            .map(PageRef::from_proto)
            .transpose()?,
    })
}

fn collect<M, T>(
    messages: &[M],
    convert: impl Fn(&M) -> Result<T, FormatError>,
) -> Result<Vec<T>, FormatError> {
    messages.iter().map(convert).collect()
}

fn root_to_proto(root: &PartitionRoot) -> proto::PartitionRoot {
    proto::PartitionRoot {
        topic_id: Bytes::copy_from_slice(&root.topic_partition.topic.0),
        partition: root.topic_partition.partition.0 as u32,
        log_start: root.log_start.0,
        log_end: root.log_end.0,
        high_watermark: root.high_watermark.0,
        leader_epochs: root
            .leader_epochs
            .iter()
            .map(|epoch| proto::EpochStart {
                leader_epoch: epoch.leader_epoch.0,
                start_offset: epoch.start_offset.0,
            })
            .collect(),
        open_transactions: root
            .open_transactions
            .iter()
            .map(|open| proto::OpenTransaction {
                producer_id: open.producer.0,
                producer_epoch: open.producer_epoch.0.into(),
                first_offset: open.first_offset.0,
            })
            .collect(),
        child_pages: root
            .child_pages
            .iter()
            .map(|child| proto::ChildPage {
                page: Some(child.page.to_proto()),
                offset_first: child.offset_first.0,
                offset_last: child.offset_last.0,
                max_timestamp: child.max_timestamp,
            })
            .collect(),
        producers: root.producers.iter().map(producer_to_proto).collect(),
        producers_removed: root.producers_removed.iter().map(|id| id.0).collect(),
    }
}

fn root_from_proto(root: &proto::PartitionRoot) -> Result<PartitionRoot, FormatError> {
    Ok(PartitionRoot {
        topic_partition: TopicPartition {
            topic: uuid_from("topic id", &root.topic_id)?,
            partition: PartitionIndex(narrow("partition", root.partition)?),
        },
        log_start: Offset(root.log_start),
        log_end: Offset(root.log_end),
        high_watermark: Offset(root.high_watermark),
        leader_epochs: root
            .leader_epochs
            .iter()
            .map(|epoch| EpochStart {
                leader_epoch: LeaderEpoch(epoch.leader_epoch),
                start_offset: Offset(epoch.start_offset),
            })
            .collect(),
        open_transactions: collect(&root.open_transactions, |open| {
            Ok(OpenTransaction {
                producer: ProducerId(open.producer_id),
                producer_epoch: producer_epoch(open.producer_epoch)?,
                first_offset: Offset(open.first_offset),
            })
        })?,
        child_pages: collect(&root.child_pages, |child| {
            Ok(ChildPage {
                page: PageRef::from_proto(required("child page", child.page.as_ref())?)?,
                offset_first: Offset(child.offset_first),
                offset_last: Offset(child.offset_last),
                max_timestamp: child.max_timestamp,
            })
        })?,
        producers: collect(&root.producers, producer_from_proto)?,
        producers_removed: root
            .producers_removed
            .iter()
            .map(|&id| ProducerId(id))
            .collect(),
    })
}

fn producer_to_proto(entry: &ProducerEntry) -> proto::ProducerEntry {
    proto::ProducerEntry {
        producer_id: entry.producer.0,
        producer_epoch: entry.producer_epoch.0.into(),
        last_timestamp: entry.last_timestamp,
        batches: entry
            .batches
            .iter()
            .map(|batch| proto::ProducerBatch {
                producer_epoch: batch.epoch.0.into(),
                sequence_first: batch.sequence_first,
                sequence_last: batch.sequence_last,
                offset_first: batch.offset_first.0,
                offset_last: batch.offset_last.0,
                timestamp: batch.timestamp,
            })
            .collect(),
        coordinator_epoch: entry.coordinator_epoch,
        transaction_first_offset: entry.transaction_first_offset.map(|offset| offset.0),
    }
}

fn producer_from_proto(entry: &proto::ProducerEntry) -> Result<ProducerEntry, FormatError> {
    Ok(ProducerEntry {
        producer: ProducerId(entry.producer_id),
        producer_epoch: producer_epoch(entry.producer_epoch)?,
        last_timestamp: entry.last_timestamp,
        batches: collect(&entry.batches, |batch| {
            Ok(ProducerBatch {
                epoch: producer_epoch(batch.producer_epoch)?,
                sequence_first: batch.sequence_first,
                sequence_last: batch.sequence_last,
                offset_first: Offset(batch.offset_first),
                offset_last: Offset(batch.offset_last),
                timestamp: batch.timestamp,
            })
        })?,
        coordinator_epoch: entry.coordinator_epoch,
        transaction_first_offset: entry.transaction_first_offset.map(Offset),
    })
}

fn producer_epoch(value: i32) -> Result<ProducerEpoch, FormatError> {
    narrow("producer epoch", value).map(ProducerEpoch)
}
