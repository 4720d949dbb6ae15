//! Newtypes for the integers of the Kafka protocol that travel through signatures.

use std::fmt;

/// Position of a record in a partition. Whether a value is inclusive or exclusive is in its name:
/// `offset_last` is inclusive, `offset_next` and `…_end` are exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// Kafka's leader epoch of a partition; grows with each change of its owner, starting at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

/// Id of an idempotent or transactional producer, ≥ 0, unique in a cluster for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

/// Generation of a producer id, ≥ 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

/// Number of a partition within its topic, ≥ 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionIndex(pub i32);

/// Kafka's UUID: 16 bytes, big endian on the wire; as text URL-safe base64 without padding (22
/// characters).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// "No id": the default on the wire.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// Reserved by Kafka for its own metadata topic.
    pub const METADATA_TOPIC: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Parses the 22-character text form. `None` when the text is anything else, also when the
    /// four unused low bits of the last character are set.
    pub fn parse(text: &str) -> Option<Uuid> {
        let text = text.as_bytes();
        if text.len() != 22 {
            return None;
        }
        let mut bits: u32 = 0;
        let mut bit_count = 0;
        let mut out = [0u8; 16];
        let mut filled = 0;
        for &c in text {
            let value = BASE64_URL.iter().position(|&b| b == c)? as u32;
            bits = (bits << 6) | value;
            bit_count += 6;
            if bit_count >= 8 {
                bit_count -= 8;
                if filled < 16 {
                    out[filled] = (bits >> bit_count) as u8;
                    filled += 1;
                }
                bits &= (1 << bit_count) - 1;
            }
        }
        (bits == 0).then_some(Uuid(out))
    }

    pub fn is_zero(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 22];
        for (i, c) in text.iter_mut().enumerate() {
            let bit = i * 6;
            let high = u16::from(self.0[bit / 8]) << 8;
            let low = u16::from(*self.0.get(bit / 8 + 1).unwrap_or(&0));
            let index = ((high | low) >> (10 - bit % 8)) & 0x3f;
            *c = BASE64_URL[usize::from(index)];
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! display_as_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}
display_as_number!(
    Offset,
    LeaderEpoch,
    ProducerId,
    ProducerEpoch,
    PartitionIndex
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_round_trips() {
        let id = Uuid([
            0xff, 0x01, 0x80, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xfe,
        ]);
        let text = id.to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(Uuid::parse(&text), Some(id));
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(
            Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ"),
            Some(Uuid::METADATA_TOPIC)
        );
    }

    #[test]
    fn uuid_text_of_another_form_is_refused() {
        for bad in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAA+Q",
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
    }
}
