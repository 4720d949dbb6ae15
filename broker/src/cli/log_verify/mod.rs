//! `weir log verify`: reads every object of a store and says what is damaged.
//!
//! Owns: the walk over the store and the report. Does not own: what makes an object sound (`format`),
//! the metadata log (`metadata::verify`), the end of one write-ahead log (`wal`).
//! Checks: checksums, index = scan, names and identities, contiguous slots, contiguous offsets of each
//! partition, pages that the metadata names. Slots above the contiguous end or a SEAL are void: they
//! were never acknowledged, so they are reported and are no damage.
//! It writes nothing and may run beside a broker: the metadata is read first, so that every object it
//! names exists when the listing begins.

mod offsets;
mod report;
mod wal;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream};
use weir_tiering::{
    cluster::{self, ClusterError},
    env::Env,
    format::verify_object,
    ids::{ClusterId, Incarnation, Slot},
    keys::{self, ObjectName},
    metadata::{self, Image},
    store::{
        DynStore, Key, StoreError, StoreErrorKind,
        local::OpenMode,
        retry::{ReadPatience, RetryingStore},
        url::{self, StoreUrl},
    },
};

use self::{offsets::Offsets, report::Report, wal::WalWalk};
use super::{Exit, fail, say};

const LIST_MAX: usize = 1_000;
const READS_AT_ONCE: usize = 8;

/// Exit: 0 clean, 1 damage, 2 could not check.
pub(super) fn run(url: &StoreUrl) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Usage, &error),
    };
    match runtime.block_on(check(url)) {
        Ok(report) => {
            say(report.render().trim_end());
            if report.is_clean() {
                Exit::Clean
            } else {
                Exit::Failed
            }
        }
        Err(reason) => fail(Exit::Usage, &format!("could not check {url}: {reason}")),
    }
}

/// `Err`: the store could not be asked, or holds no cluster.
async fn check(url: &StoreUrl) -> Result<Report, String> {
    let env = Env::system();
    if *url == StoreUrl::Memory {
        return Err("nothing of another process is in memory: name a directory".to_owned());
    }
    let opened = url::open(url, OpenMode::ReadOnly, env.new_process_id());
    let opened = opened.map_err(|error| error.to_string())?;
    let store = RetryingStore::new(opened.store, env.clone(), ReadPatience::default());
    check_store(&env, Arc::new(store)).await
}

async fn check_store(env: &Env, store: DynStore) -> Result<Report, String> {
    let mut report = Report::default();
    let cluster = match cluster::read(env, &*store).await {
        Ok(Some(opened)) => opened.cluster_id,
        Ok(None) => return Err("there is no cluster".to_owned()),
        Err(ClusterError::Damaged(error)) => {
            report.damaged("cluster", error);
            return Ok(report);
        }
        Err(error) => return Err(error.to_string()),
    };
    let found = metadata::verify(env, &store, cluster)
        .await
        .map_err(|error| error.to_string())?;
    report.metadata(&found);
    let walk = Walk {
        store,
        cluster,
        image: found.tail.map(|tail| tail.image),
        report,
        offsets: Offsets::default(),
        wal: None,
        wals_seen: BTreeSet::new(),
        data: BTreeSet::new(),
    };
    walk.run().await.map_err(|error| error.to_string())
}

struct Walk {
    store: DynStore,
    cluster: ClusterId,
    /// The metadata's state; `None` when damage hides it.
    image: Option<Image>,
    report: Report,
    offsets: Offsets,
    /// The write-ahead log that the walk is in.
    wal: Option<WalWalk>,
    /// Incarnations whose write-ahead log was seen.
    wals_seen: BTreeSet<Incarnation>,
    /// Writer and number of the sound objects under `data/`.
    data: BTreeSet<(Incarnation, u64)>,
}

/// What a read gave.
pub(super) enum Read {
    Bytes(Bytes),
    Missing,
    Damaged(String),
}

impl Walk {
    async fn run(mut self) -> Result<Report, StoreError> {
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.list("", after.as_ref(), LIST_MAX).await?;
            let names: Vec<Key> = page.into_iter().map(|object| object.key).collect();
            self.page(&names).await?;
            if names.len() < LIST_MAX {
                break;
            }
            after = names.into_iter().next_back();
        }
        self.end_of_wal();
        self.check_missing_wals();
        self.offsets.check(&mut self.report);
        self.check_pages();
        Ok(self.report)
    }

    async fn page(&mut self, names: &[Key]) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for key in names {
            match ObjectName::parse(key.as_str()) {
                Some(name @ (ObjectName::Wal { .. } | ObjectName::Data { .. })) => {
                    wanted.push((key.clone(), name));
                }
                // The others were read before the walk, or mean nothing (the probe's).
                Some(_) => {}
                None => self
                    .report
                    .remark(format!("{key} is the name of no object of ours")),
            }
        }
        let store = Arc::clone(&self.store);
        let mut reads = stream::iter(wanted)
            .map(|(key, name)| {
                let store = Arc::clone(&store);
                async move { (read(&store, &key).await, key, name) }
            })
            .buffered(READS_AT_ONCE);
        while let Some((read, key, name)) = reads.next().await {
            match name {
                ObjectName::Wal { writer, lane, slot } => {
                    self.slot(writer, lane, slot, read?).await?;
                }
                ObjectName::Data { writer, number, .. } => {
                    self.data_object(&key, writer, number, read?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn slot(
        &mut self,
        writer: Incarnation,
        lane: u16,
        slot: Slot,
        read: Read,
    ) -> Result<(), StoreError> {
        if self
            .wal
            .as_ref()
            .is_none_or(|walk| !walk.is_of(writer, lane))
        {
            self.end_of_wal();
            let image = self.image.as_ref();
            let record = image.and_then(|image| image.incarnations.get(&writer));
            self.wal = Some(WalWalk::new(
                self.cluster,
                writer,
                lane,
                record.map(|r| &**r),
            ));
            self.wals_seen.insert(writer);
            self.report.wals += 1;
        }
        let walk = self.wal.as_mut().expect("it was set above");
        // LIST is a hint: a slot that was written since is there when it is asked for.
        for missing in walk.gap_before(slot) {
            let again = self::read(&self.store, &keys::wal(writer, lane, missing)).await?;
            walk.take(missing, again, &mut self.report, &mut self.offsets);
        }
        walk.take(slot, read, &mut self.report, &mut self.offsets);
        Ok(())
    }

    fn end_of_wal(&mut self) {
        if let Some(walk) = self.wal.take() {
            walk.finish(&mut self.report, &mut self.offsets);
        }
    }

    /// Logs of which not a single slot was listed although the metadata says that there were some.
    fn check_missing_wals(&mut self) {
        let Some(image) = &self.image else { return };
        for record in image.incarnations.iter() {
            let writer = record.incarnation;
            if !self.wals_seen.contains(&writer) {
                let walk = WalWalk::new(self.cluster, writer, 0, Some(record));
                walk.finish(&mut self.report, &mut self.offsets);
            }
        }
    }

    fn data_object(&mut self, key: &Key, writer: Incarnation, number: u64, read: Read) {
        let bytes = match read {
            Read::Bytes(bytes) => bytes,
            Read::Missing => return,
            Read::Damaged(message) => return self.report.damaged(key, message),
        };
        self.report.object(bytes.len());
        match verify_object(&bytes) {
            Err(error) => self.report.damaged(key, error),
            Ok(header) => {
                let found = header.identity;
                if (found.cluster, found.writer, found.number) == (self.cluster, writer, number) {
                    self.data.insert((writer, number));
                } else {
                    self.report
                        .damaged(key, format!("it is another object: {found:?}"));
                }
            }
        }
    }

    /// Every page that the metadata names must be there.
    fn check_pages(&mut self) {
        let Some(image) = &self.image else { return };
        for (pg, record) in image.ownership.iter() {
            let Some(page) = &record.page else { continue };
            let object = &page.object;
            if !self.data.contains(&(object.writer, object.number)) {
                let name = format!("the page of placement group {pg}");
                let message = format!(
                    "there is no sound object {} of {}",
                    object.number, object.writer
                );
                self.report.damaged(name, message);
            }
        }
    }
}

async fn read(store: &DynStore, key: &Key) -> Result<Read, StoreError> {
    match store.get(key).await {
        Ok(bytes) => Ok(Read::Bytes(bytes)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(Read::Missing),
        Err(error) if error.kind == StoreErrorKind::Corrupt => Ok(Read::Damaged(error.message)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod log_verify_tests;
