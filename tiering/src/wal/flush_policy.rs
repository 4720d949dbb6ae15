//! When the write-ahead buffer is cut into an object: a pure decision.
//!
//! The interval limits the *average* rate of puts by a token bucket, because a put costs money on S3
//! (design §7): at 100 ms and $0.005 per 1,000 PUTs a broker that never rests pays about $130 a
//! month. A local directory has interval 0: at once when nothing is in flight, else when a put
//! returns or after 2 ms.

use std::time::Duration;

/// A pause in arrivals after which a buffer of `early_bytes` leaves without a token.
const QUIET: Duration = Duration::from_millis(2);
/// Without an interval, how long a batch waits for a put that is in flight.
const LINGER: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushPolicy {
    /// Average time between puts; zero = as fast as the store answers.
    pub interval: Duration,
    /// Puts that may be made at once after a quiet time.
    pub burst: u32,
    /// A buffer of this many bytes leaves at once.
    pub bytes_max: usize,
    /// A buffer of this many bytes leaves without a token once nothing arrives for 2 ms.
    pub early_bytes: usize,
}

impl FlushPolicy {
    /// For a local directory: no price per put.
    pub fn local() -> FlushPolicy {
        FlushPolicy {
            interval: Duration::ZERO,
            burst: 1,
            bytes_max: 8 << 20,
            early_bytes: 1 << 20,
        }
    }
}

/// What the decision sees. Times are boot times.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub now: Duration,
    /// Bytes of the oldest buffer.
    pub bytes: usize,
    /// A newer buffer was begun already: this one is full.
    pub full: bool,
    /// When its first and its newest batch arrived.
    pub first_at: Duration,
    pub last_at: Duration,
    /// Coordinator records or markers wait in it.
    pub urgent: bool,
    pub in_flight: usize,
    /// Puts that returned since `first_at`.
    pub returned_since_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Cut,
    /// Nothing changes before this boot time unless something arrives or returns.
    Wait(Duration),
}

/// Tokens of the bucket; one is spent per put unless its bytes pay for it.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    count: u32,
    /// When the next one is due.
    next_at: Duration,
}

impl Tokens {
    pub fn full(policy: &FlushPolicy, now: Duration) -> Tokens {
        Tokens {
            count: policy.burst,
            next_at: now + policy.interval,
        }
    }

    fn refill(&mut self, policy: &FlushPolicy, now: Duration) {
        while self.count < policy.burst && self.next_at <= now {
            self.count += 1;
            self.next_at += policy.interval;
        }
        if self.count == policy.burst {
            self.next_at = now + policy.interval;
        }
    }

    fn spend(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

/// Cut the oldest buffer now, or when to look again. Spends a token when it cuts for the time's sake.
pub fn decide(policy: &FlushPolicy, tokens: &mut Tokens, view: &View) -> Decision {
    if view.full || view.bytes >= policy.bytes_max {
        return Decision::Cut;
    }
    if policy.interval.is_zero() {
        let at = view.first_at + LINGER;
        let cut = view.in_flight == 0 || view.returned_since_first || view.now >= at;
        return if cut {
            Decision::Cut
        } else {
            Decision::Wait(at)
        };
    }
    if view.bytes >= policy.early_bytes {
        let at = view.last_at + QUIET;
        if view.now >= at {
            return Decision::Cut;
        }
    }
    tokens.refill(policy, view.now);
    let wait = if view.urgent {
        policy.interval / 10
    } else {
        policy.interval
    };
    let waited = view.now >= view.first_at + wait;
    if (view.urgent && waited) || (tokens.count > 0 && (view.in_flight == 0 || waited)) {
        tokens.spend();
        return Decision::Cut;
    }
    let by_time = if tokens.count > 0 || view.urgent {
        view.first_at + wait
    } else {
        tokens.next_at
    };
    let early = (view.bytes >= policy.early_bytes).then_some(view.last_at + QUIET);
    Decision::Wait(early.map_or(by_time, |early| early.min(by_time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn view(now: u64) -> View {
        View {
            now: ms(now),
            bytes: 1_000,
            full: false,
            first_at: ms(1_000),
            last_at: ms(1_000),
            urgent: false,
            in_flight: 1,
            returned_since_first: false,
        }
    }

    #[test]
    fn a_directory_is_written_when_idle_on_return_or_after_two_milliseconds() {
        let policy = FlushPolicy::local();
        let mut tokens = Tokens::full(&policy, ms(0));
        assert_eq!(
            decide(&policy, &mut tokens, &view(1_000)),
            Decision::Wait(ms(1_002))
        );
        assert_eq!(decide(&policy, &mut tokens, &view(1_002)), Decision::Cut);
        assert_eq!(
            decide(
                &policy,
                &mut tokens,
                &View {
                    in_flight: 0,
                    ..view(1_000)
                }
            ),
            Decision::Cut
        );
        let returned = View {
            returned_since_first: true,
            ..view(1_000)
        };
        assert_eq!(decide(&policy, &mut tokens, &returned), Decision::Cut);
        assert_eq!(
            decide(
                &policy,
                &mut tokens,
                &View {
                    full: true,
                    ..view(1_000)
                }
            ),
            Decision::Cut
        );
    }

    #[test]
    fn the_interval_bounds_the_average_rate_and_a_burst_is_free() {
        let policy = FlushPolicy {
            interval: ms(100),
            burst: 3,
            ..FlushPolicy::local()
        };
        let mut tokens = Tokens::full(&policy, ms(1_000));
        let idle = |now| View {
            in_flight: 0,
            first_at: ms(now),
            last_at: ms(now),
            ..view(now)
        };
        for _ in 0..3 {
            assert_eq!(decide(&policy, &mut tokens, &idle(1_000)), Decision::Cut);
        }
        assert_eq!(
            decide(&policy, &mut tokens, &idle(1_000)),
            Decision::Wait(ms(1_100))
        );
        assert_eq!(
            decide(
                &policy,
                &mut tokens,
                &View {
                    now: ms(1_100),
                    ..idle(1_000)
                }
            ),
            Decision::Cut
        );
        let cuts = (0..1_000u64)
            .filter(|i| decide(&policy, &mut tokens, &idle(2_000 + i)) == Decision::Cut)
            .count();
        assert!(
            (10..=13).contains(&cuts),
            "{cuts} puts in a second at 10/s and a burst of 3"
        );
    }

    #[test]
    fn a_large_buffer_leaves_without_a_token_once_arrivals_pause() {
        let policy = FlushPolicy {
            interval: ms(100),
            burst: 1,
            ..FlushPolicy::local()
        };
        let mut tokens = Tokens::full(&policy, ms(1_000));
        assert_eq!(
            decide(
                &policy,
                &mut tokens,
                &View {
                    in_flight: 0,
                    ..view(1_000)
                }
            ),
            Decision::Cut
        );
        let large = View {
            bytes: 1 << 20,
            last_at: ms(1_010),
            ..view(1_011)
        };
        assert_eq!(
            decide(&policy, &mut tokens, &large),
            Decision::Wait(ms(1_012))
        );
        assert_eq!(
            decide(
                &policy,
                &mut tokens,
                &View {
                    now: ms(1_012),
                    ..large
                }
            ),
            Decision::Cut
        );
        let small = View {
            now: ms(1_012),
            bytes: 1_000,
            ..large
        };
        assert_eq!(
            decide(&policy, &mut tokens, &small),
            Decision::Wait(ms(1_100))
        );
    }

    #[test]
    fn coordinator_records_leave_after_a_tenth_of_the_interval() {
        let policy = FlushPolicy {
            interval: ms(100),
            burst: 1,
            ..FlushPolicy::local()
        };
        let mut tokens = Tokens {
            count: 0,
            next_at: ms(2_000),
        };
        let urgent = View {
            urgent: true,
            ..view(1_009)
        };
        assert_eq!(
            decide(&policy, &mut tokens, &urgent),
            Decision::Wait(ms(1_010))
        );
        assert_eq!(
            decide(
                &policy,
                &mut tokens,
                &View {
                    now: ms(1_010),
                    ..urgent
                }
            ),
            Decision::Cut
        );
    }
}
