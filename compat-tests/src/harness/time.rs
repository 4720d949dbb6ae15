//! Real time and real threads: the one place of this crate that takes them from the system.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often a condition is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(5);

#[expect(
    clippy::disallowed_methods,
    reason = "black-box tests and the benchmark measure real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970-01-01 UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "record timestamps of the test clients are real"
)]
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("before the year 292 million")
}

/// A named thread. Every caller joins it, or bounds it by a time limit of its own.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("the system has threads left")
}

/// Looks at `condition` until it yields a value; `None` after `limit`.
pub fn poll_for<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if now() >= end {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// A point in time that bounds a loop.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(limit: Duration) -> Deadline {
        Deadline(now() + limit)
    }

    pub fn passed(self) -> bool {
        now() >= self.0
    }

    /// Zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }
}
