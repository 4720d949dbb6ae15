//! Free ports on loopback, outside the range from which the system takes ports of outgoing
//! connections, so that a restart on the same port finds it free.

use std::{net::TcpListener, ops::Range};

use super::random::Random;

const RANGE: Range<u64> = 15_000..32_000;

/// A port of 127.0.0.1 that nobody listens on now.
pub fn free_port() -> u16 {
    let mut random = Random::new(Random::fresh_seed());
    for _ in 0..1000 {
        let port = RANGE.start + random.below(RANGE.end - RANGE.start);
        let port = u16::try_from(port).expect("the range ends below 65,536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {RANGE:?} on 127.0.0.1");
}
