//! The server loop: accepts connections, serves HTTP/1.1 on each, and stops without losing an answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower_http::add_extension::AddExtension;
use tracing::{debug, warn};

use crate::draining::Draining;
use crate::impatient::Impatient;
use crate::linger::{Limits, Lingering};
use crate::tls::{self, Tls};

/// A connection that was accepted just before the end may still send its first request for so long.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(250);
/// How long the loop waits when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Limits of the connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// How many connections are open at once; others wait in the system's backlog.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request; also how long an unused connection stays open.
    pub head_timeout: Duration,
    /// How many bytes the head of a request may have.
    pub max_head_bytes: usize,
    /// How long a client may read nothing of its answer.
    pub write_timeout: Duration,
    /// How long a connection that we close is read from, so that the client gets its answer.
    pub linger: Duration,
    /// How long such a client may send nothing before it is left.
    pub linger_silence: Duration,
    /// How many bytes are discarded meanwhile.
    pub linger_bytes: u64,
    /// How long requests may still take once the server stops.
    pub drain_limit: Duration,
    /// What connections are encrypted with; nothing unless given.
    pub tls: Option<Tls>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            head_timeout: Duration::from_secs(20),
            max_head_bytes: 32 * 1024,
            write_timeout: Duration::from_secs(20),
            linger: Duration::from_secs(10),
            linger_silence: Duration::from_secs(1),
            linger_bytes: 64 * 1024 * 1024,
            drain_limit: Duration::from_secs(28),
            tls: None,
        }
    }
}

type Connection<S> = Lingering<Impatient<S>>;
/// The router, which is told who is at the other end and when the server stops.
type Service = TowerToHyperService<AddExtension<AddExtension<Router, ConnectInfo<SocketAddr>>, Draining>>;

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that still had work to do when the time was up; 0 when all was answered.
    pub cut_off: usize,
}

/// Serves the router until `shutdown` is done; then takes no new connections, closes those that are not in
/// use, and lets requests finish within the limit. Handlers can extract the [`ClientAddress`](crate::ClientAddress), and
/// [`Draining`], which tells them that the server stops.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    options: ServerOptions,
) -> Stopped {
    let (stop, stopping) = watch::channel(false);
    let mut server =
        Server { listener, router, places: places(&options), options, stopping, open: JoinSet::new() };
    server.accept_until(shutdown).await;
    server.accept_waiting().await;
    let Server { listener, mut open, options, .. } = server;
    drop(listener);
    stop.send_replace(true);
    let all_done = async { while open.join_next().await.is_some() {} };
    let in_time = tokio::time::timeout(options.drain_limit, all_done).await.is_ok();
    Stopped { cut_off: if in_time { 0 } else { open.len() } }
}

fn places(options: &ServerOptions) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)))
}

struct Server {
    listener: TcpListener,
    router: Router,
    places: Arc<Semaphore>,
    options: ServerOptions,
    stopping: watch::Receiver<bool>,
    open: JoinSet<()>,
}

impl Server {
    async fn accept_until(&mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                Some(_) = self.open.join_next() => {}
                (place, stream, peer) = next(&self.places, &self.listener) => self.open(place, stream, peer),
            }
        }
    }

    /// Takes those that had connected before the end but were not accepted yet: the system would reset them.
    async fn accept_waiting(&mut self) {
        while let Ok((place, stream, peer)) =
            tokio::time::timeout(Duration::ZERO, next(&self.places, &self.listener)).await
        {
            self.open(place, stream, peer);
        }
    }

    fn open(&mut self, place: Option<OwnedSemaphorePermit>, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot set TCP_NODELAY");
        }
        let (service, options, stopping) = (self.service(peer), self.options.clone(), self.stopping.clone());
        self.open.spawn(async move {
            match options.tls.clone() {
                None => connection(stream, service, &options, stopping).await,
                Some(tls) => encrypted(&tls, stream, service, &options, stopping).await,
            }
            drop(place);
        });
    }

    fn service(&self, peer: SocketAddr) -> Service {
        let router = AddExtension::new(self.router.clone(), ConnectInfo(peer));
        TowerToHyperService::new(AddExtension::new(router, Draining::new(self.stopping.clone())))
    }
}

/// Waits for a free place, then for a connection.
async fn next(
    places: &Arc<Semaphore>,
    listener: &TcpListener,
) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (place, stream, peer),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn builder(options: &ServerOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    builder.header_read_timeout(options.head_timeout);
    builder.max_header_size(options.max_head_bytes);
    builder
}

/// A connection on which HTTPS is spoken; whoever speaks HTTP there is led to where they should.
async fn encrypted(
    tls: &Tls,
    stream: TcpStream,
    service: Service,
    options: &ServerOptions,
    mut stopping: watch::Receiver<bool>,
) {
    let opened = tokio::select! {
        opened = tokio::time::timeout(options.head_timeout, tls.accept(stream)) => opened,
        _ = stopping.wait_for(|stop| *stop) => return,
    };
    match opened {
        Ok(Ok(tls::Opened::Encrypted(stream))) => connection(*stream, service, options, stopping).await,
        Ok(Ok(tls::Opened::Plain(stream))) => {
            let lead = TowerToHyperService::new(tls::lead());
            connection(stream, lead, options, stopping).await;
        }
        Ok(Err(error)) => debug!(%error, "no TLS was agreed upon"),
        Err(_) => debug!("the client took too long to agree upon TLS"),
    }
}

async fn connection<S, V>(stream: S, service: V, options: &ServerOptions, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    V: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let ServerOptions { linger: time, linger_silence: silence, linger_bytes: bytes, .. } = *options;
    let limits = Limits { time, silence, bytes };
    let stream: Connection<S> = Lingering::new(Impatient::new(stream, options.write_timeout), limits);
    let read_something = stream.read_something();
    let mut connection =
        pin!(builder(options).serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        _ = stopping.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => finish(connection, &read_something).await,
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended early");
    }
}

/// Lets the request that is under way end, or the first one begin, then closes.
async fn finish<C: Graceful>(mut connection: Pin<&mut C>, read_something: &AtomicBool) -> hyper::Result<()> {
    if !read_something.load(Ordering::Relaxed)
        && let Ok(ended) = tokio::time::timeout(FIRST_REQUEST_GRACE, &mut connection).await
    {
        return ended;
    }
    connection.as_mut().close();
    connection.await
}

/// A connection that can be told to end after the request under way.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn close(self: Pin<&mut Self>);
}

impl<S, V> Graceful for http1::UpgradeableConnection<TokioIo<S>, V>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    V: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Budget;
    use crate::exchange::surround;
    use crate::problem::{Problem, Slug};
    use axum::extract::Request;
    use axum::routing::{get, post};
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    struct Running {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        stopped: JoinHandle<Stopped>,
    }

    async fn refuse() -> Problem {
        Problem::new(Slug::Busy, "busy").retry_after(Duration::from_secs(1))
    }

    async fn count(request: Request) -> Result<String, Problem> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let received = Budget::new(1 << 20, 1 << 20).receive(request.into_body(), deadline).await?;
        Ok(received.bytes.len().to_string())
    }

    async fn slow() -> &'static str {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    }

    async fn start(options: ServerOptions) -> Running {
        let router = Router::new()
            .route("/refuse", post(refuse))
            .route("/count", post(count))
            .route("/slow", get(slow))
            .route("/quick", get(|| async { "quick" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let router = surround(router, Arc::new(|_| {}));
        let stopped = tokio::spawn(serve(listener, router, shutdown, options));
        Running { address, stop, stopped }
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// Everything that the server still sends; an error where the connection is reset.
    async fn rest(stream: &mut TcpStream) -> std::io::Result<String> {
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn a_refusal_reaches_a_client_that_first_sends_its_whole_body() {
        let server = start(ServerOptions::default()).await;
        for length in [0, 20_000, 5_000_000] {
            for _ in 0..10 {
                let mut client = connect(server.address).await;
                let head = format!(
                    "POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                client.write_all(head.as_bytes()).await.unwrap();
                client.write_all(&vec![b'x'; length]).await.unwrap();
                let answer = rest(&mut client).await.unwrap();
                assert!(answer.starts_with("HTTP/1.1 429"), "{length}: {answer:?}");
                assert!(answer.ends_with('}') && answer.contains("retry-after: 1"), "{length}: {answer:?}");
            }
        }
    }

    #[tokio::test]
    async fn expect_100_continue_is_answered_by_continue_or_by_the_refusal() {
        let server = start(ServerOptions::default()).await;
        for (path, length, expected) in [
            ("/count", "4", "HTTP/1.1 100 Continue"),
            ("/count", "99999999", "HTTP/1.1 413"),
            ("/refuse", "4", "HTTP/1.1 429"),
        ] {
            let mut client = connect(server.address).await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            client.write_all(head.as_bytes()).await.unwrap();
            let mut start = vec![0; expected.len()];
            client.read_exact(&mut start).await.unwrap();
            assert_eq!(String::from_utf8(start).unwrap(), expected);
            if expected.ends_with("Continue") {
                client.write_all(b"body").await.unwrap();
                assert!(rest(&mut client).await.unwrap().ends_with("\r\n\r\n4"));
            }
        }
    }

    #[tokio::test]
    async fn chunked_bodies_are_counted() {
        let server = start(ServerOptions::default()).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let send = async |bytes: usize| {
            let chunks = (0..bytes / 1000).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1000]));
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
            client.post(format!("http://{}/count", server.address)).body(body).send().await.unwrap()
        };
        assert_eq!(send(500_000).await.text().await.unwrap(), "500000");
        assert_eq!(send(2_000_000).await.status(), 413);
    }

    #[tokio::test]
    async fn heads_that_are_too_large_or_not_http_are_refused_with_an_answer() {
        let server = start(ServerOptions::default()).await;
        let bomb = format!("GET /quick HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
        let many: String = (0..500).map(|index| format!("h{index}: v\r\n")).collect();
        let many = format!("GET /quick HTTP/1.1\r\n{many}\r\n");
        for (bytes, status) in [(bomb.as_str(), "431"), (&many, "431"), ("\x16\x03\x01 hello\r\n\r\n", "400")]
        {
            let mut client = connect(server.address).await;
            client.write_all(bytes.as_bytes()).await.unwrap();
            let answer = rest(&mut client).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_sends_its_head_too_slowly_is_left() {
        let options = ServerOptions { head_timeout: Duration::from_millis(100), ..ServerOptions::default() };
        let server = start(options).await;
        let mut client = connect(server.address).await;
        client.write_all(b"GET /quick HTTP/1.1\r\nx: ").await.unwrap();
        assert!(!rest(&mut client).await.unwrap().contains("200"));
    }

    #[tokio::test]
    async fn stopping_answers_what_is_under_way_and_closes_what_is_idle() {
        let server = start(ServerOptions::default()).await;
        let mut idle = connect(server.address).await;
        idle.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut seen = [0; 12];
        idle.read_exact(&mut seen).await.unwrap();
        let mut busy = connect(server.address).await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut fresh = connect(server.address).await;
        tokio::time::sleep(Duration::from_millis(50)).await;

        server.stop.send(()).unwrap();
        fresh.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(rest(&mut fresh).await.unwrap().ends_with("quick"));
        assert!(rest(&mut busy).await.unwrap().ends_with("slow"));
        assert!(rest(&mut idle).await.unwrap().ends_with("quick"));
        assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 0 });
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn stopping_does_not_wait_for_ever() {
        let options = ServerOptions { drain_limit: Duration::from_millis(50), ..ServerOptions::default() };
        let server = start(options).await;
        let mut busy = connect(server.address).await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.stop.send(()).unwrap();
        assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 1 });
    }

    #[tokio::test]
    async fn connections_beyond_the_greatest_number_wait() {
        let server = start(ServerOptions { max_connections: 1, ..ServerOptions::default() }).await;
        let mut first = connect(server.address).await;
        first.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut second = connect(server.address).await;
        second.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut byte = [0];
        let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
        assert!(early.is_err());
        drop(first);
        assert!(rest(&mut second).await.unwrap().ends_with("quick"));
    }
}
