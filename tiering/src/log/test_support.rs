//! A partition or several on a WAL over a memory store that can be disturbed.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use metrics::Histogram;
use weir_protocol::{
    records::{BatchBuilder, Codec, split_batches},
    types::{LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Uuid},
};

use super::{AppendBatch, ColdReader, Durable, PartitionLog, Sequenced};
use crate::{
    budget::Permit,
    env::{Env, testing},
    fenced_log::{SLOTS_IN_FLIGHT_MAX, WalIdentity},
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, OwnershipEpoch, Slot, TopicPartition},
    store::{DynStore, faulty::FaultyStore, memory::MemoryStore},
    wal::{Wal, WalConfig, WalMeters, WalTable, flush_policy::FlushPolicy},
};

pub const CLUSTER: ClusterId = ClusterId(Uuid([3; 16]));
pub const EPOCH: OwnershipEpoch = OwnershipEpoch(4);
/// Timestamp of the first record of a test batch, unless it says otherwise.
pub const TIME: i64 = 1_000;

pub fn incarnation() -> Incarnation {
    Incarnation {
        broker: BrokerId(1),
        epoch: BrokerEpoch(7),
    }
}

pub fn config(tail_bytes_max: usize) -> WalConfig {
    WalConfig {
        policy: FlushPolicy::local(),
        in_flight_max: SLOTS_IN_FLIGHT_MAX,
        tail_bytes_max,
        meters: WalMeters {
            flush_bytes: Histogram::noop(),
            flush_seconds: Histogram::noop(),
        },
    }
}

/// One WAL and what reads it.
pub struct Logs {
    pub env: Env,
    pub faults: Arc<FaultyStore>,
    pub store: DynStore,
    pub wal: Wal,
    pub cold: ColdReader,
}

impl Logs {
    /// Keeps everything committed in memory.
    pub fn new(seed: u64) -> Logs {
        Logs::with_config(seed, &config(usize::MAX))
    }

    pub fn with_config(seed: u64, config: &WalConfig) -> Logs {
        let env = testing::env(seed);
        let memory: DynStore = Arc::new(MemoryStore::default());
        let faults = FaultyStore::new(memory, env.clone());
        let store: DynStore = faults.clone();
        let table = Arc::new(WalTable::default());
        let identity = WalIdentity {
            cluster: CLUSTER,
            incarnation: incarnation(),
            lane: 0,
        };
        let index = table.index_of(incarnation()).unwrap();
        Logs {
            wal: Wal::start(env.clone(), store.clone(), identity, index, config),
            // No cache: every cold read goes to the store.
            cold: ColdReader::new(store.clone(), table, 0),
            faults,
            store,
            env,
        }
    }

    pub fn partition(&self, index: i32) -> Arc<PartitionLog> {
        let id = TopicPartition {
            topic: Uuid([1; 16]),
            partition: PartitionIndex(index),
        };
        Arc::new(PartitionLog::new(id, false, EPOCH, Durable::default()))
    }

    pub async fn committed(&self, slot: Option<Slot>) {
        if let Some(slot) = slot {
            self.wal.committed(slot).await.unwrap();
        }
    }

    pub async fn read_all(&self, log: &PartitionLog) -> Vec<Bytes> {
        let mut from = log.bounds().log_start;
        let mut all = Vec::new();
        while from < log.bounds().high_watermark {
            let batches = log.read(&self.cold, from, 1 << 20, true).await.unwrap();
            assert!(!batches.is_empty(), "nothing at {from}");
            from = split_batches(batches.last().unwrap())
                .last()
                .unwrap()
                .unwrap()
                .header()
                .offset_next();
            all.extend(batches);
        }
        all
    }

    /// Lets every other task run until all wait.
    pub async fn settle(&self) {
        self.env.clock.sleep(Duration::from_millis(50)).await;
    }
}

/// A batch on its way in, as a test describes it.
#[derive(Clone, Default)]
pub struct Batch {
    values: Vec<String>,
    sequenced: Option<(i64, i16, i32)>,
    timestamps: Vec<i64>,
    permit: Option<Arc<Permit>>,
}

/// One record per value.
pub fn batch(values: &[&str]) -> Batch {
    Batch {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..Batch::default()
    }
}

impl Batch {
    pub fn from(mut self, producer: i64, epoch: i16, sequence: i32) -> Batch {
        self.sequenced = Some((producer, epoch, sequence));
        self
    }

    /// Of the records, in their order.
    pub fn at(mut self, timestamps: &[i64]) -> Batch {
        self.timestamps = timestamps.to_vec();
        self
    }

    pub fn with_permit(mut self, permit: Permit) -> Batch {
        self.permit = Some(Arc::new(permit));
        self
    }

    fn builder(&self) -> BatchBuilder {
        let mut builder = BatchBuilder::new(Codec::None);
        if let Some((producer, epoch, sequence)) = self.sequenced {
            builder = builder.producer(ProducerId(producer), ProducerEpoch(epoch), sequence);
        }
        for (i, value) in self.values.iter().enumerate() {
            let time = self.timestamps.get(i).copied().unwrap_or(TIME);
            builder.append(time, None, Some(value.as_bytes()));
        }
        builder
    }

    /// As it comes from a client.
    pub fn append_batch(&self) -> AppendBatch {
        let count = self.values.len() as u32;
        let sequenced = self.sequenced.map(|(producer, epoch, sequence)| Sequenced {
            producer: ProducerId(producer),
            epoch: ProducerEpoch(epoch),
            sequence_first: sequence,
            sequence_last: sequence + count as i32 - 1,
        });
        AppendBatch {
            bytes: BytesMut::from(&self.builder().build().unwrap()[..]),
            record_count: count,
            offset_count: count,
            max_timestamp: self.timestamps.iter().copied().max().unwrap_or(TIME),
            sequenced,
            permit: self.permit.clone(),
        }
    }

    /// As it is read at `offset`.
    pub fn stored(&self, offset: i64) -> Bytes {
        let builder = self
            .builder()
            .base_offset(Offset(offset))
            .partition_leader_epoch(LeaderEpoch(EPOCH.0));
        builder.build().unwrap().into()
    }
}
