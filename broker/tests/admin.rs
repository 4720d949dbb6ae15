//! Admin HTTP over a real socket.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use weir::{
    admin::{self, Readiness},
    config::HostPort,
    telemetry::metrics::Metrics,
};
use weir_tiering::env::Env;

/// Ready, not ready with a reason, or no answer at all.
enum Says {
    Ready,
    NotReady(&'static str),
    Nothing,
}

impl Readiness for Says {
    fn ready(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            match self {
                Says::Ready => Ok(()),
                Says::NotReady(reason) => Err((*reason).to_owned()),
                Says::Nothing => std::future::pending().await,
            }
        })
    }
}

struct Server {
    env: Env,
    address: SocketAddr,
    metrics: Arc<Metrics>,
}

async fn server(says: Says) -> Server {
    let env = Env::system();
    let metrics = Arc::new(Metrics::new());
    let listener = admin::bind(&HostPort::parse("127.0.0.1:0").unwrap())
        .await
        .unwrap();
    let address = admin::serve(listener, &env, Arc::clone(&metrics), Arc::new(says)).unwrap();
    Server {
        env,
        address,
        metrics,
    }
}

impl Server {
    /// Status code and body.
    async fn get(&self, path: &str) -> (u16, String) {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = self
            .env
            .timeout(Duration::from_secs(20), exchange)
            .await
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

#[tokio::test]
async fn metrics_health_and_readiness_are_served() {
    let server = server(Says::Ready).await;
    server.metrics.api("Produce").requests.increment(2);
    let (status, body) = server.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        body.contains("weir_requests_total{api=\"Produce\"} 2"),
        "{body}"
    );
    assert_eq!(server.get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(server.get("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(server.get("/nothing").await.0, 404);
}

#[tokio::test]
async fn a_broker_that_cannot_serve_is_healthy_but_not_ready() {
    let server = server(Says::NotReady("the store does not answer")).await;
    let expected = "not ready: the store does not answer\n".to_owned();
    assert_eq!(server.get("/readyz").await, (503, expected));
    assert_eq!(server.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_readiness_that_never_answers_is_given_up() {
    let server = server(Says::Nothing).await;
    let (status, body) = server.get("/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (503, "not ready: no answer within 5 s\n")
    );
}

#[tokio::test]
async fn silent_connections_do_not_shut_others_out_and_stopping_ends_the_task() {
    let server = server(Says::Ready).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert_eq!(server.get("/healthz").await.0, 200);
    server.env.tasks.stop();
    let ended = server
        .env
        .timeout(Duration::from_secs(5), server.env.tasks.ended())
        .await;
    assert!(ended.is_ok());
    assert!(TcpStream::connect(server.address).await.is_err());
}
