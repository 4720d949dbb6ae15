//! SEAL: stands in a slot of a WAL and ends it. Written by a taker, or by the incarnation itself on
//! a clean stop; never deleted (design §4).
//!
//! The header's writer is the taker, its lane and number are those of the sealed WAL's slot. The
//! body is empty, the footer is
//! ```text
//! 0 sealed broker u32   4 lane u16   6 zero u16   8 sealed epoch u64   16 slot u64
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    FormatError, ObjectIdentity, ObjectKind, SealedObject,
    cursor::Cursor,
    envelope::{open_object, seal_object},
};
use crate::ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, PutId, Slot};

const FOOTER_LEN: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    pub cluster: ClusterId,
    pub taker: Incarnation,
    /// Whose WAL ends here.
    pub sealed: Incarnation,
    pub lane: u16,
    pub slot: Slot,
}

impl Seal {
    /// Written by the incarnation itself on a clean stop: no slot behind it was ever written.
    pub fn is_clean_stop(&self) -> bool {
        self.taker == self.sealed
    }
}

pub fn build_seal(seal: &Seal, put_id: PutId) -> SealedObject {
    let mut footer = BytesMut::with_capacity(FOOTER_LEN);
    footer.put_u32_le(seal.sealed.broker.0);
    footer.put_u16_le(seal.lane);
    footer.put_u16_le(0);
    footer.put_u64_le(seal.sealed.epoch.0);
    footer.put_u64_le(seal.slot.0);
    let identity = ObjectIdentity {
        kind: ObjectKind::Seal,
        cluster: seal.cluster,
        writer: seal.taker,
        lane: seal.lane,
        number: seal.slot.0,
        put_id,
    };
    seal_object(&identity, [], footer.freeze())
}

/// Reads a whole SEAL.
pub fn decode_seal(bytes: &Bytes) -> Result<Seal, FormatError> {
    let open = open_object(bytes)?;
    open.header.expect_kind(ObjectKind::Seal)?;
    open.expect_no_body()?;
    let mut input = Cursor::new("SEAL", &open.footer);
    let broker = BrokerId(input.u32()?);
    let lane = input.u16()?;
    let _zero = input.u16()?;
    let epoch = BrokerEpoch(input.u64()?);
    let slot = Slot(input.u64()?);
    let identity = open.header.identity;
    if identity.lane != lane || identity.number != slot.0 {
        return Err(FormatError::Invalid {
            what: "SEAL",
            message: format!("for slot {slot} in the object of slot {}", identity.number),
        });
    }
    Ok(Seal {
        cluster: identity.cluster,
        taker: identity.writer,
        sealed: Incarnation { broker, epoch },
        lane,
        slot,
    })
}
