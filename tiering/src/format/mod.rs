//! Formats of the objects in the bucket (design §5): little-endian, absolute u64 positions, CRC32C
//! on everything.

pub mod envelope;
