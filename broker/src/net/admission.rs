//! Who gets memory for a frame, and for an answer: the byte budget and its reserve (design §7).
//!
//! A full budget holds back Produce bodies and new Fetch work only. Small frames of all other APIs
//! come from a reserve of their own, so that groups keep their sessions while producers wait. Answers
//! have a pool of their own too, so that clients that do not read starve nobody but other readers.
//!
//! Order: frames or reserve, then decoded requests, then a turn to read from the store, then answers.
//! Nobody waits for an earlier one, or for more of the same, while holding a later one; so waiting
//! ends.

use std::time::Duration;

use metrics::Gauge;
use weir_protocol::api_key::ApiKey;
use weir_tiering::{
    budget::{MemoryBudget, Permit},
    env::{Env, TaskKind},
};

use super::frame::FrameKey;

/// Frames up to this size may use the reserve.
const SMALL_FRAME_MAX: usize = 64 * 1024;
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);
/// Fetches that read from the store at a time.
const COLD_FETCHES_MAX: u64 = 16;

#[derive(Clone, Copy, Debug)]
pub struct AdmissionConfig {
    /// Bytes of frames, from their arrival until their answer left and their records are committed.
    pub frames_bytes: u64,
    /// Bytes of decoded requests, where they are not small.
    pub decoded_bytes: u64,
    /// Bytes of answers, until the client has taken them; and as many again for answers whose records
    /// come from the store.
    pub answers_bytes: u64,
    /// Bytes of small frames of other APIs.
    pub reserve_bytes: u64,
}

#[derive(Clone)]
pub struct Admission {
    frames: MemoryBudget,
    reserve: MemoryBudget,
    requests: RequestMemory,
}

/// Memory for requests that are being handled and for their answers. Clones share it.
#[derive(Clone)]
pub struct RequestMemory {
    /// Of decoded requests.
    pub decoded: MemoryBudget,
    /// Of answers.
    pub bytes: MemoryBudget,
    /// Of fetches whose records come from the store, so that a hundred consumers that lag behind do
    /// not hold up the others.
    pub cold_bytes: MemoryBudget,
    /// One of it for each fetch that reads from the store.
    pub cold_fetches: MemoryBudget,
}

impl RequestMemory {
    fn new(decoded: u64, answers: u64) -> RequestMemory {
        RequestMemory {
            decoded: MemoryBudget::new(decoded),
            bytes: MemoryBudget::new(answers),
            cold_bytes: MemoryBudget::new(answers),
            cold_fetches: MemoryBudget::new(COLD_FETCHES_MAX),
        }
    }
}

impl Admission {
    pub fn new(config: AdmissionConfig) -> Admission {
        Admission {
            frames: MemoryBudget::new(config.frames_bytes),
            reserve: MemoryBudget::new(config.reserve_bytes),
            requests: RequestMemory::new(config.decoded_bytes, config.answers_bytes),
        }
    }

    /// Largest frame that fits; a larger one would break the budget, however long it waited.
    pub fn frame_len_max(&self) -> usize {
        self.frames.capacity()
    }

    /// Memory for a frame of `len` bytes; waits until it is there.
    pub async fn admit(&self, key: FrameKey, len: usize) -> Permit {
        let held_back = matches!(key, FrameKey::Kafka(ApiKey::Produce | ApiKey::Fetch));
        if held_back || len > SMALL_FRAME_MAX.min(self.reserve.capacity()) {
            self.frames.acquire(len).await
        } else {
            self.reserve.acquire(len).await
        }
    }

    /// Shows every few seconds how many bytes of frames are taken, until the process stops.
    pub fn spawn_gauge(&self, env: &Env, gauge: Gauge) {
        let (frames, reserve, task_env) = (self.frames.clone(), self.reserve.clone(), env.clone());
        env.tasks.spawn(TaskKind::Sweep, async move {
            let taken = |pool: &MemoryBudget| pool.capacity() - pool.available();
            let mut stopping = std::pin::pin!(task_env.tasks.stopping());
            loop {
                gauge.set((taken(&frames) + taken(&reserve)) as f64);
                tokio::select! {
                    biased;
                    () = &mut stopping => return,
                    () = task_env.clock.sleep(GAUGE_INTERVAL) => {}
                }
            }
        });
    }

    pub fn frames(&self) -> &MemoryBudget {
        &self.frames
    }

    pub fn requests(&self) -> &RequestMemory {
        &self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(api: ApiKey) -> FrameKey {
        FrameKey::Kafka(api)
    }

    #[tokio::test]
    async fn a_full_budget_holds_back_produce_and_fetch_but_no_heartbeat() {
        let admission = Admission::new(AdmissionConfig {
            frames_bytes: 1000,
            decoded_bytes: 1000,
            answers_bytes: 1000,
            reserve_bytes: 1000,
        });
        let full = admission.admit(kafka(ApiKey::Produce), 1000).await;
        let mut produce = Box::pin(admission.admit(kafka(ApiKey::Produce), 1));
        let mut fetch = Box::pin(admission.admit(kafka(ApiKey::Fetch), 1));
        assert!(futures::poll!(&mut produce).is_pending());
        assert!(futures::poll!(&mut fetch).is_pending());
        drop(admission.admit(kafka(ApiKey::Heartbeat), 100).await);
        drop(full);
        assert!(futures::poll!(&mut produce).is_ready());
    }
}
