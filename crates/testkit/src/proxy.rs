//! A way to a server on which connections break, stand still and are refused, as on a bad network.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Bytes that are passed on at once.
const PIECE: usize = 16 << 10;
/// What a server says that has too much to do (RFC 9110, section 15.6.4).
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// A client that was refused has so long to hear it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Passes connections on to a server, until it is told to break them. It ends with its value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Of its own, because tests block their threads.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    /// Changes whenever connections are cut.
    cuts: watch::Sender<()>,
    stalled_until: Mutex<Instant>,
    /// Connections that are still to be refused.
    refusals: Mutex<usize>,
}

impl Proxy {
    /// Listens on a free port of loopback for this server.
    ///
    /// # Panics
    /// When there is no free port or thread.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            upstream,
            cuts: watch::Sender::new(()),
            stalled_until: Mutex::new(Instant::now()),
            refusals: Mutex::new(0),
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        runtime.spawn(Arc::clone(&shared).accept(listener));
        Self { address, shared, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections that there are.
    pub fn cut(&self) {
        self.shared.cuts.send_replace(());
    }

    /// Passes nothing on for so long, in neither direction; what was sent arrives afterwards.
    pub fn stall(&self, duration: Duration) {
        *lock(&self.shared.stalled_until) = Instant::now() + duration;
    }

    /// Answers so many of the next connections with `503 Service Unavailable` instead of passing them on. Only for
    /// servers that speak HTTP.
    pub fn refuse(&self, connections: usize) {
        *lock(&self.shared.refusals) = connections;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Also inside of another runtime, where nobody may wait for this one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("it runs in a runtime");
        loop {
            // A client may leave before it is accepted.
            let Ok((client, _)) = listener.accept().await else { continue };
            tokio::spawn(Arc::clone(&self).serve(client, self.cuts.subscribe()));
        }
    }

    async fn serve(self: Arc<Self>, client: TcpStream, mut cuts: watch::Receiver<()>) {
        tokio::select! {
            _ = self.pass_on(client) => {}
            _ = cuts.changed() => {}
        }
    }

    async fn pass_on(&self, client: TcpStream) -> io::Result<()> {
        if self.refuses() {
            return refuse(client).await;
        }
        let server = TcpStream::connect(self.upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(self.copy(from_client, to_server), self.copy(from_server, to_client))?;
        Ok(())
    }

    fn refuses(&self) -> bool {
        let mut left = lock(&self.refusals);
        let refuses = *left > 0;
        *left = left.saturating_sub(1);
        refuses
    }

    async fn copy(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = from.read(&mut piece).await?;
            self.wait_while_stalled().await;
            if count == 0 {
                return to.shutdown().await;
            }
            to.write_all(&piece[..count]).await?;
        }
    }

    async fn wait_while_stalled(&self) {
        loop {
            let until = *lock(&self.stalled_until);
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until.into()).await;
        }
    }
}

async fn refuse(mut client: TcpStream) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    if client.read(&mut piece).await? == 0 {
        return Ok(());
    }
    client.write_all(REFUSAL).await?;
    client.shutdown().await?;
    // A connection that ends with bytes unread takes the answer away from its client.
    let rest = async {
        while client.read(&mut piece).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    tokio::time::timeout(LAST_WORDS, rest).await.unwrap_or(Ok(()))
}

/// A lock whose holder panicked is still good: nothing here leaves its value half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A way to a server that says what it is told.
    fn proxy() -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let upstream = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        Proxy::start(upstream)
    }

    fn say(stream: &mut TcpStream) -> io::Result<()> {
        let mut heard = [0; 5];
        stream.write_all(b"hello")?;
        stream.read_exact(&mut heard)?;
        assert_eq!(&heard, b"hello");
        Ok(())
    }

    fn connected(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    #[test]
    fn connections_that_are_cut_end_and_others_do_not() {
        let proxy = proxy();
        let mut first = connected(&proxy);
        say(&mut first).unwrap();
        proxy.cut();
        let is_reset = |error: io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        assert!(first.read(&mut [0]).map_or_else(is_reset, |count| count == 0), "it has ended");
        say(&mut connected(&proxy)).unwrap();
    }

    #[test]
    fn what_is_stalled_arrives_later() {
        let proxy = proxy();
        let mut stream = connected(&proxy);
        say(&mut stream).unwrap();
        let (begun, pause) = (Instant::now(), Duration::from_millis(300));
        proxy.stall(pause);
        say(&mut stream).unwrap();
        assert!(begun.elapsed() >= pause);
    }

    #[test]
    fn so_many_connections_are_refused_and_the_next_one_is_not() {
        let proxy = proxy();
        proxy.refuse(2);
        for _ in 0..2 {
            let (mut stream, mut answer) = (connected(&proxy), String::new());
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        }
        say(&mut connected(&proxy)).unwrap();
    }

    #[test]
    fn it_ends_with_its_value_also_inside_of_a_runtime() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let address = runtime.block_on(async { proxy().address() });
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpListener::bind(address).is_err() {
            assert!(Instant::now() < deadline, "the port is still in use");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
