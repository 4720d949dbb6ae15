//! The private API "who are you?" (key 30000, version 0): served by every broker on all listeners,
//! also before it is ready; never advertised (design §6).
//!
//! Request: Kafka's header v1 and no body. Answer: header v0, then cluster id (uuid), node id (i32),
//! process id (uuid), host (string), start time (i64, milliseconds).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weir_protocol::{
    str::Str,
    wire::{DecodeError, Reader, Writer},
};
use weir_tiering::{
    env::Env,
    ids::{BrokerId, ClusterId, ProcessId},
};

pub const WHO_KEY: i16 = 30_000;
/// For connecting, asking and the answer together.
const ASK_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_LEN_MAX: usize = 4096;

/// Who a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAnswer {
    pub cluster: ClusterId,
    pub node_id: BrokerId,
    pub process: ProcessId,
    pub host: String,
    /// Wall clock, milliseconds.
    pub start_ms: i64,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Answered(WhoAnswer),
    /// Nobody listens there.
    Refused,
    /// Somebody listens and is no Weir of this version, or does not answer.
    Unclear(String),
}

impl WhoAnswer {
    /// The whole answer to a request with this correlation id.
    pub fn encode(&self, correlation_id: i32) -> Vec<Bytes> {
        let mut w = Writer::framed(128);
        w.i32(correlation_id);
        w.uuid(self.cluster.0);
        w.i32(self.node_id.0 as i32);
        w.uuid(self.process.0);
        w.string(false, "host", &Str::from(self.host.clone()));
        w.i64(self.start_ms);
        w.finish().expect("a host name is short")
    }

    fn decode(frame: Bytes) -> Result<WhoAnswer, DecodeError> {
        let mut r = Reader::new(frame);
        r.i32("correlation_id")?;
        Ok(WhoAnswer {
            cluster: ClusterId(r.uuid("cluster_id")?),
            node_id: BrokerId(r.i32("node_id")? as u32),
            process: ProcessId(r.uuid("process_id")?),
            host: r.string(false, "host")?.to_string(),
            start_ms: r.i64("start_ms")?,
        })
    }
}

/// The correlation id of a "who are you?" frame; `None` when it is too short.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    let bytes = frame.get(4..8)?;
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

/// Asks whoever listens at `host:port`.
pub async fn ask(env: &Env, host: &str, port: u16) -> Asked {
    match env.timeout(ASK_LIMIT, ask_once(host, port)).await {
        Ok(Ok(answer)) => Asked::Answered(answer),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Asked::Refused,
        Ok(Err(error)) => Asked::Unclear(error.to_string()),
        Err(_) => Asked::Unclear("no answer in 2 s".to_owned()),
    }
}

async fn ask_once(host: &str, port: u16) -> std::io::Result<WhoAnswer> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let mut w = Writer::framed(32);
    w.i16(WHO_KEY);
    w.i16(0);
    w.i32(1);
    w.nullable_string(false, "client_id", None);
    let invalid = |error: String| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    for chunk in w.finish().map_err(|error| invalid(error.to_string()))? {
        stream.write_all(&chunk).await?;
    }
    let len = stream.read_u32().await? as usize;
    if len > ANSWER_LEN_MAX {
        return Err(invalid(format!("an answer of {len} bytes")));
    }
    let mut answer = BytesMut::zeroed(len);
    stream.read_exact(&mut answer).await?;
    WhoAnswer::decode(answer.freeze()).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use weir_protocol::types::Uuid;

    use super::*;

    #[test]
    fn answers_round_trip() {
        let answer = WhoAnswer {
            cluster: ClusterId(Uuid([1; 16])),
            node_id: BrokerId(7),
            process: ProcessId(Uuid([2; 16])),
            host: "a.example".to_owned(),
            start_ms: 1234,
        };
        let frame: Vec<u8> = answer.encode(9).concat();
        assert_eq!(
            WhoAnswer::decode(Bytes::from(frame[4..].to_vec())),
            Ok(answer)
        );
        assert_eq!(correlation_id(&frame[..8]).map(|_| ()), Some(()));
        assert_eq!(correlation_id(&[0; 7]), None);
    }
}
