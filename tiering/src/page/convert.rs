//! Between the state of a partition and its root in a page.

use weir_protocol::types::ProducerId;

use crate::{
    format::{
        page::{EpochStart, PartitionRoot, ProducerEntry as PageProducer},
        wal::ProducerBatch,
    },
    ids::TopicPartition,
    log::{Durable, EpochHistory, ProducedBatch, ProducerEntry, Producers},
};

pub fn root_of(id: TopicPartition, durable: &Durable) -> PartitionRoot {
    let epoch = |(leader_epoch, start_offset): &(_, _)| EpochStart {
        leader_epoch: *leader_epoch,
        start_offset: *start_offset,
    };
    PartitionRoot {
        log_start: durable.log_start,
        log_end: durable.high_watermark,
        high_watermark: durable.high_watermark,
        leader_epochs: durable.epochs.entries().iter().map(epoch).collect(),
        producers: durable.producers.iter().map(page_producer).collect(),
        ..PartitionRoot::empty(id)
    }
}

pub fn durable_of(root: &PartitionRoot) -> Durable {
    let epochs = root
        .leader_epochs
        .iter()
        .map(|e| (e.leader_epoch, e.start_offset));
    let mut producers = Producers::default();
    for producer in &root.producers {
        let entry = ProducerEntry {
            epoch: producer.producer_epoch,
            batches: producer.batches.iter().map(produced).collect(),
            last_append_ms: producer.last_timestamp,
        };
        producers.restore(producer.producer, entry);
    }
    Durable {
        log_start: root.log_start,
        high_watermark: root.high_watermark,
        epochs: EpochHistory::new(epochs.collect()),
        producers,
    }
}

/// A batch that a page or a control record tells of: durable, hence without a slot to wait for.
pub fn produced(batch: &ProducerBatch) -> ProducedBatch {
    ProducedBatch {
        epoch: batch.epoch,
        sequence_first: batch.sequence_first,
        sequence_last: batch.sequence_last,
        offset_first: batch.offset_first,
        offset_last: batch.offset_last,
        timestamp: batch.timestamp,
        slot: None,
    }
}

fn page_producer((producer, entry): (ProducerId, &ProducerEntry)) -> PageProducer {
    let batch = |b: &ProducedBatch| ProducerBatch {
        epoch: b.epoch,
        sequence_first: b.sequence_first,
        sequence_last: b.sequence_last,
        offset_first: b.offset_first,
        offset_last: b.offset_last,
        timestamp: b.timestamp,
    };
    PageProducer {
        producer,
        producer_epoch: entry.epoch,
        last_timestamp: entry.last_append_ms,
        batches: entry.batches.iter().map(batch).collect(),
        coordinator_epoch: None,
        transaction_first_offset: None,
    }
}
