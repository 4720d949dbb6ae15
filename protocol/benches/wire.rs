//! What decoding a Produce request and encoding a Fetch response cost, for 1, 100 and 1000
//! partitions. `cargo bench -p weir-protocol`; the crate kafka-protocol does the same beside it.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use std::hint::black_box;
use std::time::{Duration, Instant};
use weir_protocol::message::Message;
use weir_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use weir_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use weir_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest};
use weir_protocol::wire::{Reader, Records};

/// The one of the broker.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: usize = 200;
const ROUND_TIME: Duration = Duration::from_millis(2);
const PARTITIONS: [usize; 3] = [1, 100, 1000];
const RECORDS_BYTES: usize = 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures this machine"
)]
fn now() -> Instant {
    Instant::now()
}

/// ns per call in the best tenth of many short rounds: what else runs on the machine takes its time
/// from the others.
fn measure(mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            let mut calls = 0u32;
            while start.elapsed() < ROUND_TIME {
                (0..16).for_each(|_| call());
                calls += 16;
            }
            start.elapsed().as_nanos() as f64 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 10]
}

fn row(what: &str, figures: impl Iterator<Item = f64>) {
    let only = std::env::args().nth(1).filter(|arg| !arg.starts_with('-'));
    if only.is_some_and(|only| !what.contains(&only)) {
        return;
    }
    let figures: Vec<String> = figures.map(|ns| format!("{ns:>12.0}")).collect();
    println!("{what:<44}{}", figures.join(""));
}

fn produce(partitions: usize) -> Bytes {
    let records = Bytes::from(vec![7; RECORDS_BYTES]);
    let partition = |index| PartitionProduceData {
        index,
        records: Some(Records::from(records.clone())),
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "orders".into(),
            partition_data: (0..partitions as i32).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    request.to_bytes(9).unwrap()
}

fn fetch(partitions: usize) -> FetchResponse {
    let records = Bytes::from(vec![7; RECORDS_BYTES]);
    let partition = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1000,
        last_stable_offset: 1000,
        log_start_offset: 0,
        aborted_transactions: None,
        records: Some(Records::from(records.clone())),
        ..Default::default()
    };
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: "orders".into(),
            partitions: (0..partitions as i32).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Reads the fields by hand and keeps nothing: the least that any decoder can do.
fn scan(frame: &[u8]) -> usize {
    fn uvarint(at: &mut &[u8]) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = at[0];
            *at = &at[1..];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }
    let at = &mut &frame[1 + 2 + 4..];
    let mut records_bytes = 0;
    for _ in 1..uvarint(at) {
        let name = uvarint(at) - 1;
        *at = &at[name..];
        for _ in 1..uvarint(at) {
            *at = &at[4..];
            let records = uvarint(at) - 1;
            *at = &at[records + 1..];
            records_bytes += records;
        }
        *at = &at[1..];
    }
    records_bytes
}

fn main() {
    println!(
        "ns per call{:<33}{:>12}{:>12}{:>12}",
        "", "1", "100", "1000"
    );
    let frames = PARTITIONS.map(produce);
    assert_eq!(scan(&frames[2]), 1000 * RECORDS_BYTES);
    row(
        "Produce v9, scan by hand that keeps nothing",
        frames.iter().map(|f| {
            measure(|| {
                black_box(scan(black_box(f)));
            })
        }),
    );
    row(
        "only the slices of the records, kept and dropped",
        frames.iter().zip(PARTITIONS).map(|(f, count)| {
            measure(|| {
                let mut slices: Vec<Bytes> = Vec::with_capacity(count);
                for i in 0..count {
                    slices.push(f.slice(i..i + RECORDS_BYTES));
                }
                black_box(slices);
            })
        }),
    );
    row(
        "Produce v9, decode and drop",
        frames.iter().map(|f| {
            measure(|| {
                let mut reader = Reader::new(f.clone());
                drop(black_box(ProduceRequest::decode(&mut reader, 9).unwrap()));
            })
        }),
    );
    row(
        "Produce v9, decode and drop, kafka-protocol",
        frames.iter().map(|f| {
            measure(|| {
                let theirs = kafka_protocol::messages::ProduceRequest::decode(&mut f.clone(), 9);
                drop(black_box(theirs.unwrap()));
            })
        }),
    );
    let responses = PARTITIONS.map(fetch);
    row(
        "Fetch v12, whole frame as a gather list",
        responses.iter().map(|r| {
            measure(|| {
                let frame = weir_protocol::frame::response::<FetchRequest>(12, 7, black_box(r));
                drop(black_box(frame.unwrap()));
            })
        }),
    );
    let theirs = PARTITIONS.map(|count| {
        let mut bytes = fetch(count).to_bytes(12).unwrap();
        kafka_protocol::messages::FetchResponse::decode(&mut bytes, 12).unwrap()
    });
    row(
        "Fetch v12, kafka-protocol (copies records)",
        theirs.iter().map(|r| {
            measure(|| {
                let mut out = BytesMut::new();
                r.encode(&mut out, 12).unwrap();
                drop(black_box(out));
            })
        }),
    );
}
