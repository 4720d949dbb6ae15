//! How fast batches are validated and patched: MB of uncompressed records per second, and
//! nanoseconds per record. `cargo bench -p weir-protocol --bench validate_batch`; takes some seconds.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the real clock"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use weir_protocol::records::{
    BatchBuilder, BatchLimits, BatchMut, Codec, TimestampType, ValidateMode, validate_batch,
};
use weir_protocol::types::{LeaderEpoch, Offset};

const NOW: i64 = 1_700_000_000_000;
const BATCH_BYTES: usize = 1 << 20;
const PER_CASE: Duration = Duration::from_millis(700);

/// Text-like: half random letters, half repetition, so that codecs have realistic work.
fn value(len: usize, seed: &mut u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        out.extend(seed.to_le_bytes().map(|b| b'a' + b % 26));
        out.extend_from_slice(b"\"field\":");
    }
    out.truncate(len);
    out
}

fn batch(codec: Codec, record_bytes: usize) -> (Vec<u8>, usize) {
    let mut builder = BatchBuilder::new(codec);
    let mut seed = 88_172_645_463_325_252;
    while builder.uncompressed_bytes() < BATCH_BYTES {
        let value = value(record_bytes, &mut seed);
        builder.append(NOW, Some(b"key-0001"), Some(&value));
    }
    let bytes = builder.uncompressed_bytes();
    (builder.build().expect("a batch of one MiB"), bytes)
}

/// Runs `once` for [`PER_CASE`] and returns the seconds per call.
fn seconds_per_call(mut once: impl FnMut()) -> f64 {
    once();
    let start = Instant::now();
    let mut calls = 0u32;
    while start.elapsed() < PER_CASE {
        once();
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn main() {
    println!(
        "{:<34} {:>9} {:>11}",
        "1 MiB of records", "MB/s", "ns/record"
    );
    let mut limits = BatchLimits {
        max_message_bytes: 2 * BATCH_BYTES,
        message_timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compacted: false,
        now_ms: NOW,
        mode: ValidateMode::Full,
        decompressed_cap_bytes: 64 << 20,
    };
    for record_bytes in [1024, 100] {
        for codec in Codec::ALL {
            let (mut bytes, uncompressed) = batch(codec, record_bytes);
            let mut records = 0;
            let mut run = |name: &str, limits: &BatchLimits| {
                let seconds = seconds_per_call(|| {
                    let valid = validate_batch(black_box(&bytes), 9, limits).expect("valid");
                    records = valid.record_count;
                    let mut batch = BatchMut::parse(&mut bytes).expect("whole");
                    valid.patch(&mut batch, Offset(0), LeaderEpoch(1));
                });
                let rate = uncompressed as f64 / 1e6 / seconds;
                let each = seconds * 1e9 / f64::from(records);
                let name = format!("{record_bytes} B, {codec}, {name}");
                println!("{name:<34} {rate:>9.0} {each:>11.1}");
            };
            limits.mode = ValidateMode::Full;
            run("full", &limits);
            limits.mode = ValidateMode::HeaderOnly;
            if codec == Codec::Lz4 {
                run("header only", &limits);
            }
        }
    }
}
