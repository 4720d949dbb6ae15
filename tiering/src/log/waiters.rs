//! Who wants to know that a partition changed: long-polling fetches.

use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

/// Wakes one waiting fetch; shared by all partitions it asks for.
pub type Waker = Arc<Notify>;

/// The list of one partition.
#[derive(Default)]
pub struct Waiters {
    list: Arc<Mutex<Vec<(u64, Waker)>>>,
    next: std::sync::atomic::AtomicU64,
}

/// Leaves the list when dropped, so that a fetch that timed out leaves nothing behind.
pub struct Waiting {
    list: Weak<Mutex<Vec<(u64, Waker)>>>,
    id: u64,
}

impl Waiters {
    pub fn join(&self, waker: &Waker) -> Waiting {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.lock().push((id, waker.clone()));
        Waiting {
            list: Arc::downgrade(&self.list),
            id,
        }
    }

    pub fn wake_all(&self) {
        for (_, waker) in self.lock().iter() {
            waker.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Waker)>> {
        self.list.lock().expect("no code panics under this lock")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(list) = self.list.upgrade() {
            let mut list = list.lock().expect("no code panics under this lock");
            if let Some(i) = list.iter().position(|(id, _)| *id == self.id) {
                list.swap_remove(i);
            }
        }
    }
}
