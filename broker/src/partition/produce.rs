//! One produced batch: from the bytes of a request to its place in the write-ahead buffer.
//!
//! Owns: validation by the topic's settings, recompression, timestamps. Does not own: offsets and
//! sequences (`PartitionLog::append`), the answer (`api::produce`).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use weir_protocol::{
    error_code::ErrorCode,
    records::{
        BatchError, BatchLimits, BatchMut, BatchView, TimestampType, ValidateMode, ValidatedBatch,
        recompress::recompress, validate_batch,
    },
    types::ProducerId,
};
use weir_tiering::{
    budget::Permit,
    ids::Slot,
    log::{AppendBatch, AppendError, Appended, PartitionLog, Sequenced},
};

use super::Topic;
use crate::{
    api::RequestContext,
    config::{self, ProduceValidate},
    error_code::KafkaError,
};

/// Records of one batch may decompress to an eighth of the memory budget, within these bounds; a batch
/// that exceeds it is too large. (Kafka has no limit, and dies of a batch that is made to kill it.)
const DECOMPRESSED_BOUNDS: (u64, u64) = (32 << 20, 256 << 20);

/// A batch that was appended or found to be a duplicate.
pub struct ProduceOutcome {
    pub log: Arc<PartitionLog>,
    pub appended: Appended,
    /// -1 unless the topic has LogAppendTime.
    pub log_append_time_ms: i64,
}

/// A batch of which nothing was stored.
#[derive(Debug)]
pub struct ProduceRefused {
    pub error: KafkaError,
    /// Index in the batch and message (KIP-467).
    pub record_errors: Vec<(i32, String)>,
    /// The refusal may leave only once this slot is committed.
    pub after: Option<Slot>,
}

impl ProduceRefused {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ProduceRefused {
        ProduceRefused {
            error: KafkaError::new(code, message),
            record_errors: Vec::new(),
            after: None,
        }
    }
}

impl From<BatchError> for ProduceRefused {
    fn from(error: BatchError) -> ProduceRefused {
        let record_errors = error
            .record_faults()
            .iter()
            .map(|fault| (fault.index, fault.kind.to_string()))
            .collect();
        ProduceRefused {
            record_errors,
            error: KafkaError::from(&error),
            after: None,
        }
    }
}

impl From<AppendError> for ProduceRefused {
    fn from(error: AppendError) -> ProduceRefused {
        let after = match error {
            AppendError::Sequence { after, .. } => after,
            _ => None,
        };
        ProduceRefused {
            error: KafkaError::from(&error),
            record_errors: Vec::new(),
            after,
        }
    }
}

/// Validates `records` and appends them. Not durable on return: see [`Appended::slot`].
pub fn produce_batch(
    ctx: &RequestContext,
    topic: &Topic,
    log: &Arc<PartitionLog>,
    records: Bytes,
    permit: Option<Arc<Permit>>,
) -> Result<ProduceOutcome, ProduceRefused> {
    let now_ms = ctx.env.clock.wall_ms();
    let limits = limits(ctx, topic, now_ms);
    let valid = validate_batch(&records, ctx.version, &limits)?;
    if valid.header.attributes.is_transactional() {
        return Err(no_transactions());
    }
    let bytes = stored_form(topic, &records, &valid, limits.decompressed_cap_bytes)?;
    let offset_count = valid.header.last_offset_delta as u32 + 1;
    let batch = AppendBatch {
        bytes,
        record_count: valid.record_count as u32,
        offset_count,
        max_timestamp: valid.max_timestamp,
        sequenced: sequenced(&valid),
        permit,
    };
    let stored_len = batch.bytes.len() as u64;
    let appended = log.append(&ctx.wal, batch, now_ms)?;
    if !appended.duplicate {
        ctx.metrics.serving.produced_bytes.increment(stored_len);
    }
    Ok(ProduceOutcome {
        log: log.clone(),
        appended,
        log_append_time_ms: match valid.timestamp_type {
            TimestampType::LogAppendTime => appended.max_timestamp,
            TimestampType::CreateTime => -1,
        },
    })
}

fn limits(ctx: &RequestContext, topic: &Topic, now_ms: i64) -> BatchLimits {
    let config = &topic.config;
    BatchLimits {
        max_message_bytes: config.message_bytes_max as usize,
        message_timestamp_type: match config.timestamp_type {
            config::TimestampType::CreateTime => TimestampType::CreateTime,
            config::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.timestamp_before_max_ms,
        timestamp_after_max_ms: config.timestamp_after_max_ms,
        compacted: config.cleanup_policy.compact,
        now_ms,
        mode: match ctx.config.produce_validate {
            ProduceValidate::Full => ValidateMode::Full,
            ProduceValidate::Header => ValidateMode::HeaderOnly,
        },
        decompressed_cap_bytes: decompressed_max(ctx.config.memory_bytes),
    }
}

fn decompressed_max(memory_bytes: u64) -> usize {
    let (min, max) = DECOMPRESSED_BOUNDS;
    usize::try_from((memory_bytes / 8).clamp(min, max)).unwrap_or(usize::MAX)
}

/// Until transactions are served, a batch that would need one is refused with an error that no
/// client retries.
pub fn no_transactions() -> ProduceRefused {
    ProduceRefused::new(
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        "this broker does not serve transactions yet; use an idempotent producer without transactional.id",
    )
}

/// The bytes that are stored, except for base offset and leader epoch.
fn stored_form(
    topic: &Topic,
    records: &Bytes,
    valid: &ValidatedBatch,
    decompressed_max: usize,
) -> Result<BytesMut, ProduceRefused> {
    let mut bytes = match topic.config.compression.target() {
        Some(target) if target.codec != valid.codec => {
            let view = BatchView::parse(records).map_err(|error| {
                ProduceRefused::new(ErrorCode::CORRUPT_MESSAGE, error.to_string())
            })?;
            let rebuilt = recompress(&view, target, decompressed_max).map_err(|error| {
                ProduceRefused::new(ErrorCode::INVALID_RECORD, error.to_string())
            })?;
            let max = topic.config.message_bytes_max as usize;
            if rebuilt.len() > max {
                return Err(BatchError::TooLarge {
                    size_bytes: rebuilt.len(),
                    max_bytes: max,
                }
                .into());
            }
            BytesMut::from(&rebuilt[..])
        }
        _ => BytesMut::from(&records[..]),
    };
    if valid.needs_crc_rewrite {
        let mut batch = BatchMut::parse(&mut bytes)
            .map_err(|error| ProduceRefused::new(ErrorCode::CORRUPT_MESSAGE, error.to_string()))?;
        batch.set_timestamps(valid.timestamp_type, valid.max_timestamp);
    }
    Ok(bytes)
}

fn sequenced(valid: &ValidatedBatch) -> Option<Sequenced> {
    let header = &valid.header;
    (header.producer_id != ProducerId(-1)).then(|| Sequenced {
        producer: header.producer_id,
        epoch: header.producer_epoch,
        sequence_first: header.base_sequence,
        sequence_last: header.sequence_last(),
    })
}
