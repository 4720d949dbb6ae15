//! Bounds of the admin server: so many connections, and none that is silent for long.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use weir_tiering::env::Env;

const CONNECTIONS_MAX: usize = 32;
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors left, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Accepts at most [`CONNECTIONS_MAX`] connections at a time; the others wait in the kernel.
pub(super) struct LimitedListener {
    inner: TcpListener,
    permits: Arc<Semaphore>,
    env: Env,
}

impl LimitedListener {
    pub(super) fn new(inner: TcpListener, env: Env) -> LimitedListener {
        LimitedListener {
            inner,
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            env,
        }
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LimitedStream, SocketAddr) {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        loop {
            match self.inner.accept().await {
                Ok((stream, address)) => {
                    let stream = LimitedStream {
                        deadline: self.env.clock.sleep(SILENCE_MAX),
                        env: self.env.clone(),
                        stream,
                        _permit: permit,
                    };
                    return (stream, address);
                }
                Err(error) => {
                    tracing::warn!(%error, "admin listener cannot accept");
                    self.env.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that fails once nothing moved for [`SILENCE_MAX`].
pub(super) struct LimitedStream {
    stream: TcpStream,
    deadline: Pin<Box<dyn Future<Output = ()> + Send>>,
    env: Env,
    _permit: OwnedSemaphorePermit,
}

impl LimitedStream {
    fn within_limit<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.deadline = self.env.clock.sleep(SILENCE_MAX);
            return progress;
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.within_limit(cx, progress)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.within_limit(cx, progress)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
