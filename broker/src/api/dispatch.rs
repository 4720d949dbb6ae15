//! From a frame to its handler, and from the response to bytes.
//!
//! Owns: header decoding, version checks, the gate before the broker is ready, metrics per API.
//! Does not own: frames (`net`), what a request means (the handler files).

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;
use weir_protocol::{
    api_key::ApiKey,
    header::{RequestHeader, ResponseHeader},
    str::Str,
    wire::{Message, Reader, Writer},
};
use weir_tiering::budget::Permit;

use super::{Answer, AnswerBytes, Api, Connection, RequestContext, RequestError, list};
use crate::node::Broker;

/// A request as it came from the socket.
pub struct IncomingFrame {
    pub api_key: ApiKey,
    pub api_version: i16,
    /// Header and body, without the size field.
    pub bytes: Bytes,
    /// Memory of `bytes`.
    pub permit: Permit,
}

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
    entries: Vec<Option<ApiEntry>>,
}

impl Dispatch {
    pub fn new(broker: watch::Receiver<Option<Arc<Broker>>>) -> Dispatch {
        let mut entries: Vec<Option<ApiEntry>> = Vec::new();
        for entry in list::all() {
            let index = entry.api.key as usize;
            if entries.len() <= index {
                entries.resize_with(index + 1, || None);
            }
            entries[index] = Some(entry);
        }
        Dispatch { broker, entries }
    }

    /// Handles one request up to the point where the next one may begin.
    pub async fn handle(
        &self,
        connection: Arc<Connection>,
        frame: IncomingFrame,
    ) -> Result<Answer, RequestError> {
        let key = frame.api_key;
        let entry = self.entries.get(key as usize).and_then(Option::as_ref);
        let entry = entry.ok_or(RequestError::NotServed { api: key.name() })?;
        let served = entry.api.versions.contains(&frame.api_version);
        if !served && key != ApiKey::ApiVersions {
            return Err(RequestError::Version {
                api: key.name(),
                version: frame.api_version,
            });
        }
        let broker = self.ready().await?;
        let mut reader = Reader::new(frame.bytes, key.name(), frame.api_version);
        // Kafka reads the header of an ApiVersions request of a future version like version 0's.
        let header_version = if served { frame.api_version } else { 0 };
        let header = RequestHeader::decode(&mut reader, key, header_version)?;
        let reply = Reply {
            key,
            version: header_version,
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
            client_id: header.client_id.unwrap_or_else(|| Str::from("")),
        };
        let call = Call {
            context,
            reader,
            reply,
            permit: frame.permit,
        };
        (entry.call)(call).await
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
    /// Decodes the request; bytes behind it are an error, as in Kafka.
    pub fn decode<M: Message>(
        mut self,
    ) -> Result<(RequestContext, M, Reply, Permit), RequestError> {
        let request = M::decode(&mut self.reader, self.reply.version)?;
        let left = self.reader.remaining();
        if left > 0 {
            return Err(RequestError::TrailingBytes {
                api: self.reply.key.name(),
                version: self.reply.version,
                left,
            });
        }
        Ok((self.context, request, self.reply, self.permit))
    }
}

impl Reply {
    /// The whole answer: size field, header, body.
    pub fn encode<M: Message>(&self, response: &M) -> Result<AnswerBytes, RequestError> {
        let mut writer = Writer::frame();
        let header = ResponseHeader {
            correlation_id: self.correlation_id,
            ..ResponseHeader::default()
        };
        header.encode_for(&mut writer, self.key, self.version);
        response.encode(&mut writer, self.version);
        writer.finish().map_err(|error| RequestError::Encode {
            api: self.key.name(),
            version: self.version,
            message: error.to_string(),
        })
    }
}
