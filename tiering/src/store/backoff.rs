//! Growing pauses between repeats.

use std::time::Duration;

use crate::env::Env;

/// Doubles from `FIRST` to `LONGEST`; each pause is drawn from its upper half, so that many
/// repeaters spread.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    pauses: u32,
}

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

impl Backoff {
    /// The next pause.
    pub fn next(&mut self, env: &Env) -> Duration {
        let full = FIRST.saturating_mul(1 << self.pauses.min(16)).min(LONGEST);
        self.pauses = self.pauses.saturating_add(1);
        let part = (env.random_u64() >> 32) as f64 / (1u64 << 32) as f64;
        full.mul_f64(0.5 + part / 2.0)
    }

    /// Pauses taken so far.
    pub fn pauses(&self) -> u32 {
        self.pauses
    }
}
