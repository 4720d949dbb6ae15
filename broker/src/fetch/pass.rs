//! One pass over the partitions of a fetch: what each has to say, within the limits of KIP-74.
//!
//! Owns: which bytes a partition gets. Does not own: waiting (`wait`), who may hold how many bytes
//! (`net::AnswerMemory`), the answer's fields (`api/fetch`).
//! A pass has two halves: [`Pass::begin`] takes what is in memory, at once; [`Pass::complete`] reads
//! the rest from the store, several partitions at a time. What is in the store counts with all of it
//! that the partition's limit lets through, so that the sum never exceeds the request's.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use weir_protocol::{
    error_code::ErrorCode,
    records::BatchHeader,
    types::{LeaderEpoch, Offset},
};
use weir_tiering::log::{Batches, Bounds, ColdReader, InMemory, PartitionLog};

use super::session::{FetchPartition, TopicKey};
use crate::{error_code::KafkaError, partition::TopicTable};

/// Partitions of one fetch that are read from the store at a time.
const COLD_PARTITIONS_MAX: usize = 8;
/// Memory of a partition in an answer, and of a batch, beside the records; bytes.
const PARTITION_BYTES: usize = 512;
const BATCH_BYTES: usize = 64;

/// Bytes of records in one answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of all partitions together; only the first batch of an answer may exceed it.
    pub bytes_max: usize,
}

/// What a partition has to say.
#[derive(Clone, Debug)]
pub enum Found {
    Records {
        bounds: Bounds,
        /// Whole batches.
        records: Batches,
    },
    /// The client's log leaves ours (KIP-595): the largest epoch of ours that is not beyond the
    /// client's, and its end (exclusive).
    Diverging {
        bounds: Bounds,
        epoch: LeaderEpoch,
        end: Offset,
    },
    /// With the partition's epoch, where it has one.
    Error {
        error: KafkaError,
        leader_epoch: Option<LeaderEpoch>,
    },
}

/// A partition of the request with its log, looked up once.
pub(super) type Target = Result<Arc<PartitionLog>, ErrorCode>;

pub(super) fn find_all(table: &TopicTable, wanted: &[FetchPartition]) -> Vec<Target> {
    let mut last: Option<(&TopicKey, _)> = None;
    wanted
        .iter()
        .map(|partition| {
            let key = &partition.key.topic;
            let topic = match &last {
                Some((known, topic)) if *known == key => topic,
                _ => {
                    let topic = match key {
                        TopicKey::Name(name) => table.by_name(name),
                        TopicKey::Id(id) => table.by_id(*id),
                    };
                    &last.insert((key, topic)).1
                }
            };
            let topic = topic.as_ref().ok_or(unknown_topic(key))?;
            topic
                .log(partition.key.partition)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        })
        .collect()
}

fn unknown_topic(key: &TopicKey) -> ErrorCode {
    match key {
        TopicKey::Name(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        TopicKey::Id(_) => ErrorCode::UNKNOWN_TOPIC_ID,
    }
}

/// One partition of a pass.
enum Entry {
    Found(Found),
    Cold {
        log: Arc<PartitionLog>,
        from: Offset,
        limit: usize,
        one_at_least: bool,
    },
}

/// The outcome of a pass so far.
pub(super) struct Pass {
    entries: Vec<Entry>,
    /// Bytes of records, assumed ones of cold partitions included.
    bytes: usize,
    /// What counts towards `min_bytes`: as `bytes`, and where a limit cut a partition short, the
    /// limit, because waiting brings no more.
    pub enough: usize,
    pub has_cold: bool,
    /// Something must be told at once.
    pub is_urgent: bool,
    batches: usize,
}

impl Pass {
    /// Takes what is in memory.
    pub fn begin(wanted: &[FetchPartition], targets: &[Target], limits: Limits) -> Pass {
        let mut pass = Pass {
            entries: Vec::with_capacity(wanted.len()),
            bytes: 0,
            enough: 0,
            has_cold: false,
            is_urgent: false,
            batches: 0,
        };
        for (partition, target) in wanted.iter().zip(targets) {
            let left = limits.bytes_max.saturating_sub(pass.bytes);
            let entry = pass.look(partition, target, left).unwrap_or_else(|found| {
                pass.is_urgent = true;
                Entry::Found(found)
            });
            pass.entries.push(entry);
        }
        pass
    }

    /// `Err`: what must be told at once.
    fn look(
        &mut self,
        wanted: &FetchPartition,
        target: &Target,
        left: usize,
    ) -> Result<Entry, Found> {
        let log = target.as_ref().map_err(|code| no_partition(*code))?;
        if log.is_deleted() {
            return Err(no_partition(unknown_topic(&wanted.key.topic)));
        }
        let bounds = log.bounds();
        check_epoch(wanted.current_leader_epoch, bounds.leader_epoch).map_err(|error| {
            Found::Error {
                error,
                leader_epoch: Some(bounds.leader_epoch),
            }
        })?;
        check_divergence(wanted, log, bounds)?;
        let from = Offset(wanted.fetch_offset);
        let limit = left.min(usize::try_from(wanted.partition_max_bytes).unwrap_or(0));
        let one_at_least = self.bytes == 0 && !self.has_cold;
        let records = match log.read_in_memory(from, limit, one_at_least) {
            Ok(InMemory::Batches(records)) => records,
            Ok(InMemory::Stored { bytes }) => {
                let bytes = bytes.min(limit);
                self.has_cold = true;
                self.bytes += bytes;
                self.enough += limit.max(1);
                return Ok(Entry::Cold {
                    log: log.clone(),
                    from,
                    limit,
                    one_at_least,
                });
            }
            Err(error) => return Err(read_error(&error)),
        };
        // Read after the records, so that it never lies below what is returned.
        let bounds = log.bounds();
        let bytes: usize = records.iter().map(Bytes::len).sum();
        self.bytes += bytes;
        self.batches += records.len();
        let cut = from < bounds.high_watermark && end_of(&records) < Some(bounds.high_watermark);
        self.enough += if cut { bytes.max(limit) } else { bytes };
        Ok(Entry::Found(Found::Records { bounds, records }))
    }

    /// Bytes of memory that the answer takes, at most, but for a first batch in the store that is
    /// larger than its limit.
    pub fn memory(&self) -> usize {
        memory(self.bytes, self.batches, self.entries.len())
    }

    /// The same answers, with offsets and errors only.
    pub fn without_records(self) -> Vec<Found> {
        let empty = |log: &PartitionLog| Found::Records {
            bounds: log.bounds(),
            records: Vec::new(),
        };
        let found = self.entries.into_iter().map(|entry| match entry {
            Entry::Found(Found::Records { bounds, .. }) => Found::Records {
                bounds,
                records: Vec::new(),
            },
            Entry::Found(found) => found,
            Entry::Cold { log, .. } => empty(&log),
        });
        found.collect()
    }

    /// Reads what is in the store. In the order of the request.
    pub async fn complete(self, cold: &ColdReader) -> Vec<Found> {
        if !self.has_cold {
            let found = self.entries.into_iter().map(|entry| match entry {
                Entry::Found(found) => found,
                Entry::Cold { .. } => unreachable!("has_cold is set with the first"),
            });
            return found.collect();
        }
        stream::iter(self.entries)
            .map(|entry| read_cold(entry, cold))
            .buffered(COLD_PARTITIONS_MAX)
            .collect()
            .await
    }
}

/// Bytes of memory that an answer takes.
pub(super) fn memory_of(found: &[Found]) -> usize {
    let records = found.iter().filter_map(|found| match found {
        Found::Records { records, .. } => Some(records),
        _ => None,
    });
    let (mut bytes, mut batches) = (0, 0);
    for batch in records.flatten() {
        bytes += batch.len();
        batches += 1;
    }
    memory(bytes, batches, found.len())
}

fn memory(bytes: usize, batches: usize, partitions: usize) -> usize {
    bytes + batches * BATCH_BYTES + partitions * PARTITION_BYTES
}

async fn read_cold(entry: Entry, cold: &ColdReader) -> Found {
    match entry {
        Entry::Found(found) => found,
        Entry::Cold {
            log,
            from,
            limit,
            one_at_least,
        } => match log.read(cold, from, limit, one_at_least).await {
            Ok(records) => Found::Records {
                bounds: log.bounds(),
                records,
            },
            Err(error) => read_error(&error),
        },
    }
}

fn read_error(error: &weir_tiering::log::ReadError) -> Found {
    Found::Error {
        error: KafkaError::from(error),
        leader_epoch: None,
    }
}

fn no_partition(code: ErrorCode) -> Found {
    Found::Error {
        error: KafkaError::new(code, "no such topic or partition"),
        leader_epoch: None,
    }
}

/// Offset behind the last batch.
fn end_of(batches: &[Bytes]) -> Option<Offset> {
    let header = BatchHeader::decode(batches.last()?).ok()?;
    Some(header.offset_next())
}

/// KIP-320: a client with older or newer metadata is told so. −1 = do not check.
pub fn check_epoch(claimed: i32, current: LeaderEpoch) -> Result<(), KafkaError> {
    match claimed {
        -1 => Ok(()),
        claimed if claimed < current.0 => Err(KafkaError::new(
            ErrorCode::FENCED_LEADER_EPOCH,
            "older leader epoch",
        )),
        claimed if claimed > current.0 => Err(KafkaError::new(
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            "newer leader epoch",
        )),
        _ => Ok(()),
    }
}

/// KIP-595: where the client's log leaves ours, if it does.
fn check_divergence(
    wanted: &FetchPartition,
    log: &PartitionLog,
    bounds: Bounds,
) -> Result<(), Found> {
    let claimed = wanted.last_fetched_epoch;
    if claimed < 0 {
        return Ok(());
    }
    let known = log.end_of_epoch(LeaderEpoch(claimed));
    // As in Kafka, nothing is known of an epoch beyond ours.
    let Some((epoch, end)) = known.filter(|_| claimed <= bounds.leader_epoch.0) else {
        let message = "the last fetched epoch is not known here";
        return Err(Found::Error {
            error: KafkaError::new(ErrorCode::OFFSET_OUT_OF_RANGE, message),
            leader_epoch: None,
        });
    };
    if epoch.0 < claimed || end.0 < wanted.fetch_offset {
        return Err(Found::Diverging { bounds, epoch, end });
    }
    Ok(())
}
