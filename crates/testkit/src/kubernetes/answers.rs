//! Answers as the API gives them.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::{DEPLOYMENT, NAMESPACE};

/// A body in JSON.
pub(super) fn json_answer(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Why it was not done: an object `Status`.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code})
}

pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Response {
    let mut response = json_answer(&status(code, reason, message));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status of HTTP");
    response
}

pub(super) fn unauthorized() -> Response {
    refusal(401, "Unauthorized", "Unauthorized")
}

pub(super) fn forbidden(method: &str, path: &str) -> Response {
    let verb = if method == "PATCH" { "patch" } else { "get" };
    let (resource, group) = match path.contains("/pods") {
        true => ("pods", ""),
        false => ("deployments/scale", "apps"),
    };
    let told = format!(
        "User \"system:serviceaccount:{NAMESPACE}:default\" cannot {verb} resource \"{resource}\" in API group \
         \"{group}\" in the namespace \"{NAMESPACE}\""
    );
    refusal(403, "Forbidden", &format!("{resource} is forbidden: {told}"))
}

pub(super) fn not_found(resource: &str, name: &str) -> Response {
    refusal(404, "NotFound", &format!("{resource} \"{name}\" not found"))
}

pub(super) fn conflict() -> Response {
    let told = format!(
        "Operation cannot be fulfilled on deployments.apps \"{DEPLOYMENT}\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    refusal(409, "Conflict", &told)
}

pub(super) fn invalid(what: &str) -> Response {
    refusal(422, "Invalid", what)
}

pub(super) fn gone() -> Response {
    refusal(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
}

pub(super) fn too_many(retry_after: u64) -> Response {
    let told = "Too many requests, please try again later.";
    let mut response = refusal(429, "TooManyRequests", told);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

pub(super) fn failed(code: u16) -> Response {
    let (reason, message) = match code {
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        _ => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    };
    refusal(code, reason, message)
}

/// The beginning of an answer, and then nothing: the connection is closed.
pub(super) fn cut() -> Response {
    let begin = stream::iter([Ok(Bytes::from_static(b"{"))]);
    let broken = stream::once(async {
        // The server sends what it has only when the body makes it wait.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("the connection breaks on purpose"))
    });
    let mut response = Response::new(Body::from_stream(begin.chain(broken)));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(1000));
    response
}
