//! Reads and checks one object, in a task of its own so that several processors share the work.
//!
//! What stays of an object after its check is small (its index); its bytes are freed in the task.

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_protocol::types::ProducerId;

use crate::{
    env::{Env, TaskKind},
    format::{
        FormatError, ObjectHeader, ObjectIdentity, ObjectKind,
        envelope::decode_header,
        seal::decode_seal,
        verify_object,
        wal::{ControlRecord, ProducerBatch, RunRow, verify_wal_object},
    },
    ids::{ClusterId, Incarnation, Slot, TopicPartition},
    keys::{self, DataKind},
    store::{DynStore, Key, StoreErrorKind},
};

/// What a check gave; the length is that of the object in bytes.
pub(super) enum Checked<T> {
    Missing,
    Sound(T, u64),
    Damaged(String),
    /// A sound object, but not the one that belongs under this name.
    Foreign(String),
    Unchecked(String),
}

/// What stands in a sound slot.
pub(super) enum SlotContent {
    Data(SlotData),
    Seal,
}

/// The index of a WAL object.
pub(super) struct SlotData {
    /// Slots that its writer knew to be committed; exclusive.
    pub committed: Slot,
    pub rows: Vec<RunRow>,
    pub producers: Vec<(TopicPartition, ProducerId, Vec<ProducerBatch>)>,
}

enum Problem {
    Format(FormatError),
    Foreign(ObjectIdentity),
}

impl From<FormatError> for Problem {
    fn from(error: FormatError) -> Problem {
        Problem::Format(error)
    }
}

/// The object in `slot` of a WAL.
pub(super) async fn check_slot(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    writer: Incarnation,
    lane: u16,
    slot: Slot,
) -> Checked<SlotContent> {
    let key = keys::wal(writer, lane, slot);
    in_task(env, store, key, move |bytes| {
        let header = decode_header(bytes)?;
        if header.identity.kind == ObjectKind::Seal {
            let seal = decode_seal(bytes)?;
            let found = (seal.cluster, seal.sealed, seal.lane, seal.slot);
            let same = found == (cluster, writer, lane, slot);
            return same
                .then_some(SlotContent::Seal)
                .ok_or(Problem::Foreign(header.identity));
        }
        let verified = verify_wal_object(bytes)?;
        let found = header.identity;
        let expected = (cluster, writer, lane, slot.0);
        if (found.cluster, found.writer, found.lane, found.number) != expected {
            return Err(Problem::Foreign(found));
        }
        let producers = verified.object.controls.into_iter().filter_map(delta);
        Ok(SlotContent::Data(SlotData {
            committed: verified.object.footer.committed,
            producers: producers.collect(),
            rows: verified.object.footer.rows,
        }))
    })
    .await
}

fn delta(control: ControlRecord) -> Option<(TopicPartition, ProducerId, Vec<ProducerBatch>)> {
    match control {
        ControlRecord::ProducerDelta {
            topic_partition,
            producer,
            batches,
        } => Some((topic_partition, producer, batches)),
        _ => None,
    }
}

/// A data object: everything that can be checked of it alone, and that it is the one of its name.
pub(super) async fn check_data(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    writer: Incarnation,
    number: u64,
    kind: DataKind,
) -> Checked<ObjectHeader> {
    let key = keys::data(writer, number, kind);
    let kind = match kind {
        DataKind::Checkpoint => ObjectKind::Checkpoint,
        DataKind::Merged => ObjectKind::Merged,
        DataKind::Segment => ObjectKind::Segment,
    };
    in_task(env, store, key, move |bytes| {
        let header = verify_object(bytes)?;
        let found = header.identity;
        let expected = (cluster, writer, number, kind);
        if (found.cluster, found.writer, found.number, found.kind) != expected {
            return Err(Problem::Foreign(found));
        }
        Ok(header)
    })
    .await
}

async fn in_task<T: Send + 'static>(
    env: &Env,
    store: &DynStore,
    key: Key,
    check: impl FnOnce(&Bytes) -> Result<T, Problem> + Send + 'static,
) -> Checked<T> {
    let (answer, answered) = oneshot::channel();
    let store = store.clone();
    env.tasks.spawn(TaskKind::Verify, async move {
        let checked = match store.get(&key).await {
            Ok(bytes) => judge(check(&bytes), bytes.len() as u64),
            Err(error) if error.kind == StoreErrorKind::NotFound => Checked::Missing,
            Err(error) if error.kind == StoreErrorKind::Corrupt => Checked::Damaged(error.message),
            Err(error) => Checked::Unchecked(error.message),
        };
        // The walk may have ended with an error of its own.
        let _ = answer.send(checked);
    });
    match answered.await {
        Ok(checked) => checked,
        Err(_) => Checked::Unchecked("its check ended too early: please report a bug".to_owned()),
    }
}

fn judge<T>(result: Result<T, Problem>, len: u64) -> Checked<T> {
    match result {
        Ok(sound) => Checked::Sound(sound, len),
        // The checksum of the header comes first, so this is a newer format, not a flipped bit.
        Err(Problem::Format(error @ FormatError::Unknown { .. })) => {
            Checked::Unchecked(error.to_string())
        }
        Err(Problem::Format(error)) => Checked::Damaged(error.to_string()),
        Err(Problem::Foreign(found)) => Checked::Foreign(format!(
            "it is another object: {:?} {} of {} in cluster {}",
            found.kind, found.number, found.writer, found.cluster
        )),
    }
}
