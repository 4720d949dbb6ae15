//! Throughput over a plain socket: what the broker does when the client is not the limit.

use std::{io, sync::Arc, time::Duration};

use weir_compat_tests::harness::time::{self, poll_for};

use super::{
    hot::{Amount, Volume, WINDOW_RECORDS},
    payload::{Payload, RECORD_BYTES},
    wire::{PRODUCE_VERSION, RawClient, encode, fetch_request, produce_request},
};

/// About 1 MB, just under Kafka's limit for a batch.
const BATCH_RECORDS: usize = 960;
/// Different batches, sent over and over: 64 MB.
const BATCHES: usize = 64;
const IN_FLIGHT: usize = 5;
pub const SETTINGS_TEXT: &str = "plain socket, prepared batches of 1 MB, 5 requests in flight";

fn text(error: io::Error) -> String {
    error.to_string()
}

/// By asking for it, and waiting until its leader answers.
pub fn create_topic(address: &str, topic: &str) -> Result<(), String> {
    let mut client = RawClient::connect(address).map_err(text)?;
    let serves = poll_for(Duration::from_secs(30), || {
        client.metadata(topic).ok()?;
        client.end(topic).ok()
    });
    serves.map(|_| ()).ok_or(format!("{topic} gets no leader"))
}

pub fn produce(
    address: &str,
    topic: &str,
    payload: &Payload,
    amount: Amount,
) -> Result<Volume, String> {
    let now = time::wall_ms();
    let frames: Vec<Vec<u8>> = (0..BATCHES)
        .map(|n| {
            let request = produce_request(topic, payload, n * BATCH_RECORDS, BATCH_RECORDS, now);
            encode(PRODUCE_VERSION, n as i32, &request)
        })
        .collect();
    let frames = Arc::new(frames);
    let client = RawClient::connect(address).map_err(text)?;
    let (mut sender, mut answers) = client.pipeline(IN_FLIGHT);
    let mut volume = Volume::begin();
    let writer = time::spawn("raw-producer", move || {
        let mut volume = volume;
        for frame in frames.iter().cycle() {
            if amount.reached(&volume) {
                break;
            }
            sender.send(frame)?;
            volume.bytes += (BATCH_RECORDS * RECORD_BYTES) as u64;
        }
        io::Result::Ok(())
    });
    while answers.next().map_err(text)?.is_some() {
        volume.bytes += (BATCH_RECORDS * RECORD_BYTES) as u64;
    }
    let volume = volume.end();
    let written = writer.join().map_err(|_| "the writer panicked")?;
    written.map_err(text)?;
    Ok(volume)
}

/// Reads the newest records again and again.
pub fn consume(address: &str, topic: &str, amount: Amount) -> Result<Volume, String> {
    let mut client = RawClient::connect(address).map_err(text)?;
    let end = client.end(topic).map_err(text)?;
    let start = end - WINDOW_RECORDS;
    let mut offset = start;
    let mut volume = Volume::begin();
    while !amount.reached(&volume) {
        let fetched = client.fetch(&fetch_request(topic, offset)).map_err(text)?;
        volume.bytes += fetched.records as u64 * RECORD_BYTES as u64;
        offset = match fetched.offset_next {
            Some(next) if next < end => next,
            _ => start,
        };
    }
    Ok(volume.end())
}
