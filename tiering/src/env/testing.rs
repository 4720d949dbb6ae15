//! Time and randomness that a test or a simulator owns.
//!
//! [`VirtualClock`] follows tokio's time, so that a runtime with paused time jumps to the next timer
//! when nothing else can run; [`ManualClock`] stands still until somebody advances it. [`SeededRand`]
//! gives the same bytes for the same seed and the same order of calls.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Clock, Env, Rand, Tasks};

/// Where the wall clock of tests begins: 2024-01-01 00:00:00 UTC.
pub const WALL_START_MS: i64 = 1_704_067_200_000;

/// An environment on tokio's time and seeded randomness. Call it inside the runtime.
pub fn env(seed: u64) -> Env {
    Env {
        clock: Arc::new(VirtualClock::default()),
        rand: Arc::new(SeededRand::new(seed)),
        tasks: Tasks::default(),
    }
}

/// tokio's time: real, or virtual in a runtime with `start_paused`.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    start: tokio::time::Instant,
}

impl Default for VirtualClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a simulator pauses tokio's own time; this is where it enters"
    )]
    fn default() -> VirtualClock {
        VirtualClock {
            start: tokio::time::Instant::now(),
        }
    }
}

impl Clock for VirtualClock {
    fn wall_ms(&self) -> i64 {
        WALL_START_MS + i64::try_from(self.boot().as_millis()).expect("tests end before that")
    }

    fn boot(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a simulator pauses tokio's own time; this is where it enters"
    )]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only by [`ManualClock::advance`]. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug, Default)]
struct Manual {
    now: Duration,
    wall_shift_ms: i64,
    next_sleeper: u64,
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// Moves the time and completes every sleep that is due, in the order of their ends.
    pub fn advance(&self, by: Duration) {
        let mut manual = self.0.lock().expect("no panic inside");
        manual.now += by;
        let now = manual.now;
        let later = manual.sleepers.split_off(&(now, u64::MAX));
        for (_, sleeper) in std::mem::replace(&mut manual.sleepers, later) {
            // The sleeper may have been dropped.
            let _ = sleeper.send(());
        }
    }

    /// Moves the wall clock alone, forwards or backwards, as an administrator might.
    pub fn shift_wall(&self, by_ms: i64) {
        self.0.lock().expect("no panic inside").wall_shift_ms += by_ms;
    }

    /// How many sleeps wait.
    pub fn sleepers(&self) -> usize {
        let manual = self.0.lock().expect("no panic inside");
        manual.sleepers.values().filter(|s| !s.is_closed()).count()
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        let manual = self.0.lock().expect("no panic inside");
        let boot_ms = i64::try_from(manual.now.as_millis()).expect("tests end before that");
        WALL_START_MS + manual.wall_shift_ms + boot_ms
    }

    fn boot(&self) -> Duration {
        self.0.lock().expect("no panic inside").now
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (wake, woken) = oneshot::channel();
        let mut manual = self.0.lock().expect("no panic inside");
        if duration.is_zero() {
            return Box::pin(std::future::ready(()));
        }
        let id = manual.next_sleeper;
        manual.next_sleeper += 1;
        let end = manual.now.saturating_add(duration);
        manual.sleepers.insert((end, id), wake);
        let clock = self.clone();
        Box::pin(async move {
            if woken.await.is_err() {
                // Only when the clock itself is gone, and it is held here.
                drop(clock);
                std::future::pending::<()>().await;
            }
        })
    }
}

/// splitmix64 over a counter: lock-free, and the same sequence for the same seed.
#[derive(Debug)]
pub struct SeededRand(AtomicU64);

impl SeededRand {
    pub fn new(seed: u64) -> SeededRand {
        SeededRand(AtomicU64::new(seed))
    }

    pub fn next_u64(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self
            .0
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Rand for SeededRand {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A number below `bound` (> 0) from any source; the bias is below 2⁻³² for small bounds.
pub fn below(rand: &dyn Rand, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    rand.fill(&mut bytes);
    let wide = u128::from(u64::from_le_bytes(bytes)) * u128::from(bound);
    (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn manual_clock_wakes_sleepers_that_are_due_and_no_other() {
        let clock = ManualClock::default();
        let mut short = clock.sleep(Duration::from_millis(10));
        let mut long = clock.sleep(Duration::from_millis(11));
        assert_eq!(clock.sleepers(), 2);
        clock.advance(Duration::from_millis(10));
        tokio::select! { biased; () = &mut long => panic!("too early"), () = &mut short => {} }
        assert_eq!((clock.sleepers(), clock.boot().as_millis()), (1, 10));
        clock.advance(Duration::from_millis(1));
        long.await;
        clock.sleep(Duration::ZERO).await;
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let bytes = |seed| {
            let mut out = [0; 21];
            SeededRand::new(seed).fill(&mut out);
            out
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
        let rand = SeededRand::new(1);
        assert!((0..1000).all(|_| below(&rand, 3) < 3));
    }
}
