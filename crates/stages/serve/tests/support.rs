//! Servers to ask, and the ways to ask them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sightscan_engine::model::Overrides;
use sightscan_engine::{Analysis, EngineChoice, Model};
use sightscan_serve::{Analyse, Answer, Choice, Config, Factory, Handle, Work, WorkError, start, start_with};
use sightscan_testkit::{data, tiny};
use sightscan_types::{Findings, PhaseTimes};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// How long tests wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) handle: Handle,
    pub(crate) client: reqwest::Client,
    _folder: TempDir,
}

/// What a test's analyser does with a picture.
pub(crate) type Behaviour = dyn Fn(&Work) -> Result<Answer, WorkError> + Send + Sync;

struct Scripted(Arc<Behaviour>);

impl Analyse for Scripted {
    fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError> {
        (self.0)(work)
    }
}

/// An answer without objects.
pub(crate) fn nothing_found() -> Result<Answer, WorkError> {
    let findings = Findings::Detections(Vec::new());
    Ok(Answer {
        analysis: Analysis { width: 1, height: 1, findings, times: PhaseTimes::default() },
        drawn: None,
    })
}

/// Makes workers that behave like this.
pub(crate) fn workers(
    behaviour: impl Fn(&Work) -> Result<Answer, WorkError> + Send + Sync + 'static,
) -> Factory {
    let behaviour: Arc<Behaviour> = Arc::new(behaviour);
    Arc::new(move || Ok(Box::new(Scripted(Arc::clone(&behaviour)))))
}

/// Whether this is the picture by which the server proves that a model works.
pub(crate) fn is_canary(work: &Work) -> bool {
    work.picture.starts_with(b"BM")
}

/// Makes workers that find nothing in a picture once a message lets them, or once the sender is gone; the server's
/// own test picture never waits.
pub(crate) fn gated_workers() -> (std::sync::mpsc::Sender<()>, Factory) {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let factory = workers(move |work| {
        if !is_canary(work) {
            let _ = gate.lock().unwrap().recv();
        }
        nothing_found()
    });
    (release, factory)
}

fn open(path: &std::path::Path) -> Arc<Model> {
    Model::open(path, &Overrides::default(), EngineChoice::Rten).expect("the model opens")
}

fn tiny_model() -> (TempDir, Arc<Model>) {
    let folder = tempfile::tempdir().unwrap();
    let model = open(&tiny::write_colour_box(folder.path()));
    (folder, model)
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl Server {
    /// A server with the tiny network.
    pub(crate) async fn tiny(config: Config) -> Self {
        let (folder, model) = tiny_model();
        Self::of(start(config, vec![model], listener().await).unwrap(), folder).await
    }

    /// A server with the real network, where its file is there; the tiny one is its second model.
    pub(crate) async fn real(config: Config) -> Option<Self> {
        let path = data("models/yolov5n.onnx")?;
        let (folder, model) = tiny_model();
        Some(Self::of(start(config, vec![open(&path), model], listener().await).unwrap(), folder).await)
    }

    /// A server of a choice of models that follows what becomes live of them.
    pub(crate) async fn following(config: Config, choice: Choice) -> Self {
        let handle = start(config, choice.open().unwrap(), listener().await).unwrap();
        handle.follow(choice);
        Self::of(handle, tempfile::tempdir().unwrap()).await
    }

    /// A server with other workers; it may not become ready.
    pub(crate) async fn with(config: Config, factory: Factory) -> Self {
        let (folder, model) = tiny_model();
        Self::around(start_with(config, vec![model], factory, listener().await).unwrap(), folder)
    }

    /// As [`Self::with`], once it is ready.
    pub(crate) async fn ready_with(config: Config, factory: Factory) -> Self {
        let server = Self::with(config, factory).await;
        server.wait_until_ready().await;
        server
    }

    async fn of(handle: Handle, folder: TempDir) -> Self {
        let server = Self::around(handle, folder);
        server.wait_until_ready().await;
        server
    }

    fn around(handle: Handle, folder: TempDir) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { handle, client, _folder: folder }
    }

    pub(crate) async fn wait_until_ready(&self) {
        let wait = async {
            while !self.handle.reasons().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let reasons = || self.handle.reasons();
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "not ready: {:?}", reasons());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        media_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        let request = self.client.post(self.url(path)).header("content-type", media_type).body(body);
        request.send().await.unwrap()
    }

    /// The answer of `/v1/detect` for a picture as it is.
    pub(crate) async fn v1(&self, query: &str, picture: Vec<u8>) -> Value {
        ok_json(self.post(&format!("/v1/detect{query}"), "image/png", picture).await).await
    }

    /// The answer of the course's route for plain JSON.
    pub(crate) async fn course(&self, query: &str, picture: &[u8]) -> Value {
        let body = json!({"id": "x", "image": encoded(picture)}).to_string();
        ok_json(self.post(&format!("{COURSE}{query}"), "application/json", body).await).await
    }

    /// A number in the metrics, 0 where it is not there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |number| number.parse().unwrap())
    }

    pub(crate) async fn wait_for_metric(&self, series: &str, wanted: f64) {
        let wait = async {
            while self.metric(series).await != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{series} never became {wanted}");
    }
}

pub(crate) const COURSE: &str = "/api/object_detection";

pub(crate) fn encoded(picture: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(picture)
}

/// The JSON of an answer that must be 200.
pub(crate) async fn ok_json(response: reqwest::Response) -> Value {
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The slug of an answer that must be a problem; its members are checked.
pub(crate) async fn problem(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], id);
    assert!(!body["detail"].as_str().unwrap().is_empty() && !body["title"].as_str().unwrap().is_empty());
    let slug = body["type"].as_str().unwrap().strip_prefix("urn:sightscan:problem:").unwrap();
    (status, slug.to_owned())
}

/// A plain picture that every threshold lets pass.
pub(crate) fn picture() -> Vec<u8> {
    tiny::plain_picture([102, 204, 255], 52, 42)
}

/// What a client reads that writes its whole request first, on a connection of its own; an error for a reset.
pub(crate) fn send_all_then_read(address: SocketAddr, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A request as bytes, for a connection that ends with it.
pub(crate) fn raw_request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub(crate) async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
