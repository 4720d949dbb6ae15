//! Bytes that lie: cut off, with other lengths, or random. Always an error that says where, or a
//! value; never a panic.

use crate::vectors::{Check, Vector, dispatch, vectors};
use bytes::Bytes;
use proptest::prelude::*;
use weir_protocol::header::RequestHeader;
use weir_protocol::message::Message;
use weir_protocol::messages::{
    FetchRequest, MetadataRequest, ProduceRequest, SaslHandshakeRequest,
};
use weir_protocol::wire::{DecodeErrorKind, Reader};

/// Positions to try in a vector: all of a short one, and of a long one the start and every 97th.
fn positions(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |p| *p < 400 || p % 97 == 0)
}

#[derive(Default)]
struct CutOff {
    cases: usize,
}

impl Check for CutOff {
    fn check<M: Message>(&mut self, vector: &Vector) {
        for end in positions(vector.bytes.len()) {
            let error = M::from_bytes(vector.bytes.slice(..end), vector.version)
                .expect_err("a message that is cut off");
            assert_eq!(error.message(), M::NAME);
            assert_eq!(error.version(), vector.version);
            assert!(error.position() <= end, "{error}");
            assert!(!error.field().is_empty(), "{error}");
            self.cases += 1;
        }
    }
}

#[test]
fn a_message_cut_off_anywhere_is_an_error_within_it() {
    let mut check = CutOff::default();
    for vector in vectors() {
        dispatch(&mut check, &vector);
    }
    assert!(check.cases > 300_000, "canary: only {}", check.cases);
}

#[derive(Default)]
struct Overwritten {
    refused: usize,
    accepted: usize,
}

/// The largest counts in each form of a length, negative ones, and a number without an end.
const LIES: [&[u8]; 6] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0, 0, 0],
    &[0xff, 0xfe],
    &[0xff; 6],
    &[0x00, 0x10, 0x00, 0x00],
];

impl Check for Overwritten {
    fn check<M: Message>(&mut self, vector: &Vector) {
        for position in positions(vector.bytes.len()).step_by(3) {
            for lie in LIES {
                let mut bytes = vector.bytes.to_vec();
                let end = bytes.len().min(position + lie.len());
                bytes[position..end].copy_from_slice(&lie[..end - position]);
                match M::from_bytes(Bytes::from(bytes), vector.version) {
                    Ok(_) => self.accepted += 1,
                    Err(_) => self.refused += 1,
                }
            }
        }
    }
}

#[test]
fn lengths_that_lie_never_panic() {
    let mut check = Overwritten::default();
    for vector in vectors().iter().filter(|v| v.bytes.len() < 4_000) {
        dispatch(&mut check, vector);
    }
    assert!(check.refused > 200_000, "canary: {} refused", check.refused);
    assert!(check.accepted > 10_000, "canary: {}", check.accepted);
}

fn error_of<M: Message>(bytes: &[u8], version: i16) -> (String, DecodeErrorKind) {
    let error = M::from_bytes(Bytes::copy_from_slice(bytes), version).unwrap_err();
    (error.to_string(), error.kind().clone())
}

#[test]
fn an_error_names_message_version_field_position_and_lie() {
    let (text, _) = error_of::<MetadataRequest>(&[0x7f, 0xff, 0xff, 0xff], 1);
    assert_eq!(
        text,
        "MetadataRequest v1, field topics at byte 0: 2147483647 elements of at least 2 bytes are \
         beyond the 0 bytes that are left"
    );
    // No transactional id, acks, timeout, one topic t, partition 7, 199 bytes of records: 3 come.
    let body = b"\0\0\x01\0\0\0\x01\x02\x02t\x02\0\0\0\x07\xc8\x01abc";
    let (text, _) = error_of::<ProduceRequest>(body, 9);
    assert_eq!(
        text,
        "ProduceRequest v9, field PartitionProduceData.records at byte 15: the length 199 is \
         beyond the 3 bytes that are left"
    );
    let (_, kind) = error_of::<SaslHandshakeRequest>(&[0, 2, b'a', 0xff], 0);
    assert_eq!(kind, DecodeErrorKind::InvalidUtf8 { valid: 1 });
    let (_, kind) = error_of::<SaslHandshakeRequest>(&[0xff, 0xff], 0);
    assert_eq!(kind, DecodeErrorKind::UnexpectedNull);
    let (_, kind) = error_of::<SaslHandshakeRequest>(&[0xff, 0xfe], 0);
    assert_eq!(kind, DecodeErrorKind::NegativeLength { length: -2 });
    let (_, kind) = error_of::<SaslHandshakeRequest>(&[0, 0, 9], 0);
    assert_eq!(kind, DecodeErrorKind::TrailingBytes { count: 1 });
    let (_, kind) = error_of::<SaslHandshakeRequest>(&[0, 0], 2);
    assert_eq!(
        kind,
        DecodeErrorKind::UnsupportedVersion { first: 0, last: 1 }
    );
}

#[test]
fn a_tagged_field_that_is_longer_or_shorter_than_it_says_is_refused() {
    // A v12 Fetch without topics; its tag 0 is the nullable cluster id.
    let mut body = FetchRequest::default().to_bytes(12).unwrap().to_vec();
    assert_eq!(body.pop(), Some(0));
    for (tail, declared) in [(&[1, 0, 3, 2, b'c'][..], 3), (&[1, 0, 1, 2, b'c'][..], 1)] {
        let bytes = [&body, tail].concat();
        let (text, kind) = error_of::<FetchRequest>(&[&bytes[..], &[0][..]].concat(), 12);
        let read = 2;
        let tag = 0;
        assert_eq!(
            kind,
            DecodeErrorKind::TaggedFieldSize {
                tag,
                declared,
                read
            },
            "{text}"
        );
    }
    let good = Bytes::from([&body[..], &[1, 0, 2, 2, b'c'][..]].concat());
    let decoded = FetchRequest::from_bytes(good, 12).unwrap();
    assert_eq!(decoded.cluster_id, Some("c".into()));
}

struct Anything<'a>(&'a [u8]);

impl Check for Anything<'_> {
    fn check<M: Message>(&mut self, vector: &Vector) {
        let _either = M::from_bytes(Bytes::copy_from_slice(self.0), vector.version);
    }
}

#[test]
fn random_bytes_never_panic() {
    // One vector per message and version says which types there are.
    let mut types = vectors();
    types.dedup_by(|a, b| a.name == b.name && a.version == b.version);
    assert!(types.len() > 600);
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // Small values are likely, so that lengths are often plausible.
    let byte = prop_oneof![3 => 0u8..4, 1 => any::<u8>()];
    let stream = proptest::collection::vec(byte, 0..200);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&stream, |bytes| {
        for vector in &types {
            dispatch(&mut Anything(&bytes), vector);
        }
        let mut reader = Reader::new(Bytes::from(bytes));
        let _either = RequestHeader::decode(&mut reader);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn elements_that_are_small_on_the_wire_are_refused_beyond_the_memory_limit() {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1]; // correct lengths: one million empty names
    body.splice(..4, 1_000_000u32.to_be_bytes());
    body.resize(4 + 2 * 1_000_000, 0);
    let mut reader = Reader::with_memory_limit(Bytes::from(body), 1 << 20);
    let error = MetadataRequest::decode(&mut reader, 0).unwrap_err();
    assert!(
        matches!(error.kind(), DecodeErrorKind::MemoryLimit { .. }),
        "{error}"
    );
}
