//! Everything ambient that a broker needs, as values that are passed in: time, randomness, tasks.
//!
//! Production passes the system's; tests and the simulator pass their own. Nothing else in the
//! workspace may read a clock, draw randomness or spawn (clippy.toml enforces it).

mod system;
mod tasks;
pub mod testing;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

pub use system::{SystemClock, SystemRand};
pub use tasks::{TaskKind, Tasks};
use weir_protocol::types::Uuid;

use crate::ids::{ProcessId, PutId};

/// Time. `wall_ms` is for timestamps that people see and never compared between machines; `boot` is
/// monotonic, goes on while the machine sleeps, and is for leases and time-outs.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC.
    fn wall_ms(&self) -> i64;
    /// Time since an arbitrary start of this process's choosing (CLOCK_BOOTTIME).
    fn boot(&self) -> Duration;
    /// Completes after `duration` of `boot` time.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Randomness.
pub trait Rand: Send + Sync + 'static {
    fn fill(&self, out: &mut [u8]);
}

/// What every part of a broker carries: cheap to clone.
#[derive(Clone)]
pub struct Env {
    pub clock: Arc<dyn Clock>,
    pub rand: Arc<dyn Rand>,
    pub tasks: Tasks,
}

impl Env {
    /// The operating system's clock and randomness, and a fresh task table.
    pub fn system() -> Env {
        Env {
            clock: Arc::new(SystemClock),
            rand: Arc::new(SystemRand),
            tasks: Tasks::default(),
        }
    }

    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.rand.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A random UUID that is none of Kafka's reserved ones and whose text does not begin with '-'.
    pub fn new_uuid(&self) -> Uuid {
        loop {
            let mut bytes = [0; 16];
            self.rand.fill(&mut bytes);
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            let id = Uuid(bytes);
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }

    pub fn new_process_id(&self) -> ProcessId {
        ProcessId(self.new_uuid())
    }

    pub fn new_put_id(&self) -> PutId {
        let mut bytes = [0; 16];
        self.rand.fill(&mut bytes);
        PutId(bytes)
    }

    /// `Err(Elapsed)` when `future` has not completed after `limit`; the future is dropped then.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.clock.sleep(limit) => Err(Elapsed),
        }
    }
}

/// A time limit passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;
