//! From a frame to its handler, and from the response to bytes.
//!
//! Owns: header decoding, version checks, the gate before the broker is ready, the memory of decoded
//! requests and of answers. Does not own: frames (`net`), what a request means (the handler files).
//! Invariant (R1): what a request makes the broker hold is bounded by bytes taken from a budget: its
//! frame by its permit, decoded vectors and an answer by permits of their own until it is written. What is below [`SMALL`] is not asked for, so that groups keep their sessions
//! whatever other clients do.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::watch;
use weir_protocol::{
    api_key::ApiKey,
    header::{RequestHeader, encode_response_header},
    message::Message,
    wire::{Reader, Writer},
};
use weir_tiering::{budget::Permit, env::Env};

use super::{
    Answer, Answering, Api, Connection, Meter, Outgoing, RequestContext, RequestError, list,
};
use crate::{
    net::{Frame, FrameKey, RequestMemory},
    node::{Broker, WhoAnswer, who},
    telemetry::metrics::{ApiMetrics, Metrics},
};

/// First allocation for an answer's small fields.
const RESPONSE_CAPACITY: usize = 512;
/// Decoded vectors and answers up to this many bytes are not asked for.
const SMALL: usize = 16 * 1024;
/// What a decoded byte becomes while its request is handled.
const DECODED_FACTOR: usize = 3;
/// How long a request may wait for a broker that is registering again.
const READY_MAX: Duration = Duration::from_secs(30);

/// One line of the list of APIs.
pub struct ApiEntry {
    pub api: Api,
    pub call: fn(Call) -> BoxFuture<'static, Result<Answer, RequestError>>,
}

/// A request on its way into a handler.
pub struct Call {
    context: RequestContext,
    reader: Reader,
    reply: Reply,
}

/// How the answer to a request is encoded, and the memory that the request holds.
#[derive(Debug)]
pub struct Reply {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    frame: Option<Permit>,
    decoded: Option<Permit>,
}

/// Routes requests once the broker is ready; until then they wait.
pub struct Dispatch {
    env: Env,
    broker: watch::Receiver<Option<Arc<Broker>>>,
    who: WhoAnswer,
    memory: RequestMemory,
    entries: Vec<Option<(ApiEntry, Arc<ApiMetrics>)>>,
}

impl Dispatch {
    pub fn new(
        env: Env,
        broker: watch::Receiver<Option<Arc<Broker>>>,
        who: WhoAnswer,
        memory: RequestMemory,
        metrics: &Metrics,
    ) -> Dispatch {
        let mut entries: Vec<Option<(ApiEntry, Arc<ApiMetrics>)>> = Vec::new();
        for entry in list::all() {
            let index = entry.api.key as usize;
            if entries.len() <= index {
                entries.resize_with(index + 1, || None);
            }
            let metrics = Arc::new(metrics.api(entry.api.key.name()));
            entries[index] = Some((entry, metrics));
        }
        Dispatch {
            env,
            broker,
            who,
            memory,
            entries,
        }
    }

    /// Handles one request up to the point where the next one may begin.
    pub async fn handle(
        &self,
        connection: Arc<Connection>,
        frame: Frame,
    ) -> Result<Answering, RequestError> {
        let key = match frame.key {
            FrameKey::Kafka(key) => key,
            FrameKey::Who => return Ok(self.who(&frame)),
        };
        let entry = self.entries.get(key as usize).and_then(Option::as_ref);
        let (entry, metrics) = entry.ok_or(RequestError::NotServed { api: key.name() })?;
        metrics.requests.increment(1);
        let version = frame.api_version;
        let served = entry.api.versions.contains(&version);
        if !served && key != ApiKey::ApiVersions {
            return Err(RequestError::Version {
                api: key.name(),
                version,
            });
        }
        let meter = Meter::new(Some(metrics.clone()), frame.arrived);
        let broker = self.ready().await?;
        // Committed data may be read from an owner that does not know yet that it is one no more.
        if !matches!(key, ApiKey::Fetch | ApiKey::ApiVersions) && !broker.still_owns().await {
            return Err(RequestError::Replaced);
        }
        let limit = decoded_max(key, frame.bytes.len()).min(self.memory.decoded.capacity());
        let mut reader = Reader::with_memory_limit(frame.bytes, limit);
        let header = RequestHeader::decode(&mut reader)?;
        let reply = Reply {
            key,
            version: if served { version } else { 0 },
            correlation_id: header.correlation_id,
            frame: Some(frame.permit),
            decoded: None,
        };
        if !served {
            let outgoing = reply.encode(&super::api_versions::unsupported_version())?;
            let answer = Answer::Ready(outgoing);
            return Ok(Answering { answer, meter });
        }
        let context = RequestContext {
            broker,
            connection,
            version,
            client_id: header.client_id.unwrap_or_default(),
            memory: self.memory.clone(),
        };
        let call = Call {
            context,
            reader,
            reply,
        };
        let answer = (entry.call)(call).await?;
        Ok(Answering { answer, meter })
    }

    fn who(&self, frame: &Frame) -> Answering {
        if let Some(broker) = self.broker.borrow().as_ref() {
            // Whoever asks may be about to take over, or has done so.
            broker.look_for_successor();
        }
        let correlation_id = who::correlation_id(&frame.bytes).unwrap_or_default();
        let outgoing = Outgoing {
            chunks: self.who.encode(correlation_id),
            ..Outgoing::default()
        };
        Answering {
            answer: Answer::Ready(outgoing),
            meter: Meter::new(None, frame.arrived),
        }
    }

    async fn ready(&self) -> Result<Arc<Broker>, RequestError> {
        if let Some(broker) = self.broker.borrow().as_ref() {
            return Ok(broker.clone());
        }
        let mut broker = self.broker.clone();
        let ready = self
            .env
            .timeout(READY_MAX, broker.wait_for(Option::is_some));
        let ready = ready.await.ok().and_then(Result::ok);
        ready
            .and_then(|broker| broker.clone())
            .ok_or(RequestError::NotReady)
    }
}

/// Most bytes that the vectors of a request may take. What clients send stays far below: a partition
/// of a Produce request has a batch of at least 61 bytes; elsewhere an element takes a few bytes on
/// the wire and up to a hundred in memory.
fn decoded_max(key: ApiKey, frame_len: usize) -> usize {
    let per_byte = if key == ApiKey::Produce { 2 } else { 8 };
    frame_len.saturating_mul(per_byte).saturating_add(SMALL)
}

/// APIs whose answers are small whatever is asked, and which must not wait behind large ones.
fn is_always_small(key: ApiKey) -> bool {
    use ApiKey as K;
    matches!(
        key,
        K::Produce
            | K::Fetch
            | K::ApiVersions
            | K::SaslHandshake
            | K::SaslAuthenticate
            | K::FindCoordinator
            | K::JoinGroup
            | K::SyncGroup
            | K::Heartbeat
            | K::LeaveGroup
            | K::OffsetCommit
            | K::InitProducerId
    )
}

impl Call {
    /// Decodes the request. Bytes behind it are ignored, as in Kafka: librdkafka sends some in its
    /// Metadata v13 requests for all topics. Waits for the memory of a large request, and, if the answer
    /// may be large, behind others that wait to send one.
    pub async fn decode<M: Message>(mut self) -> Result<(RequestContext, M, Reply), RequestError> {
        let before = self.reader.memory_left();
        let request = M::decode(&mut self.reader, self.reply.version)?;
        let decoded = before - self.reader.memory_left();
        let memory = &self.context.memory;
        if decoded > SMALL {
            let wanted = decoded.saturating_mul(DECODED_FACTOR);
            self.reply.decoded = Some(memory.decoded.acquire(wanted).await);
        }
        if !is_always_small(self.reply.key) {
            drop(memory.bytes.acquire(1).await);
        }
        Ok((self.context, request, self.reply))
    }
}

impl Reply {
    /// Takes over the memory of the frame, for what outlives this request.
    pub fn take_frame(&mut self) -> Option<Permit> {
        self.frame.take()
    }

    /// As [`Reply::encode`], with memory for an answer that is not small.
    pub async fn finish<M: Message>(
        self,
        ctx: &RequestContext,
        response: &M,
    ) -> Result<Outgoing, RequestError> {
        let memory = &ctx.memory.bytes;
        let mut outgoing = self.encode(response)?;
        let len = outgoing.chunks.iter().map(|chunk| chunk.len()).sum();
        if len > SMALL {
            outgoing.memory.push(memory.acquire(len).await);
        }
        Ok(outgoing)
    }

    /// The whole answer: size field, header, body.
    pub fn encode<M: Message>(self, response: &M) -> Result<Outgoing, RequestError> {
        let mut writer = Writer::framed(RESPONSE_CAPACITY);
        encode_response_header(&mut writer, self.key, self.version, self.correlation_id);
        response.encode(&mut writer, self.version);
        let chunks = writer.finish().map_err(|error| RequestError::Encode {
            api: self.key.name(),
            version: self.version,
            message: error.to_string(),
        })?;
        Ok(Outgoing {
            chunks,
            has_error: response.has_error(),
            memory: self.frame.into_iter().chain(self.decoded).collect(),
        })
    }
}
