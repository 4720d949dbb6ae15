//! The frame: what a reader refuses, what it skips.

use bytes::{Bytes, BytesMut};
use weir_tiering::format::{
    FormatError, ObjectKind,
    envelope::{HEADER_LEN, OpenObject, TRAILER_LEN, open_object, seal_object},
    peek_kind,
};

use crate::{
    hostile::reseal,
    wal::{bytes_of, identity},
};

fn object() -> Bytes {
    let body = [
        Bytes::from_static(b"bo"),
        Bytes::new(),
        Bytes::from_static(b"dy"),
    ];
    let identity = identity(ObjectKind::Probe, 77);
    bytes_of(&seal_object(&identity, body, Bytes::from_static(b"footer")))
}

/// The object with one byte changed and right checksums.
fn changed(at: usize, byte: u8) -> Result<OpenObject, FormatError> {
    let mut bytes = BytesMut::from(&object()[..]);
    bytes[at] = byte;
    open_object(&reseal(bytes))
}

#[test]
fn a_frame_gives_back_what_it_holds() {
    let bytes = object();
    assert_eq!(bytes.len(), HEADER_LEN + 4 + 6 + TRAILER_LEN);
    let open = open_object(&bytes).unwrap();
    assert_eq!(open.header.identity, identity(ObjectKind::Probe, 77));
    assert_eq!(open.header.total_len, bytes.len() as u64);
    assert_eq!(
        (&open.body[..], &open.footer[..]),
        (&b"body"[..], &b"footer"[..])
    );
    assert_eq!(peek_kind(&bytes[..HEADER_LEN]), Ok(ObjectKind::Probe));
    assert!(open.expect_no_body().is_err());
    assert!(open.header.expect_kind(ObjectKind::Wal).is_err());
}

#[test]
fn what_a_reader_does_not_know_is_named() {
    let trailer_kind = object().len() - TRAILER_LEN + 20;
    for (at, byte, expected) in [
        (4, 0, "object kind 0 is not known to this version"),
        (4, 10, "object kind 10 is not known to this version"),
        (5, 2, "major format version 2 is not known to this version"),
        (7, 97, "header length 97 is not known to this version"),
        (
            8,
            1,
            "incompatible feature bits 1 is not known to this version",
        ),
        (
            11,
            128,
            "incompatible feature bits 2147483648 is not known to this version",
        ),
        (70, 1, "encryption key id 1 is not known to this version"),
        (
            4,
            2,
            "impossible trailer: a Probe object instead of a Wal object",
        ),
        (
            trailer_kind,
            2,
            "impossible trailer: a Wal object instead of a Probe object",
        ),
        (74, 0, "truncated: object needs 0 bytes, 138 are there"),
    ] {
        let error = changed(at, byte).unwrap_err();
        assert_eq!(error.to_string(), expected, "byte {at}");
    }
}

#[test]
fn minor_versions_compatible_bits_and_reserved_bytes_are_skipped() {
    let reserved_in_trailer = object().len() - TRAILER_LEN + 21;
    for at in [6, 12, 15, 82, 91, reserved_in_trailer] {
        let open = changed(at, 1).unwrap();
        assert_eq!(open.footer, "footer", "byte {at}");
    }
    assert_eq!(changed(6, 3).unwrap().header.minor, 3);
}

#[test]
fn a_footer_outside_the_object_is_refused() {
    let trailer = object().len() - TRAILER_LEN;
    for at in trailer..trailer + 16 {
        for byte in [0x7f, 0xff] {
            let error = changed(at, byte).unwrap_err();
            assert!(
                error.to_string().starts_with("impossible trailer"),
                "{error}"
            );
        }
    }
}
