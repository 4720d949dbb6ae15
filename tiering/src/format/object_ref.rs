//! An object reference: everything needed to read an object with one ranged GET, also when a clone
//! or a second bucket exists one day (design §2).

use bytes::{BufMut, BytesMut};
use weir_protocol::types::Uuid;

use super::{FormatError, ObjectKind, cursor::Cursor};
use crate::ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation};

/// Which store holds an object; 0 is the cluster's own and the only one today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub u32);

/// Names an object and says how long it is and what its footer's checksum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    pub store: StoreId,
    /// The cluster that wrote the object: another one after a clone.
    pub origin: ClusterId,
    pub kind: ObjectKind,
    pub writer: Incarnation,
    pub lane: u16,
    /// Slot in a fenced log, or number of a data object.
    pub number: u64,
    /// Length of the whole object in bytes.
    pub len: u64,
    /// CRC32C of its footer, as its trailer carries it.
    pub footer_crc: u32,
}

/// Bytes of a reference inside binary sections.
pub const OBJECT_REF_LEN: usize = 56;

impl ObjectRef {
    /// ```text
    ///  0 store u32   4 origin cluster [16]  20 kind u8  21 zero u8  22 lane u16  24 broker u32
    /// 28 epoch u64  36 number u64           44 length u64           52 footer CRC u32
    /// ```
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32_le(self.store.0);
        out.put_slice(&self.origin.0.0);
        out.put_u8(self.kind as u8);
        out.put_u8(0);
        out.put_u16_le(self.lane);
        out.put_u32_le(self.writer.broker.0);
        out.put_u64_le(self.writer.epoch.0);
        out.put_u64_le(self.number);
        out.put_u64_le(self.len);
        out.put_u32_le(self.footer_crc);
    }

    pub(crate) fn decode(input: &mut Cursor<'_>) -> Result<ObjectRef, FormatError> {
        let store = StoreId(input.u32()?);
        let origin = ClusterId(Uuid(input.array()?));
        let kind = ObjectKind::decode(input.u8()?)?;
        let _zero = input.u8()?;
        let lane = input.u16()?;
        let broker = BrokerId(input.u32()?);
        let epoch = BrokerEpoch(input.u64()?);
        Ok(ObjectRef {
            store,
            origin,
            kind,
            writer: Incarnation { broker, epoch },
            lane,
            number: input.u64()?,
            len: input.u64()?,
            footer_crc: input.u32()?,
        })
    }
}
