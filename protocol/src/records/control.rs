//! Control records: the transaction markers inside control batches.
//!
//! Key: i16 version, i16 type. Value of a marker: i16 version, i32 coordinator epoch. Versions above
//! 0 may only append fields, so they are read as 0. KRaft's own types are named and not read.

use super::record::Record;

/// The type in the key of a control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    Abort,
    Commit,
    /// Any other type: KRaft's, or one from the future. Readers skip it.
    Other(i16),
}

impl ControlType {
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::Other(id) => id,
        }
    }

    pub fn from_id(id: i16) -> ControlType {
        match id {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        }
    }
}

/// A decoded control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    pub control_type: ControlType,
    /// Of the transaction coordinator that wrote the marker; −1 for other types.
    pub coordinator_epoch: i32,
}

/// A record of a control batch that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("a control record without a key of 4 bytes or with a negative version")]
    Key,
    #[error("a transaction marker without a value of 6 bytes or with a negative version")]
    Value,
}

impl ControlRecord {
    pub fn parse(record: &Record<'_>) -> Result<ControlRecord, ControlError> {
        let key = record.key.and_then(|key| key.first_chunk::<4>());
        let [v0, v1, t0, t1] = *key.ok_or(ControlError::Key)?;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return Err(ControlError::Key);
        }
        let control_type = ControlType::from_id(i16::from_be_bytes([t0, t1]));
        if let ControlType::Other(_) = control_type {
            let coordinator_epoch = -1;
            return Ok(ControlRecord {
                control_type,
                coordinator_epoch,
            });
        }
        let value = record.value.and_then(|value| value.first_chunk::<6>());
        let [v0, v1, epoch @ ..] = *value.ok_or(ControlError::Value)?;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return Err(ControlError::Value);
        }
        Ok(ControlRecord {
            control_type,
            coordinator_epoch: i32::from_be_bytes(epoch),
        })
    }

    /// The key bytes, version 0.
    pub fn key(&self) -> [u8; 4] {
        let [t0, t1] = self.control_type.id().to_be_bytes();
        [0, 0, t0, t1]
    }

    /// The value bytes of a marker, version 0.
    pub fn value(&self) -> [u8; 6] {
        let [e0, e1, e2, e3] = self.coordinator_epoch.to_be_bytes();
        [0, 0, e0, e1, e2, e3]
    }
}
