//! The records of the benchmark: 1 KiB each, half random hex, half JSON-like text, no two alike.

use weir_compat_tests::harness::random::Random;

pub const RECORD_BYTES: usize = 1024;
/// How many different records there are: 64 MiB, more than any codec's or cache's window.
const POOL: usize = 65_536;
/// Of an lz4 block over consecutive records.
pub const LZ4_RATIO: std::ops::RangeInclusive<f64> = 0.45..=0.65;

pub struct Payload {
    bytes: Vec<u8>,
}

impl Payload {
    pub fn new(seed: u64) -> Payload {
        let mut random = Random::new(seed);
        let mut bytes = Vec::with_capacity(POOL * RECORD_BYTES);
        for number in 0..POOL {
            let start = bytes.len();
            push_hex(&mut random, &mut bytes, RECORD_BYTES / 2);
            while bytes.len() < start + RECORD_BYTES {
                push_json(&mut random, &mut bytes, number);
            }
            bytes.truncate(start + RECORD_BYTES);
        }
        Payload { bytes }
    }

    /// Record `number`, repeating after the pool's size.
    pub fn record(&self, number: usize) -> &[u8] {
        let start = number % POOL * RECORD_BYTES;
        &self.bytes[start..start + RECORD_BYTES]
    }

    /// Compressed size over size of the first MiB.
    pub fn lz4_ratio(&self) -> f64 {
        let sample = &self.bytes[..1 << 20];
        lz4_flex::block::compress(sample).len() as f64 / sample.len() as f64
    }
}

fn push_hex(random: &mut Random, out: &mut Vec<u8>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = random.bytes(len / 2).into_iter();
    out.extend(digits.flat_map(|byte| {
        [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]
    }));
}

fn push_json(random: &mut Random, out: &mut Vec<u8>, number: usize) {
    const WORDS: [&str; 8] = [
        "order",
        "shipped",
        "cancelled",
        "payment",
        "customer",
        "warehouse",
        "refund",
        "invoice",
    ];
    let mut word = || WORDS[random.below(8) as usize];
    let (kind, state) = (word(), word());
    let text = format!(
        "{{\"id\":{number},\"kind\":\"{kind}\",\"state\":\"{state}\",\"channel\":\"web\",\"amount\":{},\"currency\":\"EUR\"}}",
        random.below(10_000),
    );
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_differ_and_compress_as_promised() {
        let payload = Payload::new(1);
        assert_ne!(payload.record(0), payload.record(1));
        assert_eq!(payload.record(3).len(), RECORD_BYTES);
        let ratio = payload.lz4_ratio();
        assert!(LZ4_RATIO.contains(&ratio), "{ratio}");
    }
}
