//! The names of all objects: the one place that builds and parses them (design §2).
//!
//! ```text
//! cluster
//! probe/{random}/{n:020}
//! meta/log/{seq:020}          meta/snap/{seq:020}
//! wal/{hh}/{broker:010}/{epoch:020}/{lane:03}/{seq/4096:012}/{seq:020}
//! data/{hh}/{broker:010}/{epoch:020}/{n/4096:012}/{n:020}.{merged|segment|checkpoint}
//! ```
//! hh, the lowest byte of CRC32C over broker (u32 LE) and epoch (u64 LE) as two hex digits, spreads
//! the incarnations over prefixes. Within a log, the order of names is the order of numbers.

use std::fmt;

use weir_protocol::types::Uuid;

use crate::{
    ids::{BrokerEpoch, BrokerId, Incarnation, Slot},
    store::Key,
};

pub const METADATA_LOG_PREFIX: &str = "meta/log/";
pub const METADATA_SNAPSHOT_PREFIX: &str = "meta/snap/";
pub const WAL_PREFIX: &str = "wal/";
pub const DATA_PREFIX: &str = "data/";

/// Numbers in one folder: directories and listings stay small.
const NUMBERS_PER_FOLDER: u64 = 4096;
/// Lanes have three digits.
pub const LANE_MAX: u16 = 999;

/// What an object is called; [`ObjectName::parse`] is the inverse of `key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectName {
    Cluster,
    /// An object of the start-up probe; `run` is random.
    Probe {
        run: Uuid,
        number: u64,
    },
    MetadataLog {
        slot: Slot,
    },
    MetadataSnapshot {
        slot: Slot,
    },
    Wal {
        writer: Incarnation,
        lane: u16,
        slot: Slot,
    },
    Data {
        writer: Incarnation,
        number: u64,
        kind: DataKind,
    },
}

/// Kinds of data objects; the number is unique among all kinds of an incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataKind {
    Checkpoint,
    Merged,
    Segment,
}

impl DataKind {
    const ALL: [DataKind; 3] = [DataKind::Checkpoint, DataKind::Merged, DataKind::Segment];

    fn extension(self) -> &'static str {
        match self {
            DataKind::Checkpoint => "checkpoint",
            DataKind::Merged => "merged",
            DataKind::Segment => "segment",
        }
    }
}

pub fn cluster() -> Key {
    ObjectName::Cluster.key()
}

pub fn metadata_log(slot: Slot) -> Key {
    ObjectName::MetadataLog { slot }.key()
}

pub fn metadata_snapshot(slot: Slot) -> Key {
    ObjectName::MetadataSnapshot { slot }.key()
}

/// `lane` at most [`LANE_MAX`].
pub fn wal(writer: Incarnation, lane: u16, slot: Slot) -> Key {
    ObjectName::Wal { writer, lane, slot }.key()
}

pub fn data(writer: Incarnation, number: u64, kind: DataKind) -> Key {
    ObjectName::Data {
        writer,
        number,
        kind,
    }
    .key()
}

/// Prefix of all slots of one WAL.
pub fn wal_log_prefix(writer: Incarnation, lane: u16) -> String {
    format!("{WAL_PREFIX}{}/{lane:03}/", WriterPath(writer))
}

/// Prefix of all WAL objects of an incarnation, every lane.
pub fn wal_writer_prefix(writer: Incarnation) -> String {
    format!("{WAL_PREFIX}{}/", WriterPath(writer))
}

/// Prefix of all data objects of an incarnation.
pub fn data_writer_prefix(writer: Incarnation) -> String {
    format!("{DATA_PREFIX}{}/", WriterPath(writer))
}

/// The `start_after` of a list whose first name is to be that of `slot`, in the log whose names
/// `key_of` gives.
pub fn start_at(slot: Slot, key_of: impl FnOnce(Slot) -> Key) -> Option<Key> {
    slot.0.checked_sub(1).map(|before| key_of(Slot(before)))
}

impl ObjectName {
    pub fn key(&self) -> Key {
        Key::new(self.to_string())
    }

    /// `None` when `name` is not exactly what [`ObjectName::key`] would build.
    pub fn parse(name: &str) -> Option<ObjectName> {
        let parts: Vec<&str> = name.splitn(8, '/').collect();
        let parsed = match parts[..] {
            ["cluster"] => ObjectName::Cluster,
            ["probe", run, number] => ObjectName::Probe {
                run: Uuid::parse(run)?,
                number: number.parse().ok()?,
            },
            ["meta", "log", slot] => ObjectName::MetadataLog {
                slot: parse_slot(slot)?,
            },
            ["meta", "snap", slot] => ObjectName::MetadataSnapshot {
                slot: parse_slot(slot)?,
            },
            ["wal", _, broker, epoch, lane, _, slot] => ObjectName::Wal {
                writer: parse_writer(broker, epoch)?,
                lane: lane.parse().ok()?,
                slot: parse_slot(slot)?,
            },
            ["data", _, broker, epoch, _, file] => {
                let (number, extension) = file.split_once('.')?;
                ObjectName::Data {
                    writer: parse_writer(broker, epoch)?,
                    number: number.parse().ok()?,
                    kind: DataKind::ALL
                        .into_iter()
                        .find(|k| k.extension() == extension)?,
                }
            }
            _ => return None,
        };
        // Derived parts, widths, signs: only the one spelling counts.
        (parsed.to_string() == name).then_some(parsed)
    }
}

fn parse_slot(text: &str) -> Option<Slot> {
    text.parse().ok().map(Slot)
}

fn parse_writer(broker: &str, epoch: &str) -> Option<Incarnation> {
    Some(Incarnation {
        broker: BrokerId(broker.parse().ok()?),
        epoch: BrokerEpoch(epoch.parse().ok()?),
    })
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ObjectName::Cluster => f.write_str("cluster"),
            ObjectName::Probe { run, number } => write!(f, "probe/{run}/{number:020}"),
            ObjectName::MetadataLog { slot } => write!(f, "{METADATA_LOG_PREFIX}{:020}", slot.0),
            ObjectName::MetadataSnapshot { slot } => {
                write!(f, "{METADATA_SNAPSHOT_PREFIX}{:020}", slot.0)
            }
            ObjectName::Wal {
                writer,
                lane,
                slot: Slot(slot),
            } => {
                debug_assert!(lane <= LANE_MAX);
                let (writer, folder) = (WriterPath(writer), slot / NUMBERS_PER_FOLDER);
                write!(f, "{WAL_PREFIX}{writer}/{lane:03}/{folder:012}/{slot:020}")
            }
            ObjectName::Data {
                writer,
                number,
                kind,
            } => {
                let (writer, folder) = (WriterPath(writer), number / NUMBERS_PER_FOLDER);
                let extension = kind.extension();
                write!(
                    f,
                    "{DATA_PREFIX}{writer}/{folder:012}/{number:020}.{extension}"
                )
            }
        }
    }
}

/// `{hh}/{broker:010}/{epoch:020}`
struct WriterPath(Incarnation);

impl fmt::Display for WriterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broker, epoch) = (self.0.broker.0, self.0.epoch.0);
        let crc = crc32c::crc32c(&broker.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &epoch.to_le_bytes());
        write!(f, "{:02x}/{broker:010}/{epoch:020}", crc as u8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_name() -> impl Strategy<Value = ObjectName> {
        let number = prop_oneof![0..10_000u64, any::<u64>()];
        (
            any::<u32>(),
            any::<u64>(),
            0..=LANE_MAX,
            number,
            0..9usize,
            any::<[u8; 16]>(),
        )
            .prop_map(|(broker, epoch, lane, number, pick, run)| {
                let (broker, epoch) = (BrokerId(broker), BrokerEpoch(epoch));
                let (writer, slot) = (Incarnation { broker, epoch }, Slot(number));
                match pick {
                    0 => ObjectName::Cluster,
                    1 => ObjectName::Probe {
                        run: Uuid(run),
                        number,
                    },
                    2 => ObjectName::MetadataLog { slot },
                    3 => ObjectName::MetadataSnapshot { slot },
                    4 | 5 => ObjectName::Wal { writer, lane, slot },
                    _ => ObjectName::Data {
                        writer,
                        number,
                        kind: DataKind::ALL[pick - 6],
                    },
                }
            })
    }

    proptest! {
        #[test]
        fn names_round_trip(name in any_name()) {
            let key = name.key();
            prop_assert!(crate::store::is_valid_key(key.as_str()));
            prop_assert_eq!(ObjectName::parse(key.as_str()), Some(name));
        }

        #[test]
        fn one_changed_byte_is_another_name_or_none(
            name in any_name(), at in any::<prop::sample::Index>(), byte in 0x20..0x7fu8,
        ) {
            let text = name.to_string();
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_ne!(ObjectName::parse(&changed), Some(name));
        }

        #[test]
        fn names_of_a_log_sort_by_number(a in 0..1u64 << 50, b in 0..1u64 << 50) {
            let writer = Incarnation { broker: BrokerId(7), epoch: BrokerEpoch(9) };
            let of = |n| (wal(writer, 0, Slot(n)), data(writer, n, DataKind::Merged));
            let ((wal_a, data_a), (wal_b, data_b)) = (of(a), of(b));
            prop_assert_eq!((wal_a.cmp(&wal_b), data_a.cmp(&data_b)), (a.cmp(&b), a.cmp(&b)));
            prop_assert!(wal_a.as_str().starts_with(&wal_log_prefix(writer, 0)));
            prop_assert!(wal_a.as_str().starts_with(&wal_writer_prefix(writer)));
            prop_assert!(data_a.as_str().starts_with(&data_writer_prefix(writer)));
        }
    }

    #[test]
    fn names_are_spelled_as_documented() {
        let writer = Incarnation {
            broker: BrokerId(1),
            epoch: BrokerEpoch(2),
        };
        assert_eq!(cluster().as_str(), "cluster");
        assert_eq!(
            metadata_log(Slot(5)).as_str(),
            "meta/log/00000000000000000005"
        );
        assert_eq!(
            metadata_snapshot(Slot(5)).as_str(),
            "meta/snap/00000000000000000005"
        );
        let name = wal(writer, 0, Slot(8193));
        let hh = crc32c::crc32c(&[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]) & 0xff;
        let path = format!("{hh:02x}/0000000001/00000000000000000002");
        let expected = format!("wal/{path}/000/000000000002/00000000000000008193");
        assert_eq!(name.as_str(), expected);
        let name = data(writer, 3, DataKind::Segment);
        let expected = format!("data/{path}/000000000000/00000000000000000003.segment");
        assert_eq!(name.as_str(), expected);
        assert_eq!(start_at(Slot(0), metadata_log), None);
        assert_eq!(start_at(Slot(6), metadata_log), Some(metadata_log(Slot(5))));
        for bad in [
            "",
            "cluster/",
            "meta/log/5",
            "meta/log/+0000000000000000005",
            "wal/",
            "tmp/x",
        ] {
            assert_eq!(ObjectName::parse(bad), None, "{bad}");
        }
    }
}
