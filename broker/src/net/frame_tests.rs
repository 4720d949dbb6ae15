//! Frames over an in-memory pipe: what is read, when memory is taken, what ends a connection.

use std::{sync::Arc, task::Poll, time::Duration};

use tokio::io::{AsyncWriteExt, DuplexStream};
use weir_protocol::api_key::ApiKey;
use weir_tiering::env::{
    Env, Tasks,
    testing::{ManualClock, SeededRand},
};

use super::{
    Admission, AdmissionConfig, ConnectionLimits, Frame, FrameKey, SessionState,
    frame::{FrameError, read_frame},
    peer::Peer,
};

/// A pipe whose other side may be said to be gone.
impl Peer for DuplexStream {
    async fn gone(&mut self, env: &Env) {
        env.clock.sleep(Duration::from_secs(30)).await;
    }
}

struct Pipe {
    env: Env,
    clock: ManualClock,
    near: DuplexStream,
    far: DuplexStream,
    admission: Admission,
    limits: ConnectionLimits,
}

fn pipe(frames_bytes: u64) -> Pipe {
    let (near, far) = tokio::io::duplex(1 << 20);
    let clock = ManualClock::default();
    Pipe {
        env: Env {
            clock: Arc::new(clock.clone()),
            rand: Arc::new(SeededRand::new(1)),
            tasks: Tasks::default(),
        },
        clock,
        near,
        far,
        admission: Admission::new(AdmissionConfig {
            frames_bytes,
            decoded_bytes: 1000,
            answers_bytes: 1000,
            reserve_bytes: 1000,
        }),
        limits: ConnectionLimits {
            frame_len_max: 5000,
            idle: Some(Duration::from_secs(600)),
            frame: Duration::from_secs(10),
            write: Duration::from_secs(10),
            answers_max: 1,
        },
    }
}

impl Pipe {
    /// Time passes while nothing else happens.
    async fn read(&mut self) -> Result<Frame, FrameError> {
        let session = SessionState::plaintext();
        let Pipe {
            near,
            env,
            admission,
            limits,
            ..
        } = self;
        let mut read = Box::pin(read_frame(near, env, &session, admission, limits));
        for _ in 0..10_000 {
            if let Poll::Ready(frame) = futures::poll!(&mut read) {
                return frame;
            }
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("waits for ever");
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.far.write_all(bytes).await.unwrap();
    }
}

fn prefix(len: i32, key: ApiKey) -> Vec<u8> {
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend((key as i16).to_be_bytes());
    bytes.extend([0, 3]);
    bytes
}

#[tokio::test]
async fn a_frame_holds_its_memory_until_it_is_dropped() {
    let mut pipe = pipe(4000);
    pipe.send(&prefix(3000, ApiKey::Produce)).await;
    pipe.send(&[7; 2996]).await;
    let frame = pipe.read().await.unwrap();
    assert_eq!(frame.key, FrameKey::Kafka(ApiKey::Produce));
    assert_eq!((frame.api_version, frame.bytes.len()), (3, 3000));
    assert_eq!(pipe.admission.frames().available(), 1000);
    drop(frame);
    assert_eq!(pipe.admission.frames().available(), 4000);
}

#[tokio::test]
async fn a_frame_that_the_budget_cannot_hold_is_refused_at_once() {
    let mut pipe = pipe(4000);
    pipe.send(&prefix(4001, ApiKey::Produce)).await;
    let refused = pipe.read().await.map(drop);
    assert!(
        matches!(
            refused,
            Err(FrameError::Size {
                len: 4001,
                max: 4000
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn whoever_is_gone_does_not_wait_for_memory() {
    let mut pipe = pipe(4000);
    let _all = pipe.admission.frames().acquire(4000).await;
    pipe.send(&prefix(100, ApiKey::Produce)).await;
    let began = pipe.env.clock.boot();
    let refused = pipe.read().await.map(drop);
    assert!(matches!(refused, Err(FrameError::Closed)), "{refused:?}");
    assert_eq!(pipe.env.clock.boot() - began, Duration::from_secs(30));
    // It left the queue too.
    drop(_all);
    assert_eq!(pipe.admission.frames().available(), 4000);
}

#[tokio::test]
async fn a_frame_that_does_not_arrive_whole_ends_the_connection_and_gives_its_memory_back() {
    for sent in [1, 7, 8, 50] {
        let mut pipe = pipe(4000);
        let mut bytes = prefix(100, ApiKey::Fetch);
        bytes.resize(104, 0);
        pipe.send(&bytes[..sent]).await;
        let began = pipe.env.clock.boot();
        let refused = pipe.read().await.map(drop);
        assert!(matches!(refused, Err(FrameError::Stalled)), "{refused:?}");
        assert_eq!(pipe.env.clock.boot() - began, Duration::from_secs(10));
        assert_eq!(pipe.admission.frames().available(), 4000);
    }
}

#[tokio::test]
async fn silence_and_the_end_of_the_stream_are_told_apart() {
    let mut silent = pipe(4000);
    assert!(matches!(
        silent.read().await.map(drop),
        Err(FrameError::Idle)
    ));
    let mut ended = pipe(4000);
    ended.far.shutdown().await.unwrap();
    assert!(matches!(
        ended.read().await.map(drop),
        Err(FrameError::Closed)
    ));
    let mut torn = pipe(4000);
    torn.send(&prefix(100, ApiKey::Fetch)).await;
    torn.far.shutdown().await.unwrap();
    assert!(matches!(
        torn.read().await.map(drop),
        Err(FrameError::Closed)
    ));
}
