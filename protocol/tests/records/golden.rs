//! Batches that Kafka's own classes wrote or read: see `tests/golden-batches/README.md`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use weir_protocol::records::header::NO_TIMESTAMP;
use weir_protocol::records::record::Record;
use weir_protocol::records::{
    BatchBuilder, BatchHeader, BatchView, Codec, ControlRecord, ControlType, control_batch,
    split_batches, validate_batch,
};
use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::support::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-batches")
}

/// Names and bytes of the `.bin` files, sorted by name as Java sorts them.
fn files(side: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder().join(side))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "bin"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_string();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort_by_key(|(name, _)| format!("{name}.bin"));
    files
}

fn digest(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".into(),
        Some(bytes) => format!("{}:{:x}", bytes.len(), crc32c::crc32c(bytes)),
    }
}

fn describe(name: &str, batch: &BatchView<'_>) -> String {
    let h = batch.header();
    assert!(batch.crc_is_valid(), "{name}");
    let horizon = h.delete_horizon_ms();
    let mut out = format!(
        "batch {name} size={} offsets={}..={} leader_epoch={} codec={} time={:?} base_time={} \
         max_time={} producer={}/{} sequences={}..={} transactional={} control={} horizon={} \
         count={} crc={:x}\n",
        h.size_bytes(),
        h.base_offset,
        h.offset_last(),
        h.partition_leader_epoch,
        h.attributes.codec().unwrap(),
        h.attributes.timestamp_type(),
        h.base_timestamp,
        h.max_timestamp,
        h.producer_id,
        h.producer_epoch,
        h.base_sequence,
        h.sequence_last(),
        h.attributes.is_transactional(),
        h.attributes.is_control(),
        horizon.map_or("none".into(), |ms| ms.to_string()),
        h.record_count,
        h.crc,
    );
    batch
        .with_records(CAP, |records| {
            for record in records {
                describe_record(h, &record.unwrap(), &mut out);
            }
        })
        .unwrap();
    out
}

fn describe_record(header: &BatchHeader, record: &Record<'_>, out: &mut String) {
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|h| format!("{}:{}", str::from_utf8(h.key).unwrap(), digest(h.value)))
        .collect();
    write!(
        out,
        "  {} time={} key={} value={} headers=[{}]",
        header.offset_of(record.offset_delta),
        header.timestamp_of(record.timestamp_delta),
        digest(record.key),
        digest(record.value),
        headers.join(" "),
    )
    .unwrap();
    if header.attributes.is_control() {
        let marker = ControlRecord::parse(record).unwrap();
        let name = match marker.control_type {
            ControlType::Commit => "COMMIT",
            ControlType::Abort => "ABORT",
            ControlType::Other(_) => "OTHER",
        };
        write!(out, " marker={name}/{}", marker.coordinator_epoch).unwrap();
    }
    out.push('\n');
}

fn check(side: &str, batches_min: usize) {
    let expected = fs::read_to_string(folder().join(format!("{side}.txt"))).unwrap();
    let files = files(side);
    assert!(files.len() >= batches_min, "only {} files", files.len());
    let mut text = String::new();
    for (name, bytes) in &files {
        for batch in split_batches(bytes) {
            text += &describe(name, &batch.unwrap());
        }
    }
    for (ours, javas) in text.lines().zip(expected.lines()) {
        assert_eq!(ours, javas);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn batches_written_by_kafka_are_read_as_kafka_reads_them() {
    check("kafka", 20);
}

#[test]
fn batches_written_here_are_read_as_kafka_reads_them() {
    check("weir", 10);
}

/// Canary: the comparison above notices a single changed bit of any header field.
#[test]
fn canary_a_changed_header_bit_changes_the_text() {
    let bytes = fs::read(folder().join("kafka/compacted.bin")).unwrap();
    let before = describe("x", &BatchView::parse(&bytes).unwrap());
    let fields = [0..8, 12..16, 23..61];
    for byte in fields.into_iter().flatten() {
        let mut bad = bytes.clone();
        bad[byte] ^= 1;
        let bad = with_payload(&bad, &bytes[61..]);
        let batch = BatchView::parse(&bad).unwrap();
        let readable = batch.with_records(CAP, |mut records| records.all(|r| r.is_ok()));
        assert!(
            readable != Ok(true) || describe("x", &batch) != before,
            "byte {byte}"
        );
    }
}

#[test]
fn batches_of_kafkas_producer_are_accepted_unchanged() {
    let mut accepted = 0;
    for (name, bytes) in files("kafka") {
        if ["mixed", "large", "sequence"]
            .iter()
            .all(|s| !name.ends_with(s))
        {
            continue;
        }
        let bytes = with_header(&bytes, |h| h.base_offset = Offset(0));
        let valid = validate_batch(&bytes, 9, &limits()).unwrap();
        assert!(!valid.needs_crc_rewrite, "{name}");
        accepted += 1;
    }
    assert!(accepted >= 16);
}

/// Lengths of a compressible and an uncompressible value: several blocks where a codec has any.
fn sizes(codec: Codec) -> (usize, usize) {
    match codec {
        Codec::None => (100, 100),
        Codec::Snappy | Codec::Lz4 => (100_000, 70_000),
        Codec::Gzip | Codec::Zstd => (300_000, 100),
    }
}

fn noise_bytes(len: usize) -> Vec<u8> {
    let mut noise = 1u32;
    let mut next = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// What `weir/*.bin` holds.
fn our_batches() -> Vec<(String, Vec<u8>)> {
    let mut records = plain(200);
    records[0].key = None;
    records[1].value = None;
    records[2].timestamp = NO_TIMESTAMP;
    records[4].headers = vec![
        ("größe".into(), Some(b"42".to_vec())),
        (vec![], None),
        ("größe".into(), Some(vec![])),
    ];
    let mut out = Vec::new();
    for codec in Codec::ALL {
        let (run, noise) = sizes(codec);
        records[3].value = Some(vec![7; run]);
        records[5].value = Some(noise_bytes(noise));
        let mut builder = BatchBuilder::new(codec)
            .base_offset(Offset(1 << 40))
            .partition_leader_epoch(LeaderEpoch(9))
            .producer(ProducerId(77), ProducerEpoch(1), i32::MAX - 5);
        append_all(&mut builder, &records);
        out.push((codec.name().to_string(), builder.build().unwrap()));
        let stamped = BatchBuilder::new(codec)
            .transactional()
            .log_append_time(NOW);
        let mut stamped = stamped.producer(ProducerId(77), ProducerEpoch(1), 0);
        append_all(&mut stamped, &plain(2));
        out.push((format!("{codec}-stamped"), stamped.build().unwrap()));
    }
    for (name, control_type) in [
        ("commit", ControlType::Commit),
        ("abort", ControlType::Abort),
    ] {
        let marker = control_batch(ProducerId(5), ProducerEpoch(6), control_type, 7, NOW);
        out.push((format!("marker-{name}"), marker));
    }
    out
}

/// When this fails after a codec's crate was changed on purpose: write them again (README) and let
/// Kafka read them.
#[test]
fn our_golden_batches_are_what_we_write() {
    let mut ours = our_batches();
    ours.sort_by_key(|(name, _)| format!("{name}.bin"));
    let stored = files("weir");
    assert_eq!(ours.len(), stored.len());
    for ((name, bytes), (stored_name, stored_bytes)) in ours.iter().zip(&stored) {
        assert_eq!(name, stored_name);
        assert!(bytes == stored_bytes, "{name} is written otherwise now");
    }
}

#[test]
#[ignore = "writes the golden files"]
fn write_our_golden_batches() {
    for (name, bytes) in our_batches() {
        fs::write(folder().join(format!("weir/{name}.bin")), bytes).unwrap();
    }
}

/// Kafka's marker and ours are the same bytes.
#[test]
fn markers_are_kafkas_byte_for_byte() {
    for (name, control_type) in [
        ("commit", ControlType::Commit),
        ("abort", ControlType::Abort),
    ] {
        let kafkas = fs::read(folder().join(format!("kafka/marker-{name}.bin"))).unwrap();
        let ours = control_batch(ProducerId(1234), ProducerEpoch(5), control_type, 17, NOW);
        let ours = with_header(&ours, |h| {
            h.base_offset = Offset(70);
            h.partition_leader_epoch = LeaderEpoch(3);
        });
        assert_eq!(ours, kafkas, "{name}");
    }
}
