//! How a process says how it is: the three paths that probes and Prometheus ask for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::NotReady;
use crate::problem::{Problem, Slug};

/// Whether the process lives.
pub const LIVENESS: &str = "/healthz";
/// Whether requests are wanted.
pub const READINESS: &str = "/readyz";
/// What is counted and measured.
pub const METRICS: &str = "/metrics";
/// All paths of this kind; they are answered for every host.
pub const PATHS: [&str; 3] = [LIVENESS, READINESS, METRICS];

/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a process is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    status: &'static str,
}

/// What a process knows about itself.
pub trait Vitals: Send + Sync + 'static {
    /// Why no requests, or no work, are wanted now; empty when they are.
    fn reasons(&self) -> Vec<String>;

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// The three paths with their documentation.
pub fn routes(vitals: Arc<dyn Vitals>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .with_state(vitals)
}

/// The three paths, for processes that have no others.
pub fn router(vitals: Arc<dyn Vitals>) -> Router {
    routes(vitals).into()
}

/// Answers as long as the process lives.
#[utoipa::path(get, path = LIVENESS, tag = "operation",
    responses((status = 200, description = "the process lives", body = Status)))]
async fn healthz() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Says whether requests are wanted, and why not.
#[utoipa::path(get, path = READINESS, tag = "operation",
    responses((status = 200, description = "requests are wanted", body = Status), NotReady))]
async fn readyz(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    let reasons = vitals.reasons();
    if reasons.is_empty() {
        return Json(Status { status: "ready" }).into_response();
    }
    Problem::new(Slug::NotReady, reasons.join("; ")).with("reasons", json!(reasons)).into_response()
}

/// The metrics in Prometheus' text format.
#[utoipa::path(get, path = METRICS, tag = "operation",
    responses((status = 200, description = "the metrics", body = String, content_type = "text/plain")))]
async fn metrics(State(vitals): State<Arc<dyn Vitals>>) -> Response {
    ([(header::CONTENT_TYPE, EXPOSITION)], vitals.metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;

    struct Patient(Vec<String>);

    impl Vitals for Patient {
        fn reasons(&self) -> Vec<String> {
            self.0.clone()
        }

        fn metrics(&self) -> String {
            "jobs_total 3\n".to_owned()
        }
    }

    async fn ask(reasons: &[&str], path: &str) -> (u16, String, String) {
        let reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(Arc::new(Patient(reasons))).oneshot(request).await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_process_tells_how_it_is() {
        let json = "application/json".to_owned();
        assert_eq!(ask(&["ill"], LIVENESS).await, (200, json.clone(), r#"{"status":"ok"}"#.to_owned()));
        assert_eq!(ask(&[], READINESS).await, (200, json, r#"{"status":"ready"}"#.to_owned()));
        assert_eq!(ask(&[], METRICS).await, (200, EXPOSITION.to_owned(), "jobs_total 3\n".to_owned()));
    }

    #[tokio::test]
    async fn who_is_not_ready_says_why() {
        let (status, kind, body) = ask(&["no database", "no disk"], READINESS).await;
        assert_eq!((status, kind.as_str()), (503, "application/problem+json"));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["reasons"], json!(["no database", "no disk"]));
        assert_eq!(body["type"], "urn:sightscan:problem:not-ready");
    }
}
