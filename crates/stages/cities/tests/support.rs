//! A server of cities to ask, and the ways to ask it.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use sightscan_blobs::{Address, Blobs};
use sightscan_cities::http::{documented, labelling, router, surroundings};
use sightscan_cities::{Api, Cities, Config, ReadModel};
use sightscan_http::{AdminGate, AdminToken, ServerOptions, axum, openapi, serve};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::images::crawled;
use sightscan_types::{CityId, CityName, ImageId};
use sightscan_warehouse::images;
use sightscan_warehouse::models::{self, NewModel};
use sightscan_warehouse::{Database, Warehouse, cities};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use utoipa_axum::router::OpenApiRouter;

/// The administrator's token of all servers here.
pub(crate) const TOKEN: &str = "a-token-of-these-tests";

/// A server that runs until its test ends. Clients can be played by the header `x-forwarded-for`.
pub(crate) struct Site {
    pub(crate) cities: Arc<Cities>,
    pub(crate) warehouse: Warehouse,
    pub(crate) address: String,
    listener: Listener,
    config: Config,
    test: Arc<(TestDatabase, TempDir)>,
}

/// A listener that answers until it is dropped or told to stop.
pub(crate) struct Listener {
    pub(crate) address: String,
    stop: CancellationToken,
    _serving: AbortOnDropHandle<()>,
}

impl Listener {
    async fn start(routes: axum::Router, config: &Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let around = surroundings(config, address, Arc::new(|_| {})).unwrap();
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let serving = tokio::spawn(async move {
            serve(listener, around.around(routes), stopping.cancelled_owned(), ServerOptions::default())
                .await;
        });
        let _serving = AbortOnDropHandle::new(serving);
        Self { address: format!("http://{address}"), stop, _serving }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        request(method, format!("{}{path}", self.address))
    }
}

fn request(method: Method, url: String) -> RequestBuilder {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap().request(method, url)
}

fn gate() -> AdminGate {
    AdminGate::new(AdminToken::new(TOKEN).unwrap())
}

impl Site {
    /// A server with the usual settings.
    pub(crate) async fn start(test: TestDatabase) -> Self {
        Self::with(test, Config::default()).await
    }

    /// A server with these settings.
    pub(crate) async fn with(test: TestDatabase, config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::of(Arc::new((test, folder)), config).await
    }

    /// Another server of the same installation.
    pub(crate) async fn replica(&self, config: Config) -> Self {
        Self::of(Arc::clone(&self.test), config).await
    }

    async fn of(test: Arc<(TestDatabase, TempDir)>, config: Config) -> Self {
        let config = Config { trusted_proxies: vec!["127.0.0.1".to_owned()], ..config };
        let blobs = Blobs::open(&Address::Folder(test.1.path().join("blobs")), |_| None).unwrap();
        // A pool of its own, as another process has.
        let database = Database::open(&test.0.url.parse().unwrap()).await.unwrap();
        let warehouse = Warehouse { database, blobs };
        let cities = Cities::open(warehouse.clone(), config.clone(), read_model()).await.unwrap();
        let routes = documented(router(&Api::new(Arc::clone(&cities), gate())));
        let listener = Listener::start(routes, &config).await;
        Self { cities, warehouse, address: listener.address.clone(), listener, config, test }
    }

    /// The labelling service of the same installation, on a listener of its own.
    pub(crate) async fn labelling(&self) -> Listener {
        let api = Api::new(Arc::clone(&self.cities), gate().open_to_loopback());
        let routes = OpenApiRouter::with_openapi(openapi::about("labelling", "")).merge(labelling(&api));
        Listener::start(documented(routes), &self.config).await
    }

    /// Where its database is, for other programs.
    pub(crate) fn url(&self) -> &str {
        &self.test.0.url
    }

    /// Tells the server to stop, as a restart does.
    pub(crate) fn stop(&self) {
        self.listener.stop.cancel();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        request(method, format!("{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// Asks as this client.
    pub(crate) async fn post_as(&self, client: &str, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).header("x-forwarded-for", client).json(body).send().await.unwrap()
    }

    /// The old client's request for a city, as this client.
    pub(crate) async fn add_as(&self, client: &str, city: &str) -> Response {
        let request = self.request(Method::POST, &format!("/api/cities/{city}/add"));
        request.header("x-forwarded-for", client).send().await.unwrap()
    }

    /// Asks as the administrator.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.request(method, path).bearer_auth(TOKEN);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// Does something as the administrator, which must go well.
    pub(crate) async fn decide(&self, path: &str) -> Value {
        let answer = self.admin(Method::POST, path, None).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// The live and finished jobs of this query, as the administrator sees them.
    pub(crate) async fn jobs(&self, query: &str) -> Vec<Value> {
        let answer = self.admin(Method::GET, &format!("/v1/jobs{query}"), None).await;
        let page: Value = answer.json().await.unwrap();
        page["items"].as_array().unwrap().clone()
    }

    /// The city of this name, which is made where it is new.
    pub(crate) async fn city(&self, name: &CityName) -> CityId {
        let database = &self.warehouse.database;
        let mut transaction = database.begin().await.unwrap();
        let (city, _) = cities::find_or_create(&mut transaction, name, None, database.now()).await.unwrap();
        transaction.commit().await.unwrap();
        city.id
    }

    /// Publishes a model of a city, trained on so many labelled images; its version.
    pub(crate) async fn publish(&self, name: &CityName, bytes: Bytes, considered_images: i64) -> i64 {
        let (city, metrics) = (self.city(name).await, "{\"map50\":0.5}".to_owned());
        let specification = String::new();
        let new = NewModel { city, specification, dataset: None, parent: None, considered_images, metrics };
        let by = models::By { actor: "ada", why: "a test" };
        models::publish(&self.warehouse, bytes, &new, by).await.unwrap().version
    }

    /// Stores an image of a city that was found at this address.
    pub(crate) async fn store(
        &self,
        name: &CityName,
        bytes: Bytes,
        source: &str,
        licence: Option<&str>,
    ) -> ImageId {
        let mut image = crawled(source);
        image.provenance.licence = licence.map(str::to_owned);
        let city = self.city(name).await;
        images::store(&self.warehouse, city, bytes, &image).await.unwrap().image
    }

    /// A city that was approved.
    pub(crate) async fn approved(&self, name: &str) -> Value {
        let answer = self.post("/v1/cities", &serde_json::json!({"name": name})).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}

/// Takes for a model what begins like one.
fn read_model() -> ReadModel {
    Arc::new(
        |bytes| if bytes.starts_with(b"onnx") { Ok(String::new()) } else { Err("no ONNX file".to_owned()) },
    )
}

/// Checks that an answer is this problem, and gives it.
pub(crate) async fn problem(answer: Response, status: u16, slug: &str) -> Value {
    assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap());
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], format!("urn:sightscan:problem:{slug}"), "{problem}");
    problem
}
