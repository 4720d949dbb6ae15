//! The protobuf messages of the formats: bytes only. Typed values and checks are with each format.
//!
//! The published description is tiering/proto/*.proto; a test compares it with these structs.

mod checkpoint;
mod object;

pub use self::{checkpoint::*, object::*};
