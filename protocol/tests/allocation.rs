//! No bytes make a decoder allocate more than they justify.
//!
//! In a program of its own: the allocator that counts is global, and tests beside it would count.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "wire/vectors.rs"]
#[expect(dead_code, reason = "the suite `wire` needs the rest")]
mod vectors;

use bytes::Bytes;
use peak_alloc::PeakAlloc;
use vectors::{Check, Vector, dispatch, vectors};
use weir_protocol::message::Message;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What `Reader::new` allows for a frame, with what a vector takes while it grows.
fn allowed(frame_bytes: usize) -> usize {
    3 * (64 * 1024 + 32 * frame_bytes)
}

struct Bodies {
    bodies: Vec<Bytes>,
    largest: usize,
}

impl Check for Bodies {
    fn check<M: Message>(&mut self, vector: &Vector) {
        for body in &self.bodies {
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            let _either = M::from_bytes(body.clone(), vector.version);
            let taken = ALLOCATOR.peak_usage() - before;
            let what = format!("{} v{}, {taken} bytes", vector.name, vector.version);
            assert!(taken <= allowed(body.len()), "{what} of {:?}", &body[..8]);
            self.largest = self.largest.max(taken);
        }
    }
}

/// Long bodies of small numbers, which are valid lengths and counts of many things, and short ones
/// that declare two billion of everything.
fn bodies() -> Vec<Bytes> {
    let mut bodies = Vec::new();
    for byte in [0u8, 1, 2, 0x7f, 0xff] {
        bodies.push(Bytes::from(vec![byte; 64 * 1024]));
        bodies.push(Bytes::from(vec![byte; 9]));
    }
    for count in [0x0000_4000u32, 0x0001_0000, 0x7fff_ffff] {
        for fill in [0u8, 1] {
            let mut body = vec![fill; 128 * 1024];
            for start in 0..16 {
                body[start * 4..start * 4 + 4].copy_from_slice(&count.to_be_bytes());
            }
            bodies.push(Bytes::from(body));
        }
    }
    // The same as variable-length numbers.
    let mut body = vec![1; 128 * 1024];
    for start in 0..16 {
        body[start * 3..start * 3 + 3].copy_from_slice(&[0x80, 0x80, 0x02]);
    }
    bodies.push(Bytes::from(body));
    bodies
}

#[test]
fn memory_is_bounded_by_the_bytes_that_arrived() {
    let mut types = vectors();
    types.dedup_by(|a, b| a.name == b.name && a.version == b.version);
    assert!(types.len() > 600);
    let mut check = Bodies {
        bodies: bodies(),
        largest: 0,
    };
    for vector in &types {
        dispatch(&mut check, vector);
    }
    // Canary: some of the bodies do fill large vectors.
    assert!(check.largest > 1 << 20, "only {} bytes", check.largest);

    // Canary: what must not happen is seen.
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    drop(Vec::<u8>::with_capacity(64 << 20));
    assert!(ALLOCATOR.peak_usage() - before > allowed(128 * 1024));
}
