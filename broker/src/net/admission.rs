//! Who gets memory for a frame: the byte budget and its reserve (design §7).
//!
//! A full budget holds back Produce bodies and new Fetch work only. Small frames of all other APIs
//! come from a reserve of their own, so that groups keep their sessions while producers wait.

use weir_protocol::api_key::ApiKey;
use weir_tiering::budget::{MemoryBudget, Permit};

use super::frame::FrameKey;

/// Frames up to this size may use the reserve.
const SMALL_FRAME_MAX: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct AdmissionConfig {
    /// Bytes for frames in flight, write-ahead buffers and answers being read from the store.
    pub budget_bytes: u64,
    /// Bytes for small frames of other APIs.
    pub reserve_bytes: u64,
}

#[derive(Clone)]
pub struct Admission {
    budget: MemoryBudget,
    reserve: MemoryBudget,
}

impl Admission {
    pub fn new(config: AdmissionConfig) -> Admission {
        Admission {
            budget: MemoryBudget::new(config.budget_bytes),
            reserve: MemoryBudget::new(config.reserve_bytes),
        }
    }

    /// Memory for a frame of `len` bytes; waits until it is there.
    pub async fn admit(&self, key: FrameKey, len: usize) -> Permit {
        let held_back = matches!(key, FrameKey::Kafka(ApiKey::Produce | ApiKey::Fetch));
        if held_back || len > SMALL_FRAME_MAX {
            self.budget.acquire(len).await
        } else {
            self.reserve.acquire(len).await
        }
    }

    pub fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    pub fn reserve(&self) -> &MemoryBudget {
        &self.reserve
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
            budget_bytes: 1000,
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
