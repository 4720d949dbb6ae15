//! Record batches v2, written by hand so that these tests do not depend on our own codec.

use bytes::{BufMut, Bytes, BytesMut};

/// A key or a value, `None` = null.
pub type Field = Option<&'static [u8]>;

pub struct Batch {
    pub base_offset: i64,
    pub leader_epoch: i32,
    pub base_timestamp: i64,
    /// −1 = not idempotent.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// Keys and values.
    pub records: Vec<(Field, Field)>,
}

impl Batch {
    pub fn plain(base_offset: i64, leader_epoch: i32, values: &[&'static str]) -> Batch {
        Batch {
            base_offset,
            leader_epoch,
            base_timestamp: 1_700_000_000_000 + base_offset,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records: values
                .iter()
                .map(|value| (Some(b"k".as_slice()), Some(value.as_bytes())))
                .collect(),
        }
    }

    /// Timestamps grow by one millisecond per record.
    pub fn build(&self) -> Bytes {
        let mut records = BytesMut::new();
        for (i, (key, value)) in self.records.iter().enumerate() {
            let mut record = BytesMut::new();
            record.put_u8(0);
            put_varint(&mut record, i as i64);
            put_varint(&mut record, i as i64);
            for field in [key, value] {
                match field {
                    None => put_varint(&mut record, -1),
                    Some(bytes) => {
                        put_varint(&mut record, bytes.len() as i64);
                        record.put_slice(bytes);
                    }
                }
            }
            put_varint(&mut record, 0);
            put_varint(&mut records, record.len() as i64);
            records.put_slice(&record);
        }
        let last = self.records.len() as i32 - 1;
        let mut checked = BytesMut::new();
        checked.put_i16(0);
        checked.put_i32(last);
        checked.put_i64(self.base_timestamp);
        checked.put_i64(self.base_timestamp + i64::from(last));
        checked.put_i64(self.producer_id);
        checked.put_i16(self.producer_epoch);
        checked.put_i32(self.base_sequence);
        checked.put_i32(self.records.len() as i32);
        checked.put_slice(&records);
        let mut out = BytesMut::new();
        out.put_i64(self.base_offset);
        out.put_i32(checked.len() as i32 + 9);
        out.put_i32(self.leader_epoch);
        out.put_u8(2);
        out.put_u32(crc32c::crc32c(&checked));
        out.put_slice(&checked);
        out.freeze()
    }
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}
