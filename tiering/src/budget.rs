//! The byte budget: memory for what is in flight (frames, write-ahead buffers) is asked for first.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A pool of bytes. Clones share it.
#[derive(Clone)]
pub struct MemoryBudget {
    pool: Arc<Semaphore>,
    capacity: u32,
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    bytes: OwnedSemaphorePermit,
}

impl Permit {
    /// Gives back what it holds above `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let excess = self.bytes.num_permits().saturating_sub(bytes);
        drop(self.bytes.split(excess));
    }
}

impl MemoryBudget {
    /// A budget of `capacity` bytes, at most 4 GiB − 1.
    pub fn new(capacity: u64) -> MemoryBudget {
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX).max(1);
        MemoryBudget {
            pool: Arc::new(Semaphore::new(capacity as usize)),
            capacity,
        }
    }

    /// Waits, first come first served, until `bytes` are free. More than the whole budget counts as
    /// the whole budget, so that no request waits for ever.
    pub async fn acquire(&self, bytes: usize) -> Permit {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let permit = self.pool.clone().acquire_many_owned(wanted).await;
        Permit {
            bytes: permit.expect("the semaphore is never closed"),
        }
    }

    /// `None` when not all of `bytes` are free now, or others wait for them already.
    pub fn try_acquire(&self, bytes: usize) -> Option<Permit> {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let permit = self.pool.clone().try_acquire_many_owned(wanted).ok()?;
        Some(Permit { bytes: permit })
    }

    /// Bytes that nobody holds.
    pub fn available(&self) -> usize {
        self.pool.available_permits()
    }

    /// Bytes in all.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_return_when_the_permit_is_dropped() {
        let budget = MemoryBudget::new(100);
        let permit = budget.acquire(60).await;
        assert_eq!(budget.available(), 40);
        let mut second = Box::pin(budget.acquire(50));
        assert!(futures::poll!(&mut second).is_pending());
        drop(permit);
        let second = second.await;
        assert_eq!(budget.available(), 50);
        drop(second);
        assert!(budget.try_acquire(101).is_some(), "as much as there is");
        let mut all = budget.acquire(1_000_000).await;
        assert!(budget.try_acquire(1).is_none());
        all.shrink(30);
        assert_eq!(budget.available(), 70);
        all.shrink(50);
        assert_eq!(budget.available(), 70);
        drop(all);
        assert_eq!(budget.available(), 100);
    }
}
