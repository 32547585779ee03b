//! A client for the tests of the fakes: it sees every byte, and corrects nothing.

use axum::http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Upstream;

/// What has arrived until the connection was closed.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Gets a path of a fake, or a whole URL of it, as a polite client would.
pub(super) async fn get(upstream: &Upstream, address: &str) -> Reply {
    get_as(upstream, address, &["User-Agent: SightScan-tests/0.1 (https://example.org; tests@example.org)"])
        .await
}

pub(super) async fn get_as(upstream: &Upstream, address: &str, headers: &[&str]) -> Reply {
    send(upstream, "GET", address, headers, b"").await
}

pub(super) async fn post(upstream: &Upstream, address: &str, headers: &[&str], body: &[u8]) -> Reply {
    send(upstream, "POST", address, headers, body).await
}

async fn send(upstream: &Upstream, method: &str, address: &str, headers: &[&str], body: &[u8]) -> Reply {
    let path = address.strip_prefix(upstream.url()).unwrap_or(address);
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
        upstream.host(),
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let mut stream = TcpStream::connect(upstream.host()).await.unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    parsed(&received)
}

fn parsed(received: &[u8]) -> Reply {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&received[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Reply { status, headers, body: received[end + 4..].to_vec() }
}
