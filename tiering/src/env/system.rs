//! The operating system's clock and randomness.

use std::{future::Future, pin::Pin, time::Duration};

use rustix::{
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, Timespec, clock_gettime},
};

use super::{Clock, Rand};

/// CLOCK_REALTIME and CLOCK_BOOTTIME.
///
/// A sleep counts on CLOCK_MONOTONIC: on a machine that was suspended it completes late by `boot`,
/// never early, so a caller with a lease compares [`Clock::boot`] when it wakes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    fn boot(&self) -> Duration {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
        Duration::new(
            u64::try_from(tv_sec).expect("CLOCK_BOOTTIME starts at 0"),
            u32::try_from(tv_nsec).expect("nanoseconds stay below a second"),
        )
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the real clock behind Clock::sleep"
    )]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// getrandom(2), which blocks until the kernel's pool is seeded.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRand;

impl Rand for SystemRand {
    fn fill(&self, out: &mut [u8]) {
        let mut filled = 0;
        while filled < out.len() {
            match getrandom(&mut out[filled..], GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("the kernel gives no randomness: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_and_randomness_differs() {
        let clock = SystemClock;
        let before = clock.boot();
        assert!(clock.wall_ms() > 1_600_000_000_000);
        assert!(clock.boot() >= before);
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemRand.fill(&mut a);
        SystemRand.fill(&mut b);
        assert_ne!(a, b);
        SystemRand.fill(&mut []);
    }
}
