//! Producers: what the pages remember of each must be what the objects under them say.
//!
//! A page may have forgotten (expired) producers and older batches, never know others: its batches
//! must be the newest ones of the replay. Bounded: beyond [`PRODUCERS_MAX`] the rest is not compared.

use std::collections::BTreeMap;

use weir_protocol::types::ProducerId;

use super::{
    expected::{name_of, read_referenced},
    offsets,
    report::{LOOK, Report},
};
use crate::{
    format::{
        page::{PartitionRoot, ProducerEntry},
        wal::{PRODUCER_BATCHES_MAX, ProducerBatch},
    },
    ids::TopicPartition,
    metadata::Image,
    store::DynStore,
};

/// Producers of all partitions together that are remembered, about 300 bytes each.
pub(super) const PRODUCERS_MAX: usize = 200_000;

#[derive(Default)]
pub(super) struct Producers {
    /// The last batches by offset, oldest first.
    known: BTreeMap<(TopicPartition, ProducerId), Vec<ProducerBatch>>,
    overflowed: bool,
}

impl Producers {
    /// Takes a delta of an object whose run the page covers; in any order.
    pub fn add(&mut self, id: TopicPartition, producer: ProducerId, batches: &[ProducerBatch]) {
        let key = (id, producer);
        if self.known.len() >= PRODUCERS_MAX && !self.known.contains_key(&key) {
            self.overflowed = true;
            return;
        }
        let known = self.known.entry(key).or_default();
        known.extend_from_slice(batches);
        known.sort_unstable_by_key(|batch| batch.offset_first);
        let surplus = known.len().saturating_sub(PRODUCER_BATCHES_MAX);
        known.drain(..surplus);
    }

    /// Compares all pages; they are read a second time, so that their producers need not be held.
    pub async fn check(&self, store: &DynStore, image: &Image, report: &mut Report) {
        for (pg, record) in image.ownership.iter() {
            let Some(reference) = &record.page else {
                continue;
            };
            // A page that cannot be read was reported when it was read first.
            let Ok(page) = read_referenced(store, reference).await else {
                continue;
            };
            let roots = page.partitions.iter().filter(|root| {
                let topic = image.topics.by_id(&root.topic_partition.topic);
                topic.is_some_and(|t| t.pg_of(root.topic_partition.partition).is_some())
            });
            for root in roots {
                for problem in self.problems(root) {
                    let partition = offsets::name_of(image, &root.topic_partition);
                    let what = format!("{partition}: {problem}");
                    report.damaged(name_of(pg, reference), what, LOOK);
                }
            }
        }
        if self.overflowed {
            report.remark(format!(
                "there are more than {PRODUCERS_MAX} idempotent producers; the others were not compared \
                 with the pages"
            ));
        }
    }

    fn problems(&self, root: &PartitionRoot) -> Vec<String> {
        let differs = |entry: &&ProducerEntry| match self
            .known
            .get(&(root.topic_partition, entry.producer))
        {
            Some(known) => !known.ends_with(&entry.batches),
            None => !self.overflowed && !entry.batches.is_empty(),
        };
        let describe = |entry: &ProducerEntry| {
            format!(
                "the page remembers other batches of producer {} than its objects hold",
                entry.producer
            )
        };
        root.producers
            .iter()
            .filter(differs)
            .map(describe)
            .collect()
    }
}
