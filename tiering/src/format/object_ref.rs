//! References: to an object, to a page inside a checkpoint, to slots of a WAL.
//!
//! A reference has everything needed to read an object with one ranged GET, also when a clone or a
//! second bucket exists one day (design §2). In binary sections it has the fixed form below, in pages
//! and metadata entries the protobuf form of tiering/proto/object.proto.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use weir_protocol::types::Uuid;

use super::{FormatError, ObjectKind, cursor::Cursor, envelope::HEADER_LEN, proto};
use crate::ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, Slot};

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

impl ObjectRef {
    pub fn to_proto(&self) -> proto::ObjectRef {
        proto::ObjectRef {
            store: self.store.0,
            origin_cluster: Bytes::copy_from_slice(&self.origin.0.0),
            kind: u32::from(self.kind as u8),
            broker: self.writer.broker.0,
            epoch: self.writer.epoch.0,
            lane: self.lane.into(),
            number: self.number,
            length: self.len,
            footer_crc: self.footer_crc,
        }
    }

    pub fn from_proto(message: &proto::ObjectRef) -> Result<ObjectRef, FormatError> {
        Ok(ObjectRef {
            store: StoreId(message.store),
            origin: ClusterId(uuid_from("origin cluster", &message.origin_cluster)?),
            kind: ObjectKind::decode(narrow("object kind", message.kind)?)?,
            writer: incarnation(message.broker, message.epoch),
            lane: narrow("lane", message.lane)?,
            number: message.number,
            len: message.length,
            footer_crc: message.footer_crc,
        })
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} of {} lane {} ({} bytes, footer CRC {:08x}, store {}, cluster {})",
            self.kind,
            self.number,
            self.writer,
            self.lane,
            self.len,
            self.footer_crc,
            self.store.0,
            self.origin
        )
    }
}

/// Where a page lies: one ranged GET fetches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageRef {
    /// The checkpoint object.
    pub object: ObjectRef,
    /// Absolute in the object.
    pub position: u64,
    /// Bytes as stored.
    pub len: u64,
    /// CRC32C of the stored bytes.
    pub crc: u32,
}

impl PageRef {
    pub fn to_proto(&self) -> proto::PageRef {
        proto::PageRef {
            object: Some(self.object.to_proto()),
            position: self.position,
            length: self.len,
            crc: self.crc,
        }
    }

    pub fn from_proto(message: &proto::PageRef) -> Result<PageRef, FormatError> {
        let object = required("object of a page reference", message.object.as_ref())?;
        let page = PageRef {
            object: ObjectRef::from_proto(object)?,
            position: message.position,
            len: message.length,
            crc: message.crc,
        };
        let end = page.position.checked_add(page.len);
        if page.position < HEADER_LEN as u64 || end.is_none_or(|end| end > page.object.len) {
            return Err(FormatError::Invalid {
                what: "page reference",
                message: format!("{page:?}"),
            });
        }
        Ok(page)
    }
}

/// Slots of the WAL of one incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalRange {
    pub incarnation: Incarnation,
    pub lane: u16,
    /// Inclusive.
    pub from: Slot,
    /// Exclusive, not below `from`.
    pub to: Slot,
}

impl WalRange {
    pub fn to_proto(&self) -> proto::WalRange {
        proto::WalRange {
            broker: self.incarnation.broker.0,
            epoch: self.incarnation.epoch.0,
            lane: self.lane.into(),
            from: self.from.0,
            to: self.to.0,
        }
    }

    pub fn from_proto(message: &proto::WalRange) -> Result<WalRange, FormatError> {
        if message.from > message.to {
            return Err(FormatError::Invalid {
                what: "WAL range",
                message: format!("from {} to {}", message.from, message.to),
            });
        }
        Ok(WalRange {
            incarnation: incarnation(message.broker, message.epoch),
            lane: narrow("lane", message.lane)?,
            from: Slot(message.from),
            to: Slot(message.to),
        })
    }
}

pub(crate) fn incarnation(broker: u32, epoch: u64) -> Incarnation {
    Incarnation {
        broker: BrokerId(broker),
        epoch: BrokerEpoch(epoch),
    }
}

pub(crate) fn uuid_from(what: &'static str, bytes: &[u8]) -> Result<Uuid, FormatError> {
    let array = bytes.try_into().map_err(|_| FormatError::Invalid {
        what,
        message: format!("{} bytes instead of 16", bytes.len()),
    })?;
    Ok(Uuid(array))
}

pub(crate) fn required<T>(what: &'static str, field: Option<T>) -> Result<T, FormatError> {
    field.ok_or(FormatError::Invalid {
        what,
        message: "missing".into(),
    })
}

/// A number that protobuf carries in a wider type than it has.
pub(crate) fn narrow<W, N>(what: &'static str, value: W) -> Result<N, FormatError>
where
    W: Copy + std::fmt::Display,
    N: TryFrom<W>,
{
    N::try_from(value).map_err(|_| FormatError::Invalid {
        what,
        message: format!("{value} is out of range"),
    })
}
