//! Closing a connection without losing the answer.
//!
//! A socket that is closed while bytes of the client's wait unread sends a reset, and the reset makes the
//! client throw away the answer that it has not read yet (RFC 9112, section 9.6). So the connection is
//! closed in two steps: our direction first, then, once the client has closed its own or time is up, the rest.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How many bytes are thrown away at a time.
const SCRAP: usize = 16 * 1024;
/// After so many scraps the task lets others run.
const SCRAPS_A_TURN: usize = 32;

/// How long a closing connection waits for the client, and for how many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// A client that sends nothing for so long is not in the middle of anything.
    pub(crate) silence: Duration,
    pub(crate) bytes: u64,
}

/// A connection whose shutdown closes our direction, then reads and discards what the client still sends.
pub(crate) struct Lingering<S> {
    stream: S,
    limits: Limits,
    read_something: Arc<AtomicBool>,
    closing: Option<Closing>,
}

struct Closing {
    until: Pin<Box<Sleep>>,
    silent_until: Pin<Box<Sleep>>,
    silence: Duration,
    left: u64,
}

impl<S> Lingering<S> {
    pub(crate) fn new(stream: S, limits: Limits) -> Self {
        Self { stream, limits, read_something: Arc::default(), closing: None }
    }

    /// Becomes true with the first byte that the client sends.
    pub(crate) fn read_something(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.read_something)
    }
}

impl Closing {
    fn begin(limits: Limits) -> Self {
        Self {
            until: Box::pin(tokio::time::sleep(limits.time)),
            silent_until: Box::pin(tokio::time::sleep(limits.silence)),
            silence: limits.silence,
            left: limits.bytes,
        }
    }

    /// Discards until the client has closed, a limit is reached, or the connection fails.
    fn poll(&mut self, mut stream: Pin<&mut impl AsyncRead>, context: &mut Context<'_>) -> Poll<()> {
        if self.until.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        for _ in 0..SCRAPS_A_TURN {
            let mut scrap = [std::mem::MaybeUninit::uninit(); SCRAP];
            let mut scrap = ReadBuf::uninit(&mut scrap);
            let Poll::Ready(read) = stream.as_mut().poll_read(context, &mut scrap) else {
                return self.silent_until.as_mut().poll(context);
            };
            let length = scrap.filled().len() as u64;
            self.left = self.left.saturating_sub(length);
            if read.is_err() || length == 0 || self.left == 0 {
                return Poll::Ready(());
            }
            self.silent_until.as_mut().reset(Instant::now() + self.silence);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.read_something.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let limits = this.limits;
        let closing = this.closing.get_or_insert_with(|| Closing::begin(limits));
        closing.poll(Pin::new(&mut this.stream), context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const LIMITS: Limits =
        Limits { time: Duration::from_secs(60), silence: Duration::from_secs(60), bytes: 100_000 };

    #[tokio::test]
    async fn our_direction_closes_first_and_the_rest_is_discarded() {
        let (mut client, server) = duplex(64);
        let mut server = Lingering::new(server, LIMITS);
        let closing = tokio::spawn(async move { server.shutdown().await });
        let mut nothing = Vec::new();
        client.read_to_end(&mut nothing).await.unwrap();
        client.write_all(&[7; 50_000]).await.unwrap();
        drop(client);
        closing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_closes_is_left_after_a_silence() {
        let (_client, server) = duplex(64);
        let limits = Limits { silence: Duration::from_millis(100), ..LIMITS };
        let start = Instant::now();
        Lingering::new(server, limits).shutdown().await.unwrap();
        assert!(start.elapsed() >= limits.silence);
    }

    #[tokio::test]
    async fn a_client_that_keeps_sending_a_little_is_left_when_the_time_is_up() {
        let (mut client, server) = duplex(4096);
        let limits = Limits { time: Duration::from_millis(200), silence: Duration::from_secs(60), ..LIMITS };
        let sender = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let mut server = Lingering::new(server, limits);
        server.shutdown().await.unwrap();
        drop(server);
        sender.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_stops_sending_is_left_after_the_greatest_number_of_bytes() {
        let (mut client, server) = duplex(4096);
        let sender = tokio::spawn(async move { while client.write_all(&[7; 4096]).await.is_ok() {} });
        let mut server = Lingering::new(server, LIMITS);
        server.shutdown().await.unwrap();
        drop(server);
        sender.await.unwrap();
    }
}
