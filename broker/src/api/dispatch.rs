//! From a frame to its handler, and from the response to bytes.
//!
//! Owns: header decoding, version checks, the gate before the broker is ready, metrics per API.
//! Does not own: frames (`net`), what a request means (the handler files).

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;
use weir_protocol::{
    api_key::ApiKey,
    header::{RequestHeader, encode_response_header},
    message::Message,
    wire::{Reader, Writer},
};
use weir_tiering::budget::Permit;

use super::{Answer, AnswerBytes, Api, Connection, RequestContext, RequestError, list};
use crate::{
    net::{Frame, FrameKey},
    node::{Broker, WhoAnswer, who},
    telemetry::metrics::{ApiMetrics, Metrics},
};

/// First allocation for an answer's small fields.
const RESPONSE_CAPACITY: usize = 512;

/// One line of the list of APIs.
pub struct ApiEntry {
    pub api: Api,
    pub call: fn(Call) -> BoxFuture<'static, Result<Answer, RequestError>>,
}

/// A request on its way into a handler.
pub struct Call {
    pub context: RequestContext,
    reader: Reader,
    reply: Reply,
    permit: Permit,
}

/// How the answer to a request is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

/// Routes requests once the broker is ready; until then they wait.
pub struct Dispatch {
    broker: watch::Receiver<Option<Arc<Broker>>>,
    who: WhoAnswer,
    entries: Vec<Option<(ApiEntry, ApiMetrics)>>,
}

impl Dispatch {
    pub fn new(
        broker: watch::Receiver<Option<Arc<Broker>>>,
        who: WhoAnswer,
        metrics: &Metrics,
    ) -> Dispatch {
        let mut entries: Vec<Option<(ApiEntry, ApiMetrics)>> = Vec::new();
        for entry in list::all() {
            let index = entry.api.key as usize;
            if entries.len() <= index {
                entries.resize_with(index + 1, || None);
            }
            let metrics = metrics.api(entry.api.key.name());
            entries[index] = Some((entry, metrics));
        }
        Dispatch {
            broker,
            who,
            entries,
        }
    }

    /// Handles one request up to the point where the next one may begin.
    pub async fn handle(
        &self,
        connection: Arc<Connection>,
        frame: Frame,
    ) -> Result<Answer, RequestError> {
        let key = match frame.key {
            FrameKey::Kafka(key) => key,
            FrameKey::Who => {
                let correlation_id = who::correlation_id(&frame.bytes).unwrap_or_default();
                return Ok(Answer::Ready(self.who.encode(correlation_id)));
            }
        };
        let entry = self.entries.get(key as usize).and_then(Option::as_ref);
        let (entry, metrics) = entry.ok_or(RequestError::NotServed { api: key.name() })?;
        metrics.requests.increment(1);
        let served = entry.api.versions.contains(&frame.api_version);
        if !served && key != ApiKey::ApiVersions {
            return Err(RequestError::Version {
                api: key.name(),
                version: frame.api_version,
            });
        }
        let broker = self.ready().await?;
        let mut reader = Reader::new(frame.bytes);
        let header = RequestHeader::decode(&mut reader)?;
        let reply = Reply {
            key,
            version: if served { frame.api_version } else { 0 },
            correlation_id: header.correlation_id,
        };
        if !served {
            let response = super::api_versions::unsupported_version();
            return reply.encode(&response).map(Answer::Ready);
        }
        let context = RequestContext {
            broker,
            connection,
            version: frame.api_version,
            client_id: header.client_id.unwrap_or_default(),
        };
        let call = Call {
            context,
            reader,
            reply,
            permit: frame.permit,
        };
        let began = call.context.env.clock.boot();
        let env = call.context.env.clone();
        let answer = (entry.call)(call).await;
        metrics
            .seconds
            .record((env.clock.boot() - began).as_secs_f64());
        answer
    }

    async fn ready(&self) -> Result<Arc<Broker>, RequestError> {
        if let Some(broker) = self.broker.borrow().as_ref() {
            return Ok(broker.clone());
        }
        let mut broker = self.broker.clone();
        let ready = broker.wait_for(Option::is_some).await;
        let ready = ready.ok().and_then(|broker| broker.clone());
        ready.ok_or(RequestError::NotServed { api: "any API" })
    }
}

impl Call {
    /// Decodes the request. Bytes behind it are ignored, as in Kafka: librdkafka sends some in its
    /// Metadata v13 requests for all topics.
    pub fn decode<M: Message>(
        mut self,
    ) -> Result<(RequestContext, M, Reply, Permit), RequestError> {
        let request = M::decode(&mut self.reader, self.reply.version)?;
        Ok((self.context, request, self.reply, self.permit))
    }
}

impl Reply {
    /// The whole answer: size field, header, body.
    pub fn encode<M: Message>(&self, response: &M) -> Result<AnswerBytes, RequestError> {
        let mut writer = Writer::framed(RESPONSE_CAPACITY);
        encode_response_header(&mut writer, self.key, self.version, self.correlation_id);
        response.encode(&mut writer, self.version);
        writer.finish().map_err(|error| RequestError::Encode {
            api: self.key.name(),
            version: self.version,
            message: error.to_string(),
        })
    }
}
