//! HTTPS, as clients see it that check certificates.

use std::net::SocketAddr;
use std::path::Path;

use reqwest::{Certificate, Client, redirect};
use sightscan_http::axum::Router;
use sightscan_http::axum::routing::{get, post};
use sightscan_http::{ServerOptions, Stopped, Tls, TlsError, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<Stopped>,
}

impl Server {
    async fn start(tls: Tls) -> Self {
        let router = Router::new()
            .route("/here", get(|| async { "here" }))
            .route("/length", post(|body: String| async move { body.len().to_string() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = oneshot::channel();
        let shutdown = async { stopping.await.unwrap_or_default() };
        let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
        Self { address, stop, stopped: tokio::spawn(serve(listener, router, shutdown, options)) }
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }
}

fn made(folder: &Path) -> Tls {
    Tls::self_signed(folder, &["localhost".to_owned()]).unwrap()
}

/// A client that trusts nothing but the certificate in this folder.
fn client(folder: &Path) -> Client {
    let pem = fs_err::read(folder.join("tls-certificate.pem")).unwrap();
    let builder = Client::builder().no_proxy().redirect(redirect::Policy::none());
    let builder = builder.tls_certs_only([Certificate::from_pem(&pem).unwrap()]);
    builder.resolve("localhost", SocketAddr::from(([127, 0, 0, 1], 0))).build().unwrap()
}

#[tokio::test]
async fn requests_are_encrypted_and_the_certificate_is_the_one_that_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(made(folder.path())).await;
    let client = client(folder.path());
    for _ in 0..3 {
        let answer = client.get(server.url("https", "/here")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "here");
    }
    let long = client.post(server.url("https", "/length")).body("x".repeat(1_500_000)).send().await.unwrap();
    assert_eq!(long.text().await.unwrap(), "1500000");
    let elsewhere = tempfile::tempdir().unwrap();
    made(elsewhere.path());
    let stranger = self::client(elsewhere.path()).get(server.url("https", "/here")).send().await;
    assert!(stranger.unwrap_err().is_connect());
    server.stop.send(()).unwrap();
    assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 0 });
}

#[tokio::test]
async fn who_speaks_http_is_led_to_https_and_other_words_break_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(made(folder.path())).await;
    let client = client(folder.path());
    let answer = client.get(server.url("http", "/here?a=1")).send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["location"], server.url("https", "/here?a=1").as_str());
    // The first byte of TLS, and then nonsense.
    let mut broken = TcpStream::connect(server.address).await.unwrap();
    broken.write_all(&[22, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await.unwrap();
    let mut rest = Vec::new();
    let _ = broken.read_to_end(&mut rest).await;
    assert_eq!(client.get(server.url("https", "/here")).send().await.unwrap().status(), 200);
    // One that says nothing is not waited for.
    let _silent = TcpStream::connect(server.address).await.unwrap();
    server.stop.send(()).unwrap();
    assert_eq!(server.stopped.await.unwrap(), Stopped { cut_off: 0 });
}

#[test]
fn files_that_cannot_be_used_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let tls = made(folder.path());
    let (certificate, key) = (folder.path().join("tls-certificate.pem"), folder.path().join("tls-key.pem"));
    assert_eq!(Tls::of_files(&certificate, &key).unwrap(), tls);
    let fingerprint = tls.fingerprint();
    assert_eq!((fingerprint.len(), fingerprint.split(':').count()), (95, 32), "{fingerprint}");
    let told = |certificate: &Path, key: &Path| match Tls::of_files(certificate, key).unwrap_err() {
        error @ (TlsError::File { .. } | TlsError::Pair { .. }) => error.to_string(),
        other => panic!("{other}"),
    };
    assert!(told(&key, &key).contains("tls-key.pem holds no certificate"));
    assert!(told(&certificate, &certificate).contains("tls-certificate.pem holds no private key"));
    assert!(told(&folder.path().join("none.pem"), &key).contains("none.pem"));
    let other = tempfile::tempdir().unwrap();
    made(other.path());
    assert!(told(&certificate, &other.path().join("tls-key.pem")).contains("cannot be used with the key"));
}

#[test]
fn a_certificate_is_kept_unless_a_name_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let first = made(folder.path());
    assert_eq!(made(folder.path()), first);
    let more = ["localhost".to_owned(), "192.0.2.7".to_owned()];
    let second = Tls::self_signed(folder.path(), &more).unwrap();
    assert_ne!(second, first);
    assert_eq!(made(folder.path()), second);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_a_key_that_was_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let mode = fs_err::metadata(folder.path().join("tls-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
