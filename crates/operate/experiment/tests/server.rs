//! A server that a test can count on, and kill.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::serve::ListenerExt;
use sightscan_experiment::{Config, Event, Load, Summary};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A server on a free port, with a runtime of its own so that killing it cuts every connection.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Server {
    pub(crate) fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let counter = Arc::clone(&connections);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let counted = listener.tap_io(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
            axum::serve(counted, router).await.unwrap();
        });
        Self { address, connections, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

/// A folder of `count` small files that are named like pictures, each with bytes of its own.
pub(crate) fn folder(count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..count {
        let bytes: Vec<u8> = (0..1000).map(|byte| (byte * (at + 3) % 256) as u8).collect();
        fs_err::write(folder.path().join(format!("{at:03}.jpg")), bytes).unwrap();
    }
    folder
}

/// Runs a test to its end, with nobody watching.
pub(crate) async fn run(config: Config) -> Summary {
    watch(config, |_| {}).await
}

/// Runs a test to its end.
pub(crate) async fn watch(config: Config, observer: impl FnMut(&Event) + Send + 'static) -> Summary {
    Load::prepare(config).unwrap().run(std::future::pending(), observer).await.unwrap()
}
