//! A host that has pictures.

use std::path::{Path, PathBuf};

use anyhow::Result;
use sightscan_http::axum::Router;
use sightscan_http::axum::extract::{self, State};
use sightscan_http::axum::http::{StatusCode, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::axum::routing::get;
use sightscan_http::{ServerOptions, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Its server, on a thread of its own; ends with this value.
pub(crate) struct Upstream {
    /// Where it is.
    pub(crate) address: String,
    _runtime: Runtime,
}

impl Upstream {
    /// Serves the files of a folder.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/{name}", get(file)).with_state(folder.to_owned());
        runtime.spawn(serve(listener, router, std::future::pending::<()>(), ServerOptions::default()));
        Ok(Self { address, _runtime: runtime })
    }
}

async fn file(State(folder): State<PathBuf>, extract::Path(name): extract::Path<String>) -> Response {
    match tokio::fs::read(folder.join(name)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
