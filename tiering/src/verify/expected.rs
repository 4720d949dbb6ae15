//! What the metadata, at one position, and the pages it names refer to: which slots must exist, which
//! runs count, where partitions must end.
//!
//! A run counts when its slot lies in a range that its placement group's page lists as live, or in a
//! range of the group's replay list under that range's ownership epoch; the same rule as recovery's
//! (`page::recover`), written down a second time on purpose.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use weir_protocol::types::Offset;

use super::{
    CHECKS_AT_ONCE,
    report::{LOOK, RESTORE, Report},
};
use crate::{
    format::{
        PageRef,
        checkpoint::{PageReadError, read_page},
        page::Page,
        wal::RunRow,
    },
    ids::{Incarnation, OwnershipEpoch, PgId, Slot, TopicPartition},
    keys::{self, DataKind},
    metadata::{
        Image,
        image::{incarnations::IncarnationState, ownership::PgRecord},
    },
    store::{DynStore, StoreErrorKind},
};

/// End of a range whose WAL is live.
const OPEN_END: Slot = Slot(u64::MAX);

/// Slots of one WAL in which runs of a group count.
#[derive(Clone, Copy, Debug)]
struct Source {
    from: Slot,
    /// Exclusive.
    to: Slot,
    /// Of runs that are newer than the page; `None`: the page covers them.
    epoch: Option<OwnershipEpoch>,
}

/// Where a page says that a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageBounds {
    pub log_start: Offset,
    /// Exclusive.
    pub log_end: Offset,
}

/// What a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunClass {
    /// Its group's page covers it.
    Paged,
    /// Newer than the page.
    Live,
    /// Its topic or partition is not in the metadata.
    Deleted,
    /// No range of its group holds it: never acknowledged, or of an ownership that ended before it.
    Void,
}

#[derive(Default)]
pub(super) struct Expected {
    sources: BTreeMap<PgId, BTreeMap<Incarnation, Vec<Source>>>,
    pub partitions: BTreeMap<TopicPartition, PageBounds>,
    /// Half-open ranges of slots that something refers to.
    required: BTreeMap<Incarnation, BTreeSet<(Slot, Slot)>>,
}

impl Expected {
    /// Reads the page of every group.
    pub async fn read(store: &DynStore, image: &Image, report: &mut Report) -> Expected {
        let mut expected = Expected::default();
        let mut pages = stream::iter(image.ownership.iter())
            .map(|(pg, record)| async move { (pg, record, page_of(store, record).await) })
            .buffered(CHECKS_AT_ONCE);
        while let Some((pg, record, page)) = pages.next().await {
            expected.replay_ranges(pg, record);
            if let Some((reference, page)) = page {
                let name = name_of(pg, &reference);
                match page {
                    Ok(page) => expected.page(&name, pg, record, &page, image, report),
                    Err(error) => report_page(&name, &error, report),
                }
            }
        }
        drop(pages);
        expected.check_ends(image, report);
        expected
    }

    fn replay_ranges(&mut self, pg: PgId, record: &PgRecord) {
        for range in &record.replay {
            let source = Source {
                from: range.from,
                to: range.to.unwrap_or(OPEN_END),
                epoch: Some(range.epoch),
            };
            self.source(pg, range.wal, source);
        }
    }

    fn page(
        &mut self,
        name: &str,
        pg: PgId,
        record: &PgRecord,
        page: &Page,
        image: &Image,
        report: &mut Report,
    ) {
        report.counts.pages += 1;
        if page.pg != pg || page.ownership_epoch > record.epoch {
            let what = format!(
                "it is the page of placement group {} under epoch {}",
                page.pg, page.ownership_epoch.0
            );
            return report.damaged(name, what, RESTORE);
        }
        for range in page.live_wal.iter().filter(|range| range.lane == 0) {
            let source = Source {
                from: range.from,
                to: range.to,
                epoch: None,
            };
            self.source(pg, range.incarnation, source);
        }
        for root in &page.partitions {
            let id = root.topic_partition;
            let topic = image.topics.by_id(&id.topic);
            let Some(home) = topic.and_then(|topic| topic.pg_of(id.partition)) else {
                continue;
            };
            if home != pg {
                let what = format!("it holds partition {id} of placement group {home}");
                report.damaged(name, what, LOOK);
                continue;
            }
            let bounds = PageBounds {
                log_start: root.log_start,
                log_end: root.log_end,
            };
            self.partitions.insert(id, bounds);
        }
    }

    fn source(&mut self, pg: PgId, wal: Incarnation, source: Source) {
        if source.from >= source.to {
            return;
        }
        let of_group = self.sources.entry(pg).or_default();
        of_group.entry(wal).or_default().push(source);
        let required = self.required.entry(wal).or_default();
        required.insert((source.from, source.to));
    }

    /// No range may reach beyond where the metadata says that its WAL ended.
    fn check_ends(&self, image: &Image, report: &mut Report) {
        for (wal, ranges) in &self.required {
            let record = image.incarnations.get(wal);
            let end = match record.map(|record| record.state) {
                Some(IncarnationState::Sealed { end } | IncarnationState::Closed { end }) => end,
                Some(IncarnationState::Active | IncarnationState::Fenced) => continue,
                None => Slot(0),
            };
            let beyond = ranges.iter().map(|range| range.1).filter(|to| *to > end);
            if let Some(to) = beyond.max() {
                let what = format!("slots up to {to} of {wal} are referred to, it ended at {end}");
                report.damaged("metadata and pages", what, LOOK);
            }
        }
    }

    /// What `row`, in `slot` of the WAL of `writer`, is.
    pub fn class(&self, image: &Image, writer: Incarnation, slot: Slot, row: &RunRow) -> RunClass {
        let id = row.topic_partition;
        let topic = image.topics.by_id(&id.topic);
        let Some(pg) = topic.and_then(|topic| topic.pg_of(id.partition)) else {
            return RunClass::Deleted;
        };
        let sources = self.sources.get(&pg).and_then(|group| group.get(&writer));
        let mut holding = sources
            .into_iter()
            .flatten()
            .filter(|source| source.from <= slot && slot < source.to);
        let counts = holding.find(|source| {
            source
                .epoch
                .is_none_or(|epoch| epoch == row.ownership_epoch)
        });
        match counts {
            Some(Source { epoch: None, .. }) => RunClass::Paged,
            Some(_) => RunClass::Live,
            None => RunClass::Void,
        }
    }

    /// Ranges of slots of this WAL that are referred to, half-open.
    pub fn required(&self, wal: Incarnation) -> Vec<(Slot, Slot)> {
        let ranges = self.required.get(&wal);
        ranges.into_iter().flatten().copied().collect()
    }
}

async fn page_of(
    store: &DynStore,
    record: &PgRecord,
) -> Option<(PageRef, Result<Page, PageReadError>)> {
    let reference = record.page?;
    Some((reference, read_referenced(store, &reference).await))
}

/// The page behind a reference.
pub(super) async fn read_referenced(
    store: &DynStore,
    reference: &PageRef,
) -> Result<Page, PageReadError> {
    read_page(store, &key_of(reference), reference).await
}

fn key_of(reference: &PageRef) -> crate::store::Key {
    let object = &reference.object;
    keys::data(object.writer, object.number, DataKind::Checkpoint)
}

/// A page, for people: its object first.
pub(super) fn name_of(pg: PgId, reference: &PageRef) -> String {
    format!("{}: page of placement group {pg}", key_of(reference))
}

fn report_page(name: &str, error: &PageReadError, report: &mut Report) {
    match error {
        PageReadError::Store(error) if error.kind == StoreErrorKind::NotFound => {
            report.damaged(name, "it is missing", RESTORE);
        }
        PageReadError::Store(error) if error.kind != StoreErrorKind::Corrupt => {
            report.unchecked(name, error);
        }
        error => report.damaged(name, error, RESTORE),
    }
}
