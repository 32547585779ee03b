//! Servers that misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of an answer, after which the connection is closed.
pub(super) fn raw(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server whose answers depend on how often an address was asked for.
pub(super) struct Moody {
    pub(super) host: String,
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Moody {
    pub(super) async fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::<String>::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Ok(path) = asked_for(&mut stream).await else { continue };
                let nth = log.lock().unwrap().iter().filter(|other| **other == path).count();
                log.lock().unwrap().push(path.clone());
                drop(stream.write_all(&answer(&path, nth)).await);
                drop(stream.shutdown().await);
            }
        });
        Self { host, asked }
    }

    pub(super) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.host).parse().unwrap()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|other| *other == path).count()
    }
}

/// Reads a request's head and body, and tells its path.
pub(super) async fn asked_for(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// A server that answers everything but robots.txt with a head and then the same bytes again and again.
pub(super) struct Drip {
    pub(super) host: String,
    pub(super) sent: Arc<AtomicUsize>,
}

impl Drip {
    pub(super) async fn start(head: &'static str, bytes: &'static [u8], every: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(drip(stream, head, bytes, every, Arc::clone(&counter)));
            }
        });
        Self { host, sent }
    }

    pub(super) fn url(&self) -> Url {
        format!("http://{}/a.png", self.host).parse().unwrap()
    }
}

async fn drip(
    mut stream: TcpStream,
    head: &str,
    bytes: &[u8],
    every: Duration,
    sent: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let is_robots = asked_for(&mut stream).await? == "/robots.txt";
    if is_robots && !head.contains("text/plain") {
        return stream.write_all(&raw("404 Not Found", "Connection: close\r\n", b"")).await;
    }
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(bytes).await?;
        sent.fetch_add(bytes.len(), Ordering::Relaxed);
        tokio::time::sleep(every).await;
    }
}
