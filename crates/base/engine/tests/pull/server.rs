//! A small HTTP server on a free port that answers one request a connection, exactly as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request without its body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    lines: Vec<String>,
}

impl Request {
    fn read(stream: &TcpStream) -> Self {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        Self { lines: lines.take_while(|line| !line.is_empty()).collect() }
    }

    /// The value of a header whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let pairs = self.lines.iter().filter_map(|line| line.split_once(": "));
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    }
}

/// An answer, also a broken one.
pub(crate) struct Reply {
    status: &'static str,
    headers: String,
    announced: Option<usize>,
    body: Vec<u8>,
    hangs: bool,
}

impl Reply {
    pub(crate) fn new(status: &'static str, headers: &[(&str, &str)], body: Vec<u8>) -> Self {
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self { status, headers, announced: Some(body.len()), body, hangs: false }
    }

    /// Only so many bytes of the body are sent, though all are announced.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// The end of the body is not announced, only shown by the end of the connection.
    pub(crate) fn without_length(self) -> Self {
        Self { announced: None, ..self }
    }

    /// The connection stays open after the body.
    pub(crate) fn and_hang(self) -> Self {
        Self { hangs: true, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = self.announced.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
        let head = format!("HTTP/1.1 {}\r\n{}{length}Connection: close\r\n\r\n", self.status, self.headers);
        [head.as_bytes(), &self.body].concat()
    }
}

/// A file on a server that honours `Range` and `If-Range`.
pub(crate) struct Document {
    content: Vec<u8>,
    tag: &'static str,
}

impl Document {
    /// A file with this `ETag`; none when empty.
    pub(crate) fn new(content: Vec<u8>, tag: &'static str) -> Self {
        Self { content, tag }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let length = self.content.len();
        let tag = [("ETag", self.tag)];
        let tag = if self.tag.is_empty() { &[][..] } else { &tag[..] };
        let is_same = request.header("if-range").is_none_or(|wanted| wanted == self.tag);
        let start = request.header("range").filter(|_| is_same);
        let start =
            start.map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
        match start {
            None => Reply::new("200 OK", tag, self.content.clone()),
            Some(start) if start < length => {
                let range = format!("bytes {start}-{}/{length}", length - 1);
                let headers = [tag, &[("Content-Range", &range)]].concat();
                Reply::new("206 Partial Content", &headers, self.content[start..].to_vec())
            }
            Some(_) => {
                let range = format!("bytes */{length}");
                Reply::new("416 Range Not Satisfiable", &[("Content-Range", &range)], Vec::new())
            }
        }
    }
}

/// A server that runs until the test ends.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request by its number, from 0, and its head.
    pub(crate) fn start(answer: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let request = Request::read(&stream);
                seen.lock().unwrap().push(request.clone());
                let reply = answer(number, &request);
                // A client that has seen enough may be gone already.
                let _ = stream.write_all(&reply.bytes());
                open.extend(reply.hangs.then_some(stream));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/models/model.onnx", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}
