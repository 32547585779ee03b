//! Listening, for the public and for those who watch a process.

use std::net::SocketAddr;
use std::sync::Arc;

use sightscan_http::axum::Router;
use sightscan_http::health::{self, Vitals};
use sightscan_http::{ServerOptions, serve, surround};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::Stop;
use crate::error::{Error, Result};

/// A listener on this address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// Serves a router until `stop`, and then until every request that was taken is answered.
pub(crate) async fn answer(listener: TcpListener, router: Router, options: ServerOptions, stop: Stop) {
    let stopped = serve(listener, router, async move { stop.cancelled().await }, options).await;
    if stopped.cut_off > 0 {
        warn!(cut_off = stopped.cut_off, "the server stopped before all requests were answered");
    }
}

/// Answers for the health of a process without a public port, where an address is given for that.
pub(crate) async fn watch(address: Option<SocketAddr>, vitals: Arc<dyn Vitals>, stop: Stop) -> Result<()> {
    watch_with(address, vitals, Router::new(), stop).await
}

/// The same, with more routes.
pub(crate) async fn watch_with(
    address: Option<SocketAddr>,
    vitals: Arc<dyn Vitals>,
    more: Router,
    stop: Stop,
) -> Result<()> {
    let Some(address) = address else { return Ok(()) };
    let listener = bind(address).await?;
    info!(address = %listener.local_addr()?, "health and metrics");
    let router = surround(health::router(vitals).merge(more), Arc::new(|_| {}));
    tokio::spawn(answer(listener, router, ServerOptions::default(), stop));
    Ok(())
}
