//! Every message in every version, against Kafka's own classes.

use crate::vectors::{Check, SEEDS, Vector, dispatch, vectors, versions_of_all_messages};
use flate2::Crc;
use std::collections::BTreeSet;
use weir_protocol::message::Message;
use weir_protocol::wire::Writer;

fn crc32(text: &str) -> u32 {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    crc.sum()
}

struct RoundTrip;

impl Check for RoundTrip {
    fn check<M: Message>(&mut self, vector: &Vector) {
        let what = format!("{} v{}", vector.name, vector.version);
        let decoded = M::from_bytes(vector.bytes.clone(), vector.version)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        let text = format!("{decoded:?}");
        assert_eq!(crc32(&text), vector.debug_crc, "{what}: {text}");

        let mut writer = Writer::new();
        decoded.encode(&mut writer, vector.version);
        assert_eq!(writer.len(), vector.bytes.len(), "{what}");
        let chunks = writer.finish().unwrap();
        assert!(chunks.concat() == vector.bytes, "{what}: {text}");
        let bytes = decoded.to_bytes(vector.version).unwrap();
        assert!(bytes == vector.bytes, "{what}: in one piece");

        let again = M::from_bytes(bytes, vector.version).unwrap();
        assert!(again == decoded, "{what}: {text}");
    }
}

#[test]
fn every_message_in_every_version_reads_and_writes_as_kafka_does() {
    let vectors = vectors();
    let mut seen = BTreeSet::new();
    for vector in &vectors {
        dispatch(&mut RoundTrip, vector);
        seen.insert((vector.name.clone(), vector.version));
    }
    assert_eq!(seen.len(), versions_of_all_messages());
    assert_eq!(vectors.len(), seen.len() * SEEDS);
    assert!(seen.len() > 600, "canary: only {}", seen.len());
}

/// Canary: the comparison of the debug texts finds a value under another name.
#[test]
fn debug_text_tells_fields_apart() {
    let vectors = vectors();
    let first = vectors.iter().find(|v| v.name == "EndTxnMarker").unwrap();
    let decoded =
        weir_protocol::messages::EndTxnMarker::from_bytes(first.bytes.clone(), 0).unwrap();
    let text = format!("{decoded:?}");
    assert_eq!(crc32(&text), first.debug_crc);
    let renamed = text.replace("coordinator_epoch", "producer_epoch");
    assert_ne!(crc32(&renamed), first.debug_crc);
}
