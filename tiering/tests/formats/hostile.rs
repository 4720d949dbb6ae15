//! Bytes that nobody of us wrote, under checksums that are right: errors, never a panic, and no more
//! memory than the bytes justify.

use bytes::{Bytes, BytesMut};
use proptest::{prelude::*, sample::Index};
use weir_tiering::format::{
    checkpoint::{decode_checkpoint, decode_page},
    dump, verify_object,
    wal::{decode_wal, decode_wal_tail},
};

use crate::{
    checkpoint::small_checkpoint,
    metadata::{entry_object, snapshot_object},
    wal::{bytes_of, small_wal, some_seal, wide_wal},
};

const TRAILER_LEN: usize = 32;

fn put_u32(bytes: &mut BytesMut, at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Makes header, footer and trailer checksums right again.
pub fn reseal(mut bytes: BytesMut) -> Bytes {
    let header = crc32c::crc32c(&bytes[..92]);
    put_u32(&mut bytes, 92, header);
    let trailer = bytes.len() - TRAILER_LEN;
    let (position, len) = (u64_at(&bytes, trailer), u64_at(&bytes, trailer + 8));
    if let Some(footer) = position
        .checked_add(len)
        .and_then(|end| bytes.get(position..end))
    {
        let crc = crc32c::crc32c(footer);
        put_u32(&mut bytes, trailer + 16, crc);
    }
    let crc = crc32c::crc32c(&bytes[trailer..trailer + 24]);
    put_u32(&mut bytes, trailer + 24, crc);
    bytes.freeze()
}

/// Makes the checksum of a WAL object's control records right, too; the footer begins at `footer`.
fn reseal_controls(mut bytes: BytesMut, footer: usize) -> BytesMut {
    let position = u64_at(&bytes, footer + 56);
    let crc = bytes.get(position..footer).map_or(0, crc32c::crc32c);
    put_u32(&mut bytes, footer + 80, crc);
    bytes
}

fn read_all_ways(bytes: &Bytes) {
    let mut text = String::new();
    let _ = dump(bytes, &mut text);
    let _ = verify_object(bytes);
    let _ = decode_wal_tail(bytes, bytes.len() as u64);
    let _ = decode_wal_tail(&bytes.slice(bytes.len() / 2..), bytes.len() as u64);
    if let Ok(wal) = decode_wal(bytes) {
        for row in &wal.footer.rows {
            let _ = wal.run(row);
        }
    }
    if let Ok(checkpoint) = decode_checkpoint(bytes) {
        for entry in &checkpoint.pages {
            let _ = checkpoint.page(entry);
        }
    }
}

fn objects() -> Vec<Bytes> {
    let seal = weir_tiering::format::seal::build_seal(&some_seal(), Default::default());
    vec![
        bytes_of(&small_wal().object),
        bytes_of(&wide_wal(120).object),
        bytes_of(&small_checkpoint().0.object),
        bytes_of(&seal),
        bytes_of(&entry_object()),
        bytes_of(&snapshot_object()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn changed_bytes_under_right_checksums_never_panic(
        which in 0..6usize,
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        in_frame in any::<bool>(),
    ) {
        let object = &objects()[which];
        let trailer = object.len() - TRAILER_LEN;
        let footer = u64_at(object, trailer);
        let mut bytes = BytesMut::from(&object[..]);
        for (at, byte) in changes {
            let at = if in_frame {
                footer + at.index(object.len() - footer)
            } else {
                at.index(object.len())
            };
            bytes[at] = byte;
        }
        if which < 2 {
            bytes = reseal_controls(bytes, footer);
        }
        read_all_ways(&reseal(bytes));
    }

    #[test]
    fn anything_at_all_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut framed = BytesMut::from(&bytes[..]);
        read_all_ways(&framed.clone().freeze());
        if framed.len() >= 128 {
            let object = bytes_of(&small_wal().object);
            framed[..96].copy_from_slice(&object[..96]);
            let len = framed.len() as u64;
            framed[74..82].copy_from_slice(&len.to_le_bytes());
            let trailer = framed.len() - TRAILER_LEN;
            framed[trailer..].copy_from_slice(&object[object.len() - TRAILER_LEN..]);
            let footer_len = (trailer - 96) as u64;
            framed[trailer..trailer + 8].copy_from_slice(&96u64.to_le_bytes());
            framed[trailer + 8..trailer + 16].copy_from_slice(&footer_len.to_le_bytes());
            read_all_ways(&reseal(framed));
        }
    }

    #[test]
    fn changed_pages_under_right_checksums_never_panic(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let (built, _) = small_checkpoint();
        let bytes = bytes_of(&built.object);
        for (_, reference) in &built.pages {
            let start = reference.position as usize;
            let mut page = BytesMut::from(&bytes[start..start + reference.len as usize]);
            for (at, byte) in &changes {
                let at = at.index(page.len());
                page[at] = *byte;
            }
            let mut reference = *reference;
            reference.crc = crc32c::crc32c(&page);
            if let Ok(page) = decode_page(&page.freeze(), &reference) {
                prop_assert_eq!(page.check(), Ok(()));
            }
        }
    }
}

/// Canary for `reseal`: without a change the objects are still right, and with a changed row the
/// error is about the row, not about a checksum.
#[test]
fn resealed_objects_fail_for_what_was_changed() {
    for object in objects() {
        let resealed = reseal(BytesMut::from(&object[..]));
        assert_eq!(resealed, object);
    }
    let object = &objects()[0];
    let footer = u64_at(object, object.len() - TRAILER_LEN);
    let mut bytes = BytesMut::from(&object[..]);
    bytes[footer + 96 + 24] ^= 1;
    let error = decode_wal(&reseal(bytes)).unwrap_err();
    assert!(error.to_string().starts_with("impossible row"), "{error}");
}
