//! Record batches, format version 2 (magic 2): Kafka's unit of produce, storage and fetch.
//!
//! Owns: the 61-byte header (`header`), batches and patching them (`batch`), the records inside (`record`,
//! `varint`), the codecs (`compression`), what a broker checks before it accepts a batch
//! (`validate`, `batch_error`), building batches (`builder`, `control`), changing the codec
//! (`recompress`) and finding records by time (`time_lookup`).
//! Does not own: offsets, producer state, error codes: callers map `BatchError` and assign.
//! Invariant: no input makes this module panic, or allocate more than the caller's cap plus what
//! the input itself justifies. Older formats (magic 0 and 1) are recognised and refused: since
//! Kafka 4.0 no client can produce them (KIP-724).

pub mod batch;
mod batch_error;
pub mod builder;
pub mod compression;
pub mod control;
pub mod header;
pub mod recompress;
pub mod record;
pub mod time_lookup;
pub mod validate;
pub mod varint;

pub use batch::{BatchMut, BatchView, split_batches};
pub use batch_error::{BatchError, BatchErrorKind, RecordFault, RecordFaultKind, RecordFaults};
pub use builder::{BatchBuilder, control_batch};
pub use compression::{Codec, Compression, DecompressError};
pub use control::{ControlRecord, ControlType};
pub use header::{Attributes, BatchHeader, TimestampType};
pub use record::{Header, Headers, Record, RecordError, RecordIter};
pub use validate::{BatchLimits, ValidateMode, ValidatedBatch, validate_batch};
