//! Google Vision's landmark detection.
//!
//! Shaped after <https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate> and
//! `…/rest/v1/AnnotateImageResponse`, <https://cloud.google.com/vision/quota> (16 pictures and 10 MB a request) and
//! <https://cloud.google.com/apis/design/errors#http_mapping>.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::ThumbprintHash;
use serde_json::{Value, json};
use sightscan_pictures::{Limits, hamming_distance, inspect, perceptual_hash};

use super::oauth::{OAuth, Tokens};
use super::params::Params;
use super::world::Shown;
use super::{Answer, Upstream, World, lock};

/// The key that it accepts.
pub const API_KEY: &str = "AIzaSyTests-0123456789-abcdefghijklmnop";
/// Its path.
pub const PATH: &str = "/v1/images:annotate";
/// Pictures in one request.
const MOST_PICTURES: usize = 16;
/// Bytes of JSON in one request.
const MOST_BYTES: usize = 10 << 20;
/// Up to this distance two perceptual hashes are of the same picture.
const SAME_PICTURE: u32 = 8;
/// How sure it says it is.
const SCORE: f64 = 0.87;

/// What it answers for a picture, which is in the hands of the test.
type Sees = Box<dyn Fn(&[u8]) -> Sighting + Send + Sync>;

/// The fake of Vision.
#[derive(Debug)]
pub struct Vision {
    /// Its server: `POST /v1/images:annotate`.
    pub upstream: Upstream,
    eye: Arc<Eye>,
}

/// What is found in a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// Landmarks; none of them is an answer, too.
    Landmarks(Vec<Landmark>),
    /// This picture could not be looked at, by a code of `google.rpc.Code`.
    Error {
        /// Such as 3 for a bad picture, 14 for a service that is not available.
        code: i32,
        /// In English.
        message: String,
    },
}

/// A landmark in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Landmark {
    /// Its name.
    pub description: String,
    /// Its id in Google's knowledge graph.
    pub mid: String,
    /// 0 to 1.
    pub score: f64,
    /// The corners of its polygon in pixels, from the top left.
    pub vertices: Vec<(i64, i64)>,
    /// Degrees north and east, WGS 84.
    pub location: Option<(f64, f64)>,
}

impl Landmark {
    /// A landmark in a box: its left, top, right and bottom edges in pixels.
    pub fn new(description: &str, [left, top, right, bottom]: [i64; 4]) -> Self {
        Self {
            description: description.to_owned(),
            mid: "/m/02j81".to_owned(),
            score: SCORE,
            vertices: vec![(left, top), (right, top), (right, bottom), (left, bottom)],
            location: None,
        }
    }
}

struct Eye {
    tokens: Option<Arc<Tokens>>,
    memory: Mutex<Memory>,
}

/// What changes while it runs.
struct Memory {
    sees: Arc<Sees>,
    seen: Vec<Bytes>,
    refusals: VecDeque<Answer>,
}

impl fmt::Debug for Eye {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Eye").field("seen", &lock(&self.memory).seen.len()).finish_non_exhaustive()
    }
}

impl Vision {
    /// Starts it for clients with [`API_KEY`]. It sees nothing in any picture until it is told.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        Self::with_tokens(None).await
    }

    /// Starts it for clients with [`API_KEY`] or a token of this endpoint.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start_with(oauth: &OAuth) -> Self {
        Self::with_tokens(Some(oauth.tokens())).await
    }

    async fn with_tokens(tokens: Option<Arc<Tokens>>) -> Self {
        let sees: Sees = Box::new(|_| Sighting::Landmarks(Vec::new()));
        let memory = Memory { sees: Arc::new(sees), seen: Vec::new(), refusals: VecDeque::new() };
        let eye = Arc::new(Eye { tokens, memory: Mutex::new(memory) });
        let state = Arc::clone(&eye);
        let upstream = Upstream::start(|_| Router::new().route(PATH, post(annotate)).with_state(state)).await;
        Self { upstream, eye }
    }

    /// From now on this says what is in a picture, by its bytes.
    pub fn answer_with(&self, sees: impl Fn(&[u8]) -> Sighting + Send + Sync + 'static) {
        lock(&self.eye.memory).sees = Arc::new(Box::new(sees));
    }

    /// From now on it sees what a world says. It knows pictures again that were shrunk or written anew.
    pub fn know(&self, world: &World) {
        let known = Known::new(world.clone());
        self.answer_with(move |bytes| known.look(bytes));
    }

    /// The next requests are refused whole, with these answers, one each. Their pictures are not looked at.
    pub fn refuse_next(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.eye.memory).refusals.extend(answers);
    }

    /// How many pictures were looked at, each as often as it was sent: what Google bills.
    pub fn pictures_seen(&self) -> usize {
        lock(&self.eye.memory).seen.len()
    }

    /// How often each picture was looked at, by the SHA-256 of its bytes in lower-case hex.
    pub fn times_seen(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for bytes in &lock(&self.eye.memory).seen {
            *times.entry(sha256(bytes)).or_default() += 1;
        }
        times
    }

    /// The pictures that were looked at, in that order.
    pub fn seen(&self) -> Vec<Bytes> {
        lock(&self.eye.memory).seen.clone()
    }
}

/// In lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    // The only implementation among what this crate depends on; it is here for the thumbprints of keys.
    let digest = (DEFAULT_PROVIDER.key_utils.compute_digest)(bytes, ThumbprintHash::SHA256);
    let digest = digest.expect("SHA-256 takes everything");
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error of the whole request, for [`Vision::refuse_next`], such as 429, `RESOURCE_EXHAUSTED`, `Quota exceeded`.
pub fn refusal(http_status: u16, status: &str, message: &str) -> Answer {
    let error = json!({"error": {"code": http_status, "message": message, "status": status}});
    Answer::json(&error).status(http_status)
}

/// The pictures of a world, with what can be seen in them.
struct Known {
    world: World,
    by_bytes: HashMap<Bytes, usize>,
    /// Made when the first picture comes that was changed.
    hashes: std::sync::OnceLock<Vec<Option<u64>>>,
}

impl Known {
    fn new(world: World) -> Self {
        let pictures = world.pictures.iter().enumerate();
        let by_bytes = pictures.map(|(index, picture)| (picture.bytes.clone(), index)).collect();
        Self { world, by_bytes, hashes: std::sync::OnceLock::new() }
    }

    fn look(&self, bytes: &[u8]) -> Sighting {
        let Ok(inspection) = inspect(bytes, &Limits::default()) else {
            return Sighting::Error { code: 3, message: "Bad image data.".to_owned() };
        };
        let nearest = || self.nearest(perceptual_hash(&inspection.picture));
        let index = self.by_bytes.get(bytes).copied().or_else(nearest);
        let boxes = index.map_or(&[][..], |index| &self.world.pictures[index].boxes);
        let size = (f64::from(inspection.width()), f64::from(inspection.height()));
        Sighting::Landmarks(boxes.iter().map(|shown| self.landmark(shown, size)).collect())
    }

    fn nearest(&self, hash: u64) -> Option<usize> {
        let hash_of = |bytes: &Bytes| {
            inspect(bytes, &Limits::default()).ok().map(|inspection| perceptual_hash(&inspection.picture))
        };
        let hashes = self
            .hashes
            .get_or_init(|| self.world.pictures.iter().map(|picture| hash_of(&picture.bytes)).collect());
        let distances = hashes
            .iter()
            .enumerate()
            .filter_map(|(index, known)| Some((hamming_distance((*known)?, hash), index)));
        let (distance, index) = distances.min()?;
        (distance <= SAME_PICTURE).then_some(index)
    }

    fn landmark(&self, shown: &Shown, (width, height): (f64, f64)) -> Landmark {
        let sight = &self.world.sights[shown.sight];
        let pixels = |share: f64, side: f64| (share.clamp(0.0, 1.0) * side).round() as i64;
        let left = pixels(shown.x, width);
        let top = pixels(shown.y, height);
        let right = pixels(shown.x + shown.width, width);
        let bottom = pixels(shown.y + shown.height, height);
        Landmark {
            mid: format!("/m/{}", sight.wikidata.to_lowercase()),
            location: Some((sight.latitude, sight.longitude)),
            ..Landmark::new(&sight.name, [left, top, right, bottom])
        }
    }
}

async fn annotate(State(eye): State<Arc<Eye>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = eye.annotate(&uri, &headers, &body).unwrap_or_else(|refusal| refusal);
    answer.into_response()
}

impl Eye {
    /// # Errors
    /// The refusal of the whole request.
    fn annotate(&self, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Answer, Answer> {
        self.admit(uri, headers)?;
        if let Some(refusal) = lock(&self.memory).refusals.pop_front() {
            return Err(refusal);
        }
        let requests = requests(body)?;
        let responses: Vec<Value> = requests.iter().map(|request| self.response(request)).collect();
        Ok(Answer::json(&json!({ "responses": responses })))
    }

    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Answer> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let token = header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        if let Some(token) = token {
            let is_good = self.tokens.as_ref().is_some_and(|tokens| tokens.accepts(token));
            return is_good.then_some(()).ok_or_else(unauthenticated);
        }
        let params = Params::of_query(uri);
        match header("x-goog-api-key").unwrap_or_else(|| params.text("key")) {
            API_KEY => Ok(()),
            "" => {
                let message = "Method doesn't allow unregistered callers. Please use API Key or other form of API \
                               consumer identity to call this API.";
                Err(refusal(403, "PERMISSION_DENIED", message))
            }
            _ => Err(refusal(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
        }
    }

    /// The answer for one picture.
    fn response(&self, request: &Value) -> Value {
        let content = request["image"]["content"].as_str().unwrap_or_default();
        let Ok(bytes) = base64_simd::STANDARD.decode_to_vec(content) else {
            return error(3, "Base64 decoding failed");
        };
        let bytes = Bytes::from(bytes);
        let sees = {
            let mut memory = lock(&self.memory);
            memory.seen.push(bytes.clone());
            Arc::clone(&memory.sees)
        };
        match sees(&bytes) {
            Sighting::Landmarks(landmarks) if landmarks.is_empty() => json!({}),
            Sighting::Landmarks(landmarks) => {
                let told: Vec<Value> = landmarks.iter().take(most_results(request)).map(annotation).collect();
                json!({ "landmarkAnnotations": told })
            }
            Sighting::Error { code, message } => error(code, &message),
        }
    }
}

fn unauthenticated() -> Answer {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                   other valid authentication credential.";
    refusal(401, "UNAUTHENTICATED", message)
        .header("www-authenticate", "Bearer realm=\"https://accounts.google.com/\"")
}

/// The requests for single pictures, where they are few and small enough and ask for landmarks.
fn requests(body: &Bytes) -> Result<Vec<Value>, Answer> {
    let wrong = |message: &str| refusal(400, "INVALID_ARGUMENT", message);
    if body.len() > MOST_BYTES {
        return Err(wrong(&format!("Request payload size exceeds the limit: {MOST_BYTES} bytes.")));
    }
    let parsed: Value = serde_json::from_slice(body).map_err(|_| wrong("Invalid JSON payload received."))?;
    let requests = parsed["requests"].as_array().cloned().unwrap_or_default();
    let asks = |request: &Value| {
        let features = request["features"].as_array().cloned().unwrap_or_default();
        features.iter().any(|feature| feature["type"] == "LANDMARK_DETECTION")
    };
    match requests.len() {
        0 => Err(wrong("No requests were given.")),
        count if count > MOST_PICTURES => Err(wrong("Too many images per request.")),
        _ if !requests.iter().all(asks) => Err(wrong("Request must specify image and features.")),
        _ => Ok(requests),
    }
}

fn most_results(request: &Value) -> usize {
    let most = request["features"][0]["maxResults"].as_u64().unwrap_or(10);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// A `google.rpc.Status`.
fn error(code: i32, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

fn annotation(landmark: &Landmark) -> Value {
    let mut told = json!({
        "mid": landmark.mid,
        "description": landmark.description,
        "score": landmark.score,
        "boundingPoly": {"vertices": landmark.vertices.iter().map(vertex).collect::<Vec<_>>()},
    });
    if let Some((latitude, longitude)) = landmark.location {
        told["locations"] = json!([{"latLng": {"latitude": latitude, "longitude": longitude}}]);
    }
    told
}

/// As in the JSON form of all protocol buffers, a zero is left out.
fn vertex(&(x, y): &(i64, i64)) -> Value {
    let both = [("x", x), ("y", y)].into_iter().filter(|(_, pixels)| *pixels != 0);
    both.map(|(name, pixels)| (name.to_owned(), json!(pixels))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::oauth::tests::token_of;
    use super::super::visitor::{Reply, post};
    use super::super::world::samples::world;
    use super::*;

    async fn ask(vision: &Vision, headers: &[&str], pictures: &[&[u8]]) -> Reply {
        let request = |bytes: &&[u8]| {
            let content = base64_simd::STANDARD.encode_to_string(bytes);
            json!({"image": {"content": content}, "features": [{"type": "LANDMARK_DETECTION", "maxResults": 10}]})
        };
        let body = json!({"requests": pictures.iter().map(request).collect::<Vec<_>>()});
        let path = if headers.is_empty() { format!("{PATH}?key={API_KEY}") } else { PATH.to_owned() };
        post(&vision.upstream, &path, headers, body.to_string().as_bytes()).await
    }

    #[tokio::test]
    async fn a_batch_is_answered_picture_by_picture() {
        let vision = Vision::start().await;
        vision.answer_with(|bytes| match bytes {
            b"two" => Sighting::Landmarks(vec![
                Landmark::new("Tower", [0, 250, 10, 300]),
                Landmark { location: Some((48.8, 2.2)), ..Landmark::new("Bridge", [1, 0, 2, 3]) },
            ]),
            b"bad" => Sighting::Error { code: 3, message: "Bad image data.".to_owned() },
            _ => Sighting::Landmarks(Vec::new()),
        });
        let answer = ask(&vision, &[], &[b"two", b"none", b"bad"]).await.json();
        let tower = &answer["responses"][0]["landmarkAnnotations"][0];
        let vertices = json!([{"y": 250}, {"x": 10, "y": 250}, {"x": 10, "y": 300}, {"y": 300}]);
        assert_eq!(tower["boundingPoly"]["vertices"], vertices);
        let bridge = &answer["responses"][0]["landmarkAnnotations"][1];
        assert_eq!(bridge["locations"][0]["latLng"]["latitude"], 48.8);
        assert_eq!(answer["responses"][1], json!({}));
        assert_eq!(answer["responses"][2]["error"]["code"], 3);
        assert_eq!(vision.pictures_seen(), 3);
    }

    #[tokio::test]
    async fn pictures_are_counted_by_their_content() {
        let vision = Vision::start().await;
        ask(&vision, &[], &[b"abc", b"abc", b""]).await;
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(vision.times_seen().get(abc), Some(&2));
        assert_eq!(vision.pictures_seen(), 3);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_looked_at() {
        let vision = Vision::start().await;
        let pictures = [b"a".as_slice(); 17];
        assert_eq!(ask(&vision, &[], &pictures).await.status, 400);
        assert_eq!(ask(&vision, &["X-Goog-Api-Key: wrong"], &pictures[..1]).await.status, 400);
        assert_eq!(ask(&vision, &["X-None: 1"], &pictures[..1]).await.status, 403);
        vision.refuse_next([refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded").header("retry-after", "1")]);
        let refused = ask(&vision, &[], &pictures[..16]).await;
        assert_eq!(
            (refused.status, refused.json()["error"]["status"].as_str()),
            (429, Some("RESOURCE_EXHAUSTED"))
        );
        vision.upstream.faults().next("/v1", [super::super::Fault::ServerError]);
        assert_eq!(ask(&vision, &[], &pictures[..16]).await.status, 503);
        assert_eq!(vision.pictures_seen(), 0);
        assert_eq!(ask(&vision, &[], &pictures[..16]).await.status, 200);
        assert_eq!(vision.pictures_seen(), 16);
    }

    #[tokio::test]
    async fn a_token_expires_in_the_middle() {
        let oauth = OAuth::start().await;
        oauth.expire_after(1);
        let vision = Vision::start_with(&oauth).await;
        let bearer = format!("Authorization: Bearer {}", token_of(&oauth).await);
        assert_eq!(ask(&vision, &[&bearer], &[b"a"]).await.status, 200);
        let expired = ask(&vision, &[&bearer], &[b"a"]).await;
        assert_eq!(
            (expired.status, expired.json()["error"]["status"].as_str()),
            (401, Some("UNAUTHENTICATED"))
        );
        assert_eq!(vision.pictures_seen(), 1);
    }

    #[tokio::test]
    async fn a_world_is_recognised_in_any_size() {
        let world = world();
        let vision = Vision::start().await;
        vision.know(&world);
        let bytes = &world.pictures[0].bytes;
        let answer = ask(&vision, &[], &[bytes, b"no picture"]).await.json();
        let tower = &answer["responses"][0]["landmarkAnnotations"][0];
        assert_eq!(tower["description"], "Tower");
        let vertices = json!([{"y": 2}, {"x": 4, "y": 2}, {"x": 4, "y": 5}, {"y": 5}]);
        assert_eq!(tower["boundingPoly"]["vertices"], vertices);
        assert_eq!(answer["responses"][1]["error"]["message"], "Bad image data.");
    }

    #[tokio::test]
    async fn real_pictures_are_known_again_after_shrinking() {
        let Some(world) = World::of_sights() else { return };
        let vision = Vision::start().await;
        vision.know(&world);
        for picture in [&world.pictures[1], &world.pictures[40]] {
            let inspection = inspect(&picture.bytes, &Limits::default()).unwrap();
            let small = sightscan_pictures::thumbnail(&inspection.picture, 250).unwrap();
            let answer = ask(&vision, &[], &[&small]).await.json();
            let found = answer["responses"][0]["landmarkAnnotations"].as_array().unwrap().clone();
            assert_eq!(found.len(), picture.boxes.len());
            assert_eq!(found[0]["description"], world.sights[picture.sight.unwrap()].name);
        }
    }
}
