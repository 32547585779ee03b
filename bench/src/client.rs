//! A client that costs as little as possible: ready bytes out, bytes in, one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

/// A connection that is kept.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// The bytes of a request to the course's route.
pub(crate) fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/object_detection HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request and reads its answer; answers the header lines.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Vec<String>> {
        self.send(request, &mut std::io::sink())
    }

    /// Sends a request and reads its answer, which is JSON.
    pub(crate) fn answer(&mut self, request: &[u8]) -> Result<serde_json::Value> {
        let mut body = Vec::new();
        self.send(request, &mut body)?;
        Ok(serde_json::from_slice(&body)?)
    }

    fn send(&mut self, request: &[u8], body: &mut impl Write) -> Result<Vec<String>> {
        self.stream.get_mut().write_all(request)?;
        let head = self.head()?;
        let status = head.first().context("no status line")?;
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no content-length")?.parse()?;
        std::io::copy(&mut self.stream.by_ref().take(length as u64), body)?;
        if !status.contains(" 200 ") {
            bail!("the server answered {status}");
        }
        Ok(head)
    }

    fn head(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("the server closed the connection");
            }
            match line.trim_end() {
                "" => return Ok(lines),
                text => lines.push(text.to_owned()),
            }
        }
    }
}
