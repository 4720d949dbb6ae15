//! A plain socket that speaks Kafka's protocol: the client that is never the limit.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use weir_protocol::{
    Message, Request, frame,
    header::decode_response_header,
    messages::{
        FetchRequest, FetchResponse, ListOffsetsRequest, MetadataRequest, ProduceRequest,
        ProduceResponse,
        fetch_request::{FetchPartition, FetchTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    records::{BatchBuilder, Codec, split_batches},
    str::Str,
    wire::{Reader, Records},
};

use super::payload::Payload;

/// No answer may take longer.
const IO_LIMIT: Duration = Duration::from_secs(60);
pub const PRODUCE_VERSION: i16 = 9;
pub const FETCH_VERSION: i16 = 12;
const METADATA_VERSION: i16 = 9;
const LIST_OFFSETS_VERSION: i16 = 5;

pub struct RawClient {
    stream: TcpStream,
    correlation_id: i32,
    buffer: BytesMut,
}

impl RawClient {
    pub fn connect(address: &str) -> io::Result<RawClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(IO_LIMIT))?;
        stream.set_write_timeout(Some(IO_LIMIT))?;
        Ok(RawClient {
            stream,
            correlation_id: 0,
            buffer: BytesMut::new(),
        })
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.correlation_id += 1;
        self.stream
            .write_all(&encode(version, self.correlation_id, request))?;
        let body = self.read_frame()?;
        decode::<R>(version, body)
    }

    fn read_frame(&mut self) -> io::Result<Bytes> {
        read_frame(&mut self.stream, &mut self.buffer)
    }

    /// The leaders' answer to a metadata question about one topic (created if need be).
    pub fn metadata(&mut self, topic: &str) -> io::Result<()> {
        let question = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(Str::from_str_copy(topic)),
                ..Default::default()
            }]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        self.call(METADATA_VERSION, &question).map(|_| ())
    }

    /// Metadata without topics: what a client asks first.
    pub fn brokers(&mut self) -> io::Result<usize> {
        let question = MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        };
        let answer = self.call(METADATA_VERSION, &question)?;
        Ok(answer.brokers.len())
    }

    /// The offset behind the last record of partition 0.
    pub fn end(&mut self, topic: &str) -> io::Result<i64> {
        let question = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: Str::from_str_copy(topic),
                partitions: vec![ListOffsetsPartition {
                    partition_index: 0,
                    current_leader_epoch: -1,
                    timestamp: -1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = self.call(LIST_OFFSETS_VERSION, &question)?;
        let first = answer.topics.first().and_then(|t| t.partitions.first());
        let first = first.ok_or_else(|| other("no partition in the answer"))?;
        no_error("ListOffsets", first.error_code)?;
        Ok(first.offset)
    }

    /// One fetch of partition 0: bytes of records, and the offset to go on with.
    pub fn fetch(&mut self, request: &FetchRequest) -> io::Result<Fetched> {
        let answer = self.call(FETCH_VERSION, request)?;
        fetched(&answer)
    }

    pub fn produce(&mut self, request: &ProduceRequest) -> io::Result<i64> {
        let answer = self.call(PRODUCE_VERSION, request)?;
        stored_at(&answer)
    }

    /// Splits into a writer of prepared frames and a reader of their answers, with at most
    /// `in_flight` (≥ 1) requests between the two.
    pub fn pipeline(self, in_flight: usize) -> (FrameSender, AnswerReader) {
        // One permit is with the reader while it waits for that answer.
        let (permit, taken) = sync_channel(in_flight - 1);
        let reading = self.stream.try_clone().expect("another handle of a socket");
        let sender = FrameSender {
            stream: self.stream,
            permit,
        };
        let reader = AnswerReader {
            stream: reading,
            buffer: BytesMut::new(),
            taken,
        };
        (sender, reader)
    }
}

pub struct FrameSender {
    stream: TcpStream,
    permit: SyncSender<()>,
}

impl FrameSender {
    /// Waits for a permit, then sends. Fails when the reader is gone.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let gone = |_| other("the reader has stopped");
        self.permit.send(()).map_err(gone)?;
        self.stream.write_all(frame)
    }
}

pub struct AnswerReader {
    stream: TcpStream,
    buffer: BytesMut,
    taken: Receiver<()>,
}

impl AnswerReader {
    /// The next answer's base offset; `None` when the sender is gone and every answer was read.
    pub fn next(&mut self) -> io::Result<Option<i64>> {
        if self.taken.recv().is_err() {
            return Ok(None);
        }
        let body = read_frame(&mut self.stream, &mut self.buffer)?;
        let answer = decode::<ProduceRequest>(PRODUCE_VERSION, body)?;
        stored_at(&answer).map(Some)
    }
}

/// What a fetch gave.
#[derive(Clone, Copy, Debug)]
pub struct Fetched {
    pub bytes: usize,
    pub records: i64,
    /// `None`: no records.
    pub offset_next: Option<i64>,
}

/// As consumers are set by default: up to 1 MiB of a partition, 50 MiB in all, 500 ms.
pub fn fetch_request(topic: &str, offset: i64) -> FetchRequest {
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: Str::from_str_copy(topic),
            partitions: vec![FetchPartition {
                partition: 0,
                current_leader_epoch: -1,
                fetch_offset: offset,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// One uncompressed batch of `count` records from number `first` on, to partition 0, acks=all.
pub fn produce_request(
    topic: &str,
    payload: &Payload,
    first: usize,
    count: usize,
    now_ms: i64,
) -> ProduceRequest {
    let mut batch = BatchBuilder::new(Codec::None);
    for number in first..first + count {
        batch.append(now_ms, None, Some(payload.record(number)));
    }
    let batch = batch.build().expect("a batch of records");
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: Str::from_str_copy(topic),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(Records::from(Bytes::from(batch))),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The whole frame of a request.
pub fn encode<R: Request>(version: i16, correlation_id: i32, request: &R) -> Vec<u8> {
    let client = Some(Str::from_static("perf"));
    let chunks = frame::request(version, correlation_id, client, request);
    chunks.expect("a request that can be encoded").concat()
}

fn read_frame(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Bytes> {
    let mut size = [0; frame::SIZE_PREFIX_BYTES];
    stream.read_exact(&mut size)?;
    let size = frame::check_size(size, 1 << 30).map_err(other)?;
    // Takes the memory of earlier frames again once nobody holds them.
    buffer.clear();
    buffer.resize(size, 0);
    stream.read_exact(buffer)?;
    Ok(buffer.split().freeze())
}

fn decode<R: Request>(version: i16, body: Bytes) -> io::Result<R::Response> {
    let mut reader = Reader::new(body);
    decode_response_header(&mut reader, R::KEY, version).map_err(other)?;
    R::Response::decode(&mut reader, version).map_err(other)
}

fn stored_at(answer: &ProduceResponse) -> io::Result<i64> {
    let first = answer.responses.first();
    let first = first.and_then(|topic| topic.partition_responses.first());
    let first = first.ok_or_else(|| other("no partition in the answer"))?;
    no_error("Produce", first.error_code)?;
    Ok(first.base_offset)
}

fn fetched(answer: &FetchResponse) -> io::Result<Fetched> {
    no_error("Fetch", answer.error_code)?;
    let first = answer.responses.first();
    let mut result = Fetched {
        bytes: 0,
        records: 0,
        offset_next: None,
    };
    // No topic: nothing new within the wait.
    let Some(partition) = first.and_then(|topic| topic.partitions.first()) else {
        return Ok(result);
    };
    no_error("Fetch", partition.error_code)?;
    let records = partition.records.clone().unwrap_or_default().into_bytes();
    for batch in split_batches(&records) {
        // The last batch may be cut off at the limit of bytes.
        let Ok(batch) = batch else { break };
        result.bytes += batch.as_bytes().len();
        result.records += i64::from(batch.header().record_count);
        result.offset_next = Some(batch.header().offset_next().0);
    }
    Ok(result)
}

fn no_error(api: &str, code: i16) -> io::Result<()> {
    if code == 0 {
        return Ok(());
    }
    let name = weir_protocol::ErrorCode(code).name();
    Err(other(format!("{api} answers {name} ({code})")))
}

pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}
