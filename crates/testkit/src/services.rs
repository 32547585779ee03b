//! Real servers of the protocols that the product speaks, each a test's own, on free ports. They end with their values.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that speaks the protocols of Amazon's services (SQS, S3, EC2) and forgets everything at its end: moto.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    /// Its address.
    pub url: String,
}

impl Moto {
    /// Starts one.
    ///
    /// # Panics
    /// When Python or moto is missing, or it does not start: these tests are never skipped.
    pub fn start() -> Self {
        let python = std::env::var_os("SIGHTSCAN_TEST_PYTHON")
            .expect("SIGHTSCAN_TEST_PYTHON is not set; run scripts/test");
        let mut child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let (mut line, sign) = (String::new(), "Running on ");
        while !line.contains(sign) {
            line.clear();
            assert!(log.read_line(&mut line).expect("its log is text") > 0, "moto ended");
        }
        let url = line.split(sign).nth(1).unwrap_or_default().trim().to_owned();
        // Read to its end, so that the server never waits for its reader.
        std::thread::spawn(move || log.lines().for_each(drop));
        Self { child, url }
    }

    /// What Amazon's clients are told, to reach it.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// When the server does not.
    pub fn make_bucket(&self, name: &str) {
        self.ask("PUT", &format!("/{name}"));
    }

    /// The keys of a bucket; they must be of letters that a URL and XML take as they are.
    ///
    /// # Panics
    /// When the server does not tell.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let after = keys.last().map(|key| format!("&start-after={key}")).unwrap_or_default();
            let page = self.ask("GET", &format!("/{bucket}?list-type=2{after}"));
            let page = String::from_utf8(page).expect("XML");
            let before = keys.len();
            let found = page.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
            keys.extend(found.map(|(key, _)| key.to_owned()));
            if keys.len() == before {
                return keys;
            }
        }
    }

    /// An object of a bucket.
    ///
    /// # Panics
    /// When it is not there.
    pub fn object(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.ask("GET", &format!("/{bucket}/{key}"))
    }

    /// The body of an answer of S3, which looks at no signature here.
    fn ask(&self, method: &str, path: &str) -> Vec<u8> {
        let address = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).expect("it answers");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("it listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
        answer.split_off(end + 4)
    }

    /// The address of a queue.
    pub fn queue(&self, name: &str) -> String {
        format!("{}/123456789012/{name}", self.url)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A NATS server with JetStream.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    folder: TempDir,
    /// Its address.
    pub url: String,
}

impl Nats {
    /// Starts one.
    ///
    /// # Panics
    /// When `nats-server` is missing or does not start: these tests are never skipped.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let child = Self::spawn(&folder, "-1");
        let url = Self::address(&folder, &child);
        Self { child, folder, url }
    }

    /// Asks the server to end (SIGTERM), waits until it has, and starts it again with what it kept.
    ///
    /// # Panics
    /// When it does not end or start.
    pub fn restart(&mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(asked.success(), "the server runs");
        self.child.wait().expect("it ends");
        let port = self.url.rsplit(':').next().expect("a port").to_owned();
        self.child = Self::spawn(&self.folder, &port);
        let begun = Instant::now();
        while std::net::TcpStream::connect(self.url.trim_start_matches("nats://")).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn spawn(folder: &TempDir, port: &str) -> Child {
        Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", port, "--jetstream", "--store_dir"])
            .arg(folder.path().join("store"))
            .arg("--ports_file_dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts; run scripts/test")
    }

    /// The server writes its ports into a file.
    fn address(folder: &TempDir, child: &Child) -> String {
        let file: PathBuf = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let begun = Instant::now();
        loop {
            let text = fs_err::read_to_string(&file).unwrap_or_default();
            if let Some(url) = text.split('"').find(|part| part.starts_with("nats://")) {
                return url.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "nats-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
