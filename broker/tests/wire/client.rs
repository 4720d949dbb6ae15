//! A client that can also misbehave: typed requests in any version, or raw bytes.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    ops::RangeInclusive,
    time::Duration,
};

use bytes::Bytes;
use weir_protocol::{
    frame,
    header::decode_response_header,
    message::{Message, Request},
    messages::{
        CreateTopicsRequest, MetadataRequest, create_topics_request::CreatableTopic,
        metadata_request::MetadataRequestTopic, metadata_response::MetadataResponseTopic,
    },
    str::Str,
    types::Uuid,
    wire::Reader,
};

/// No answer takes so long.
const ANSWER_MAX: Duration = Duration::from_secs(30);

pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
    pub client_id: Option<Str>,
}

impl Client {
    pub fn connect(address: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            correlation_id: 0,
            client_id: Some(Str::from("wire-test")),
        }
    }

    /// Sends a request and returns its correlation id.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation_id += 1;
        let client_id = self.client_id.clone();
        let chunks = frame::request(version, self.correlation_id, client_id, request).unwrap();
        self.send_bytes(&chunks.concat());
        self.correlation_id
    }

    /// The next answer, which must be the one to `correlation_id`, whole and without a byte more.
    pub fn receive<R: Request>(&mut self, version: i16, correlation_id: i32) -> R::Response {
        let mut reader = Reader::new(self.receive_frame());
        let got = decode_response_header(&mut reader, R::KEY, version).unwrap();
        assert_eq!(got, correlation_id, "correlation id");
        let response = R::Response::decode(&mut reader, version).unwrap();
        reader.finish().unwrap();
        response
    }

    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let correlation_id = self.send(version, request);
        self.receive::<R>(version, correlation_id)
    }

    /// The next frame without its size.
    pub fn receive_frame(&mut self) -> Bytes {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).unwrap();
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        Bytes::from(body)
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends no more, as a client that closed its side.
    pub fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The broker closes the connection without a further byte.
    pub fn expect_closed(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => panic!("bytes before the end"),
            // Bytes that the broker had not read when it closed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection is still open: {error}"),
        }
    }

    /// The broker closes the connection in the end, whatever it sends before.
    pub fn expect_end(&mut self) {
        let mut bytes = vec![0; 1 << 16];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the connection is still open: {error}"),
            }
        }
    }

    /// Creates a topic with settings of its own, and returns its id.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        use weir_protocol::messages::create_topics_request::CreatableTopicConfig;
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: Str::from_str_copy(name),
            value: Some(Str::from_str_copy(value)),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: Str::from_str_copy(name),
                num_partitions: partitions,
                replication_factor: 1,
                configs: configs.iter().map(config).collect(),
                ..Default::default()
            }],
            timeout_ms: 30_000,
            ..Default::default()
        };
        let response = self.call(7, &request);
        let topic = &response.topics[0];
        assert_eq!(topic.error_code, 0, "{:?}", topic.error_message);
        topic.topic_id
    }

    /// What Metadata says of one topic, without creating it.
    pub fn topic(&mut self, name: &str) -> MetadataResponseTopic {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(Str::from_str_copy(name)),
                ..Default::default()
            }]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        self.call(12, &request).topics.remove(0)
    }
}

/// All versions of an API that Kafka 4.3.1 has.
pub fn versions<R: Request>() -> RangeInclusive<i16> {
    R::VERSIONS
}
