//! Rebuilds the partitions of this broker at its start: newest pages, then the footers of the live
//! WAL objects.
//!
//! Owns: which objects are read, which rows count. Does not own: sealing a predecessor and the
//! assignment of groups (done before, in the metadata), reading footers (`wal::replay`).
//! Invariant: rows of topics that are not in the metadata, and rows under another ownership epoch
//! than the one that the metadata names for their slot, are void. A hole in a partition is damage and
//! stops the start; it is never papered over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use weir_protocol::types::{Offset, ProducerId};

use super::convert::{durable_of, produced};
use crate::{
    env::Env,
    format::{
        PageRef, WalRange as PageRange,
        checkpoint::{PageReadError, read_page},
        page::Page,
        wal::{ControlRecord, RunRow, TailError},
    },
    ids::{ClusterId, Incarnation, OwnershipEpoch, PgId, Slot, TopicPartition},
    keys,
    log::{Durable, HoleError, PartitionLog, ProducedBatch, Registry, Run},
    metadata::Image,
    store::{DynStore, StoreErrorKind},
    wal::{ReplayError, ReplayedRun, WalRange, WalTable, replay_range},
};

/// A part of a WAL that holds rows of one placement group.
#[derive(Clone, Copy, Debug)]
struct Source {
    from: Slot,
    to: Slot,
    /// Rows must carry it; `None` for what the page covers already.
    epoch: Option<OwnershipEpoch>,
}

/// Pages read at a time.
const PAGES_AT_ONCE: usize = 64;

/// One placement group on its way.
struct Group {
    epoch: OwnershipEpoch,
    page: Option<PageRef>,
    sources: BTreeMap<Incarnation, Vec<Source>>,
    /// The WALs in which rows of the group were found.
    with_rows: BTreeSet<Incarnation>,
    /// Its replay list names earlier WALs, which a new page makes unnecessary.
    behind: bool,
}

/// What a checkpoint continues from.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub groups: BTreeMap<PgId, RecoveredGroup>,
    /// Objects whose footers were read, and runs that were found.
    pub objects: u64,
    pub runs: u64,
}

#[derive(Clone, Debug)]
pub struct RecoveredGroup {
    pub page: Option<PageRef>,
    /// WAL ranges that hold data of the group, without this incarnation's own.
    pub live_wal: Vec<PageRange>,
    /// Wants a page even without news: its replay list names earlier WALs and would only grow.
    pub behind: bool,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum RecoverError {
    #[error(transparent)]
    Page(#[from] Arc<PageReadError>),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("{0}; the log has lost data that the metadata refers to")]
    Hole(#[from] HoleError),
    #[error("partition {partition}: its page says it ends at {page}, its runs end at {runs}")]
    Short {
        partition: TopicPartition,
        page: Offset,
        runs: Offset,
    },
    #[error("more than 65,536 write-ahead logs are live")]
    TooManyWals,
    #[error("an object of more than 4 GiB: slot {0}")]
    TooLarge(Slot),
}

impl RecoverError {
    /// Whether no later attempt will find something else; otherwise the store was away.
    pub fn is_damage(&self) -> bool {
        let store = match self {
            RecoverError::Page(error) => match error.as_ref() {
                PageReadError::Store(error) => error,
                PageReadError::Format { .. } => return true,
            },
            RecoverError::Replay(ReplayError::Tail(error)) => match error.as_ref() {
                TailError::Store(error) => error,
                TailError::Format { .. } => return true,
            },
            _ => return true,
        };
        matches!(
            store.kind,
            StoreErrorKind::NotFound | StoreErrorKind::Corrupt
        )
    }
}

/// Rebuilds all partitions that `owner` owns in `image` into `registry`.
pub async fn recover(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    image: &Image,
    owner: Incarnation,
    table: &WalTable,
    registry: &Registry,
) -> Result<Recovered, RecoverError> {
    let mut rebuild = Rebuild {
        image,
        table,
        registry,
        now_ms: env.clock.wall_ms(),
        groups: BTreeMap::new(),
        objects: 0,
        runs: 0,
        failed: None,
    };
    let owned: Vec<_> = image.ownership.owned_by(owner).collect();
    let pages: Vec<Option<Page>> = stream::iter(&owned)
        .map(|(_, record)| read_group_page(store, record.page))
        .buffered(PAGES_AT_ONCE)
        .try_collect()
        .await?;
    for ((pg, record), page) in owned.into_iter().zip(pages) {
        rebuild.begin(pg, record.epoch, record.page, page.as_ref());
        for range in record.replay.iter().filter(|range| range.wal != owner) {
            let to = range.to.unwrap_or(range.from);
            let source = Source {
                from: range.from,
                to,
                epoch: Some(range.epoch),
            };
            rebuild.source(pg, range.wal, source);
            rebuild.is_behind(pg);
        }
    }
    for range in rebuild.ranges() {
        replay_range(store, cluster, range, |object| {
            rebuild.object(range.incarnation, &object)
        })
        .await?;
        if let Some(error) = rebuild.failed.take() {
            return Err(error);
        }
    }
    rebuild.finish()
}

async fn read_group_page(
    store: &DynStore,
    reference: Option<PageRef>,
) -> Result<Option<Page>, RecoverError> {
    let Some(reference) = &reference else {
        return Ok(None);
    };
    let object = &reference.object;
    let key = keys::data(object.writer, object.number, keys::DataKind::Checkpoint);
    match read_page(store, &key, reference).await {
        Ok(page) => Ok(Some(page)),
        Err(error) => Err(RecoverError::Page(Arc::new(error))),
    }
}

struct Rebuild<'a> {
    image: &'a Image,
    table: &'a WalTable,
    registry: &'a Registry,
    now_ms: i64,
    groups: BTreeMap<PgId, Group>,
    objects: u64,
    runs: u64,
    failed: Option<RecoverError>,
}

impl Rebuild<'_> {
    /// Opens the partitions of a page and notes where their runs are.
    fn begin(
        &mut self,
        pg: PgId,
        epoch: OwnershipEpoch,
        reference: Option<PageRef>,
        page: Option<&Page>,
    ) {
        let group = Group {
            epoch,
            page: reference,
            sources: BTreeMap::new(),
            with_rows: BTreeSet::new(),
            behind: false,
        };
        self.groups.insert(pg, group);
        let Some(page) = page else { return };
        for root in &page.partitions {
            if self.is_known(&root.topic_partition) {
                self.open(root.topic_partition, epoch, durable_of(root));
            }
        }
        for range in &page.live_wal {
            let source = Source {
                from: range.from,
                to: range.to,
                epoch: None,
            };
            self.source(pg, range.incarnation, source);
        }
    }

    fn source(&mut self, pg: PgId, wal: Incarnation, source: Source) {
        if let Some(group) = self.groups.get_mut(&pg)
            && source.from < source.to
        {
            group.sources.entry(wal).or_default().push(source);
        }
    }

    fn is_behind(&mut self, pg: PgId) {
        if let Some(group) = self.groups.get_mut(&pg) {
            group.behind = true;
        }
    }

    /// Per WAL the range that any group needs, oldest WAL first.
    fn ranges(&self) -> Vec<WalRange> {
        let mut ranges: BTreeMap<Incarnation, (Slot, Slot)> = BTreeMap::new();
        for (wal, sources) in self.groups.values().flat_map(|g| &g.sources) {
            for source in sources {
                let range = ranges.entry(*wal).or_insert((source.from, source.to));
                *range = (range.0.min(source.from), range.1.max(source.to));
            }
        }
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .map(|(incarnation, (from, to))| WalRange {
                incarnation,
                from,
                to,
            })
            .collect();
        ranges.sort_by_key(|range| range.incarnation.epoch);
        ranges
    }

    fn object(&mut self, wal: Incarnation, object: &ReplayedRun) {
        self.objects += 1;
        for row in &object.footer.rows {
            if self.failed.is_some() {
                return;
            }
            if let Err(error) = self.row(wal, object, row) {
                self.failed = Some(error);
            }
        }
    }

    fn row(
        &mut self,
        wal: Incarnation,
        object: &ReplayedRun,
        row: &RunRow,
    ) -> Result<(), RecoverError> {
        let id = row.topic_partition;
        let Some((pg, beyond_page)) = self.counts(wal, object.slot, row) else {
            return Ok(());
        };
        let epoch = self.groups[&pg].epoch;
        let log = match self.registry.get(&id) {
            Some(log) => log,
            None => self.open(id, epoch, Durable::default()),
        };
        let run = Run {
            wal: self.table.index_of(wal).ok_or(RecoverError::TooManyWals)?,
            slot: object.slot,
            position: u32::try_from(row.position)
                .map_err(|_| RecoverError::TooLarge(object.slot))?,
            len: u32::try_from(row.len).map_err(|_| RecoverError::TooLarge(object.slot))?,
            offset_first: row.offset_first,
            offset_end: Offset(row.offset_last.0 + 1),
            max_timestamp: row.max_timestamp,
        };
        let producers = if beyond_page {
            producers_of(&object.controls, &id)
        } else {
            Vec::new()
        };
        log.recover(&run, row.leader_epoch, &producers, beyond_page, self.now_ms)?;
        self.runs += 1;
        if let Some(group) = self.groups.get_mut(&pg) {
            group.with_rows.insert(wal);
        }
        Ok(())
    }

    /// The group of a row, and whether it is newer than the group's page; `None` when it is void.
    fn counts(&self, wal: Incarnation, slot: Slot, row: &RunRow) -> Option<(PgId, bool)> {
        let id = row.topic_partition;
        let topic = self.image.topics.by_id(&id.topic)?;
        let pg = topic.pg_of(id.partition)?;
        let sources = self.groups.get(&pg)?.sources.get(&wal)?;
        let source = sources.iter().find(|s| (s.from..s.to).contains(&slot))?;
        let same_epoch = source
            .epoch
            .is_none_or(|epoch| epoch == row.ownership_epoch);
        same_epoch.then_some((pg, source.epoch.is_some()))
    }

    fn is_known(&self, id: &TopicPartition) -> bool {
        let topic = self.image.topics.by_id(&id.topic);
        topic.is_some_and(|topic| (0..topic.partitions).contains(&id.partition.0))
    }

    fn open(
        &self,
        id: TopicPartition,
        epoch: OwnershipEpoch,
        durable: Durable,
    ) -> Arc<PartitionLog> {
        let internal = self
            .image
            .topics
            .by_id(&id.topic)
            .is_some_and(|topic| topic.internal);
        self.registry
            .insert(PartitionLog::new(id, internal, epoch, durable))
    }

    fn finish(self) -> Result<Recovered, RecoverError> {
        for log in self.registry.all() {
            log.finish_recovery()
                .map_err(|(page, runs)| RecoverError::Short {
                    partition: log.id(),
                    page,
                    runs,
                })?;
        }
        let groups = self
            .groups
            .iter()
            .map(|(pg, group)| (*pg, recovered_group(group)))
            .collect();
        Ok(Recovered {
            groups,
            objects: self.objects,
            runs: self.runs,
        })
    }
}

/// The group's sources as the next page lists them: one range per WAL.
fn recovered_group(group: &Group) -> RecoveredGroup {
    let range = |(wal, sources): (&Incarnation, &Vec<Source>)| {
        let from = sources.iter().map(|s| s.from).min()?;
        let to = sources.iter().map(|s| s.to).max()?;
        Some(PageRange {
            incarnation: *wal,
            lane: 0,
            from,
            to,
        })
    };
    RecoveredGroup {
        page: group.page,
        live_wal: group
            .sources
            .iter()
            .filter(|(wal, _)| group.with_rows.contains(*wal))
            .filter_map(range)
            .collect(),
        behind: group.behind,
    }
}

fn producers_of(
    controls: &[ControlRecord],
    id: &TopicPartition,
) -> Vec<(ProducerId, ProducedBatch)> {
    let of_partition = controls.iter().filter_map(|control| match control {
        ControlRecord::ProducerDelta {
            topic_partition,
            producer,
            batches,
        } if topic_partition == id => Some((*producer, batches)),
        _ => None,
    });
    of_partition
        .flat_map(|(producer, batches)| {
            batches.iter().map(move |batch| (producer, produced(batch)))
        })
        .collect()
}
