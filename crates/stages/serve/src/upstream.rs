//! A laptop that serves the models of another server passes on what visitors ask about cities: that server has them, and takes
//! requests and donations.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sightscan_engine::model::RemoteServer;
use sightscan_http::axum::Router;
use sightscan_http::axum::extract::{Request, State};
use sightscan_http::axum::http::{HeaderMap, HeaderName, Uri, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::axum::routing::{delete, get, post};
use sightscan_http::exchange::Worded;
use sightscan_http::{Budget, Problem, Slug};

use crate::config::Config;
use crate::error::StartError;

/// How long an answer may take, with the picture that is sent for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Whoever opens the app waits so long for a server that is away.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(3);
/// What a request says there. Nothing of the administrator's leaves this machine.
const ASKED: [HeaderName; 2] = [header::CONTENT_TYPE, header::ACCEPT];
/// What an answer says here.
const ANSWERED: [HeaderName; 3] = [header::CONTENT_TYPE, header::LINK, header::RETRY_AFTER];

#[derive(Debug)]
struct Upstream {
    server: RemoteServer,
    client: Client,
    budget: Budget,
}

/// The routes that are passed on; none where no server is configured whose models are served here.
///
/// # Errors
/// When its address is none.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(config: &Config) -> Result<Router<S>, StartError> {
    let Some(server) = &config.from else { return Ok(Router::new()) };
    let server = RemoteServer::parse(server)?;
    // Who follows a redirection asks something else: a wish would become a question for the list.
    let client =
        Client::builder().timeout(PATIENCE).connect_timeout(PATIENCE_TO_CONNECT).redirect(Policy::none());
    let client = client.build().map_err(|error| server.unusable(&error))?;
    let budget = Budget::new(config.max_body_bytes, config.body_budget_bytes);
    let router = Router::new()
        .route("/v1/cities", get(pass).post(pass))
        .route("/v1/cities/{city}", get(pass))
        .route("/v1/cities/{city}/sights", get(pass))
        .route("/v1/cities/{city}/images", post(pass))
        .route("/v1/consent", get(pass))
        .route("/v1/donations/{token}", delete(pass))
        .route("/v1/places", get(pass));
    Ok(router.with_state(Arc::new(Upstream { server, client, budget })))
}

async fn pass(State(upstream): State<Arc<Upstream>>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let address = upstream.address(&head.uri)?;
    let body = upstream.budget.receive(body, Instant::now() + PATIENCE).await?;
    let asked = upstream.client.request(head.method, address).headers(only(&head.headers, &ASKED));
    let answer = asked.body(body.bytes).send().await.map_err(|error| upstream.away(&error))?;
    let (status, headers) = (answer.status(), only(answer.headers(), &ANSWERED));
    if status.is_redirection() {
        return Err(upstream.away(&"it sends elsewhere; give the final address with --from"));
    }
    let bytes = answer.bytes().await.map_err(|error| upstream.away(&error))?;
    let mut response = (status, headers, bytes).into_response();
    // What it says of an error is said here as well.
    response.extensions_mut().insert(Worded);
    Ok(response)
}

impl Upstream {
    /// Where the same is asked there. Addresses resolve `..` and `\`, which would lead to what is not passed on.
    fn address(&self, asked: &Uri) -> Result<Url, Problem> {
        let mut address = self.server.at(asked.path());
        if !address.path().ends_with(asked.path()) {
            return Err(Problem::new(Slug::NotFound, "the path leads elsewhere"));
        }
        address.set_query(asked.query());
        Ok(address)
    }

    /// Visitors are told that something is not there; which server it is, and why, is in the log.
    fn away(&self, why: &dyn Display) -> Problem {
        let server = self.server.at("");
        Problem::new(
            Slug::Unavailable,
            format!("{} does not answer: {why}", server.host_str().unwrap_or_default()),
        )
    }
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let kept = names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    kept.collect()
}
