//! A connection that sends requests and reads answers, in any version.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use weir_protocol::{
    header::{RequestHeader, decode_response_header},
    message::{Message, Request},
    messages::{MetadataRequest, MetadataResponse, metadata_request},
    str::Str,
    types::Uuid,
    wire::{Reader, Writer},
};

/// No answer of these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            correlation_id: 0,
        }
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    /// Sends a request; the answer is taken with [`Client::receive`].
    pub fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let mut writer = Writer::new();
        let header = RequestHeader {
            api_key: R::KEY as i16,
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some(Str::from("wire")),
        };
        header.encode(&mut writer);
        request.encode(&mut writer, version);
        let body = writer.finish_contiguous().unwrap();
        let size = i32::try_from(body.len()).unwrap();
        self.stream.write_all(&size.to_be_bytes()).unwrap();
        self.stream.write_all(&body).unwrap();
    }

    /// The answer to the last request that was sent: all of it is understood, or the test fails.
    pub fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).unwrap();
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        let mut reader = Reader::new(Bytes::from(body));
        let correlation_id = decode_response_header(&mut reader, R::KEY, version).unwrap();
        assert_eq!(correlation_id, self.correlation_id);
        let response = R::Response::decode(&mut reader, version).unwrap();
        reader.finish().unwrap();
        response
    }

    /// Whether an answer is there, or comes within 200 ms.
    pub fn has_answer(&mut self) -> bool {
        let brief = Duration::from_millis(200);
        self.stream.set_read_timeout(Some(brief)).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        peeked.is_ok_and(|len| len > 0)
    }

    /// Creates a topic by asking for it; returns its id.
    pub fn topic(&mut self, name: &str) -> Uuid {
        let asked = metadata_request::MetadataRequestTopic {
            name: Some(Str::from_str_copy(name)),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![asked]),
            ..Default::default()
        };
        eventually(name, || {
            let metadata: MetadataResponse = self.call(12, &request);
            let topic = &metadata.topics[0];
            (topic.error_code == 0).then_some(topic.topic_id)
        })
    }
}

/// Repeats `attempt` until it gives something, for a bounded time.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        if let Some(found) = attempt() {
            return found;
        }
        std::thread::sleep(POLL);
    }
    panic!("{what} did not come");
}
