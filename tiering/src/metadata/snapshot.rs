//! A snapshot: the state after an entry, as one object.
//!
//! `meta/snap/{n}` is the state after the entries 0..=n. The body is a sequence of records, each behind
//! its length as a varint, sorted; the footer says what they must add up to. Two writers of the same
//! snapshot write the same body.
//!
//! Invariant: what [`decode`] returns has the state hash that the footer names (I5).

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::{
    format::{
        FormatError, ObjectIdentity, ObjectKind, SealedObject,
        envelope::{check_crc, open_object, seal_object},
    },
    ids::{ClusterId, Incarnation, PutId, Slot},
    metadata::{
        entry::check_place,
        hash::{EntryHash, StateHash},
        image::Image,
        proto::{self, SnapshotFooter, SnapshotRecord, invalid},
        tail::Tail,
    },
};

/// Records are gathered into chunks of about this size, in bytes.
const CHUNK_LEN: usize = 1 << 20;
const RECORD_LEN_MAX: usize = 16 << 20;

/// The number of the snapshot of a state: its last entry. `None` before the first entry.
pub fn number(tail: &Tail) -> Option<Slot> {
    tail.next_slot().0.checked_sub(1).map(Slot)
}

/// Frames the state as the object `number`, which is [`number`] of `tail`.
pub fn encode(
    tail: &Tail,
    number: Slot,
    cluster: ClusterId,
    writer: Incarnation,
    put_id: PutId,
) -> SealedObject {
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut chunk = BytesMut::new();
    let mut record_count = 0;
    let mut body_crc = 0;
    let mut cut = |chunk: &mut BytesMut| {
        let bytes = chunk.split().freeze();
        body_crc = crc32c::crc32c_append(body_crc, &bytes);
        chunks.push(bytes);
    };
    for record in tail.image.records() {
        record_count += 1;
        record
            .encode_length_delimited(&mut chunk)
            .expect("a BytesMut grows as needed");
        if chunk.len() >= CHUNK_LEN {
            cut(&mut chunk);
        }
    }
    cut(&mut chunk);
    let footer = SnapshotFooter {
        last_slot: number.0,
        last_entry_hash: tail.last.0.to_be_bytes().to_vec(),
        state_hash: tail.image.state_hash().0.to_be_bytes().to_vec(),
        record_count,
        body_crc,
    };
    let identity = ObjectIdentity {
        kind: ObjectKind::MetadataSnapshot,
        cluster,
        writer,
        lane: 0,
        number: number.0,
        put_id,
    };
    seal_object(&identity, chunks, footer.encode_to_vec().into())
}

/// Reads and checks the snapshot object `number`.
pub fn decode(bytes: &Bytes, cluster: ClusterId, number: Slot) -> Result<Tail, FormatError> {
    let object = open_object(bytes)?;
    let identity = object.header.identity;
    check_place(&identity, ObjectKind::MetadataSnapshot, cluster, number)?;
    let footer = SnapshotFooter::decode(object.footer)
        .map_err(|error| invalid("snapshot footer", error.to_string()))?;
    if footer.last_slot != number.0 || number.0 == u64::MAX {
        let message = format!("{} in snapshot {number}", footer.last_slot);
        return Err(invalid("last slot", message));
    }
    check_crc("snapshot body", &object.body, footer.body_crc)?;
    let (image, count) = restore(object.body)?;
    let state = StateHash(proto::hash("state hash", &footer.state_hash)?);
    if count != footer.record_count || image.state_hash() != state {
        let message = format!(
            "{count} records of {} with hash {}, not {state}",
            footer.record_count,
            image.state_hash()
        );
        return Err(invalid("snapshot state", message));
    }
    let mut tail = Tail {
        image,
        last: EntryHash(proto::hash("entry hash", &footer.last_entry_hash)?),
    };
    tail.image.next_slot = number.next();
    Ok(tail)
}

fn restore(mut body: Bytes) -> Result<(Image, u64), FormatError> {
    let mut image = Image::default();
    let mut count = 0;
    while !body.is_empty() {
        let error = |error: prost::DecodeError| invalid("snapshot record", error.to_string());
        let len = prost::decode_length_delimiter(&mut body).map_err(error)?;
        if len > body.len().min(RECORD_LEN_MAX) {
            let message = format!("{len} bytes, {} are left", body.len());
            return Err(invalid("snapshot record", message));
        }
        let record = SnapshotRecord::decode(body.split_to(len)).map_err(error)?;
        image.restore(record)?;
        count += 1;
    }
    Ok((image, count))
}
