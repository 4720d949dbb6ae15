//! The order of a check: metadata, pages, all names and data objects, each write-ahead log, sums.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::{
    CHECKS_AT_ONCE, VerifyError,
    expected::{Expected, RunClass},
    object::{Checked, check_data, check_slot},
    offsets::Offsets,
    producers::Producers,
    report::{MOVE_AWAY, REMOVE, RESTORE, Report},
    wal::{Judged, WalWalk},
};
use crate::{
    env::Env,
    format::wal::RunRow,
    ids::{BrokerEpoch, ClusterId, Incarnation, Slot},
    keys::{self, DataKind, ObjectName},
    metadata::{self, Image},
    store::{DynStore, Key, StoreError, is_scratch, put::START_PATIENCE},
};

const LIST_MAX: usize = 1_000;
/// No log gets so long; arithmetic on slots below cannot overflow.
const SLOT_MAX: Slot = Slot(1 << 48);
/// Unknown writers that are remembered.
const STRANGERS_MAX: usize = 1_000;

pub(super) async fn walk(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    mut report: Report,
) -> Result<Report, VerifyError> {
    let found = metadata::verify(env, store, cluster).await?;
    report.metadata(&found);
    let image = found.tail.map(|tail| tail.image);
    let expected = match &image {
        Some(image) => Expected::read(store, image, &mut report).await,
        None => {
            report.remark(
                "the metadata is damaged: each object was checked alone, not what they add up to"
                    .to_owned(),
            );
            Expected::default()
        }
    };
    let walk = Walk {
        env,
        store,
        cluster,
        image,
        expected,
        report,
        offsets: Offsets::default(),
        producers: Producers::default(),
        wals: BTreeSet::new(),
        strangers: BTreeMap::new(),
    };
    Ok(walk.run().await)
}

struct Walk<'a> {
    env: &'a Env,
    store: &'a DynStore,
    cluster: ClusterId,
    /// The state at one position; `None` when damage hides it.
    image: Option<Image>,
    expected: Expected,
    report: Report,
    offsets: Offsets,
    producers: Producers,
    /// Logs with at least one slot, oldest first.
    wals: BTreeSet<(BrokerEpoch, Incarnation, u16)>,
    /// Writers that the metadata does not know, with one of their objects.
    strangers: BTreeMap<Incarnation, Key>,
}

impl Walk<'_> {
    async fn run(mut self) -> Report {
        if let Err(error) = self.all_names().await {
            self.report.unchecked("the list of all objects", error);
        }
        self.add_wals_of_metadata();
        for (_, writer, lane) in std::mem::take(&mut self.wals) {
            self.wal(writer, lane).await;
        }
        if !self.report.is_complete() {
            let remark =
                "not everything could be read, so it was not checked what the objects add up to";
            self.report.remark(remark.to_owned());
        } else if let Some(image) = &self.image {
            self.offsets.check(&self.expected, image, &mut self.report);
            self.producers
                .check(self.store, image, &mut self.report)
                .await;
        }
        self.check_strangers().await;
        self.report
    }

    /// Lists everything, checks the data objects, and notes which logs there are.
    async fn all_names(&mut self) -> Result<(), StoreError> {
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.list("", after.as_ref(), LIST_MAX).await?;
            let mut data = Vec::new();
            for object in &page {
                match ObjectName::parse(object.key.as_str()) {
                    Some(ObjectName::Wal { writer, lane, .. }) => {
                        if self.is_known(writer, &object.key) {
                            self.wals.insert((writer.epoch, writer, lane));
                        }
                    }
                    Some(ObjectName::Data {
                        writer,
                        number,
                        kind,
                    }) => {
                        if self.is_known(writer, &object.key) {
                            data.push((writer, number, kind));
                        }
                    }
                    // Read before, or without meaning.
                    Some(_) => {}
                    None if is_scratch(object.key.as_str()) => {}
                    None => self
                        .report
                        .remark(format!("{}: the name of no object of ours", object.key)),
                }
            }
            self.data_objects(data).await;
            if page.len() < LIST_MAX {
                return Ok(());
            }
            after = page.into_iter().next_back().map(|object| object.key);
        }
    }

    fn is_known(&mut self, writer: Incarnation, key: &Key) -> bool {
        let Some(image) = &self.image else {
            return true;
        };
        let known = image.incarnations.get(&writer).is_some();
        if !known && self.strangers.len() < STRANGERS_MAX {
            self.strangers.entry(writer).or_insert_with(|| key.clone());
        }
        known
    }

    async fn data_objects(&mut self, objects: Vec<(Incarnation, u64, DataKind)>) {
        let (env, store, cluster) = (self.env, self.store, self.cluster);
        let mut checks = stream::iter(objects)
            .map(|(writer, number, kind)| async move {
                let key = keys::data(writer, number, kind);
                (
                    key,
                    check_data(env, store, cluster, writer, number, kind).await,
                )
            })
            .buffered(CHECKS_AT_ONCE);
        while let Some((key, checked)) = checks.next().await {
            match checked {
                Checked::Sound(_, len) => self.report.object(len),
                // Collected since it was listed; a page that names it was read before.
                Checked::Missing => {}
                Checked::Damaged(message) => self.report.damaged(key, message, RESTORE),
                Checked::Foreign(message) => self.report.damaged(key, message, MOVE_AWAY),
                Checked::Unchecked(message) => self.report.unchecked(key, message),
            }
        }
    }

    /// Logs of which not a single slot was listed, although there were some.
    fn add_wals_of_metadata(&mut self) {
        let Some(image) = &self.image else { return };
        for record in image.incarnations.iter() {
            let writer = record.incarnation;
            self.wals.insert((writer.epoch, writer, 0));
        }
    }

    async fn wal(&mut self, writer: Incarnation, lane: u16) {
        let image = self.image.as_ref();
        let record = image.and_then(|image| image.incarnations.get(&writer));
        let required = image.map(|_| self.expected.required(writer));
        let mut walk = WalWalk::new(writer, lane, record.map(|record| &**record), required);
        if let Err(error) = self.slots(&mut walk, writer, lane).await {
            // Without a complete list nothing can be said to be missing.
            let prefix = keys::wal_log_prefix(writer, lane);
            return self.report.unchecked(prefix, error);
        }
        let judged = walk.finish(&mut self.report);
        self.count(writer, lane, &judged);
    }

    async fn slots(
        &mut self,
        walk: &mut WalWalk,
        writer: Incarnation,
        lane: u16,
    ) -> Result<(), StoreError> {
        let (env, store, cluster) = (self.env, self.store, self.cluster);
        let prefix = keys::wal_log_prefix(writer, lane);
        let check = move |slot| check_slot(env, store, cluster, writer, lane, slot);
        let mut after: Option<Key> = None;
        loop {
            let page = store.list(&prefix, after.as_ref(), LIST_MAX).await?;
            self.report.counts.wals += u64::from(after.is_none() && !page.is_empty());
            let slots = self.slots_of(&page.iter().map(|o| o.key.clone()).collect::<Vec<_>>());
            let mut checks = stream::iter(slots)
                .map(|slot| async move { (slot, check(slot).await) })
                .buffered(CHECKS_AT_ONCE);
            while let Some((slot, checked)) = checks.next().await {
                // A list is a hint: what was written since is there when it is asked for.
                for missing in walk.gap_before(slot) {
                    let judged = walk.take(missing, check(missing).await, &mut self.report);
                    self.count(writer, lane, &judged);
                }
                let judged = walk.take(slot, checked, &mut self.report);
                self.count(writer, lane, &judged);
            }
            if page.len() < LIST_MAX {
                return Ok(());
            }
            after = page.into_iter().next_back().map(|object| object.key);
        }
    }

    fn slots_of(&mut self, names: &[Key]) -> Vec<Slot> {
        let mut slots = Vec::with_capacity(names.len());
        for key in names {
            match ObjectName::parse(key.as_str()) {
                Some(ObjectName::Wal { slot, .. }) if slot < SLOT_MAX => slots.push(slot),
                Some(ObjectName::Wal { .. }) => {
                    self.report.damaged(key, "no log has so many slots", REMOVE);
                }
                // Remarked when everything was listed.
                _ => {}
            }
        }
        slots
    }

    /// Adds up what slots hold that count.
    fn count(&mut self, writer: Incarnation, lane: u16, judged: &[Judged]) {
        let Some(image) = &self.image else {
            let rows = judged.iter().flat_map(|(_, data)| &data.rows);
            self.report.counts.records += rows.map(|row| u64::from(row.record_count)).sum::<u64>();
            return;
        };
        for (slot, data) in judged {
            let key = keys::wal(writer, lane, *slot);
            let class = |row: &RunRow| self.expected.class(image, writer, *slot, row);
            let mut void = 0;
            let mut paged = BTreeSet::new();
            for row in &data.rows {
                match class(row) {
                    RunClass::Deleted => self.report.counts.runs_of_deleted_topics += 1,
                    RunClass::Void => void += 1,
                    class => {
                        self.report.counts.records += u64::from(row.record_count);
                        self.offsets.add(&key, row, class, &mut self.report);
                        if class == RunClass::Paged {
                            paged.insert(row.topic_partition);
                        }
                    }
                }
            }
            if void > 0 {
                let why = format!("{void} runs in it belong to no ownership of their partitions");
                self.report.void_thing(key, why);
            }
            let deltas = data
                .producers
                .iter()
                .filter(|delta| paged.contains(&delta.0));
            for (id, producer, batches) in deltas {
                self.producers.add(*id, *producer, batches);
            }
        }
    }

    /// Writers that are unknown: they registered since, or their objects were copied here.
    async fn check_strangers(&mut self) {
        if self.strangers.is_empty() {
            return;
        }
        let (env, store) = (self.env.clone(), self.store.clone());
        let now = match metadata::open(env, store, self.cluster, START_PATIENCE).await {
            Ok(now) => now,
            Err(error) => return self.report.unchecked("metadata, read again", error),
        };
        for (writer, key) in std::mem::take(&mut self.strangers) {
            if now.image().incarnations.get(&writer).is_some() {
                self.report.remark(format!(
                    "{writer} registered after the check began; its objects were not read"
                ));
            } else {
                let what = format!("{writer} never registered in this cluster");
                self.report.damaged(key, what, REMOVE);
            }
        }
    }
}
