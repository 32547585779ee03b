//! HTTPS: with a certificate of files, or with one that is made for this machine and signed by nobody else.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, Uri, header};
use axum::response::Redirect;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use sightscan_types::Sha256;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::problem::{Problem, Slug};

/// The files of the certificate that is made here, in the folder that it is kept in.
const CERTIFICATE: &str = "tls-certificate.pem";
const KEY: &str = "tls-key.pem";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Some systems take no certificate that is valid for more than 825 days.
const VALID: Duration = Duration::from_secs(820 * 24 * 60 * 60);
/// One that was made is made anew before it ends.
const KEPT: Duration = Duration::from_secs(730 * 24 * 60 * 60);
/// The first byte of a client that speaks TLS (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// What connections are encrypted with.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

/// Why nothing can be encrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that holds none of what it should.
    #[error("{} holds no {what} in PEM: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// A certificate and a key that do not belong together, or that TLS does not take.
    #[error("the certificate {} cannot be used with the key {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// No certificate can be made.
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The files of one that was made.
    #[error("the certificate that was made cannot be kept: {0}")]
    Keep(#[from] io::Error),
}

impl Tls {
    /// With the certificate (followed by those that vouch for it) and the private key of these PEM files.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let file = |path: &Path, what| {
            let path = path.to_owned();
            move |source| TlsError::File { path, what, source }
        };
        let chain =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(file(certificate, "certificate"))?;
        let no_chain = || file(certificate, "certificate")(pem::Error::NoItemsFound);
        let own = chain.first().cloned().ok_or_else(no_chain)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(file(key, "private key"))?;
        let pair =
            |source| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), source };
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, secret).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate: own })
    }

    /// With a certificate for these host names and addresses that nobody vouches for. It is kept in `folder` for two years, so that
    /// whoever has accepted it is not asked again; one that is not for all of them is made anew.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    pub fn self_signed(folder: &Path, hosts: &[String]) -> Result<Self, TlsError> {
        let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        if is_young(&certificate)
            && let Ok(kept) = Self::of_files(&certificate, &key)
            && hosts.iter().all(|host| kept.names(host))
        {
            return Ok(kept);
        }
        let (made, secret) = make(hosts)?;
        fs_err::create_dir_all(folder)?;
        write_secret(&key, &secret)?;
        fs_err::write(&certificate, made)?;
        Self::of_files(&certificate, &key)
    }

    /// Whether its certificate is for this host name or address.
    fn names(&self, host: &str) -> bool {
        let parsed = ParsedCertificate::try_from(&self.certificate).ok();
        let name = ServerName::try_from(host).ok();
        parsed.zip(name).is_some_and(|(parsed, name)| verify_server_name(&parsed, &name).is_ok())
    }

    /// The SHA-256 of the certificate, as browsers show it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::of(&self.certificate).to_string().to_uppercase();
        digest.as_bytes().chunks(2).fold(String::new(), |mut written, byte| {
            let colon = if written.is_empty() { "" } else { ":" };
            let _ = write!(written, "{colon}{}", String::from_utf8_lossy(byte));
            written
        })
    }

    /// Agrees with a client upon how to encrypt, where it wants to.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Opened> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
            return Ok(Opened::Plain(stream));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        acceptor.accept(stream).await.map(|stream| Opened::Encrypted(Box::new(stream)))
    }
}

/// A connection whose client has begun.
pub(crate) enum Opened {
    Encrypted(Box<TlsStream<TcpStream>>),
    /// The client does not speak TLS.
    Plain(TcpStream),
}

/// What a client is answered that speaks HTTP where HTTPS is spoken: the same address with `https`.
pub(crate) fn lead() -> Router {
    Router::new().fallback(async |uri: Uri, headers: HeaderMap| {
        let mut parts = uri.into_parts();
        let host = headers.get(header::HOST).and_then(|host| host.as_bytes().try_into().ok());
        (parts.scheme, parts.authority) = (Some(Scheme::HTTPS), host.or(parts.authority));
        let elsewhere = Uri::from_parts(parts).map(|uri| Redirect::temporary(&uri.to_string()));
        elsewhere.map_err(|_| Problem::new(Slug::Malformed, "only https is spoken here"))
    })
}

fn is_young(file: &Path) -> bool {
    let written = fs_err::metadata(file).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written.elapsed().unwrap_or_default() < KEPT)
}

/// A certificate and its private key, in PEM.
fn make(hosts: &[String]) -> Result<(String, String), TlsError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut wanted = rcgen::CertificateParams::new(hosts)?;
    wanted.not_before = epoch + now.saturating_sub(DAY);
    wanted.not_after = epoch + now + VALID;
    wanted.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate()?;
    Ok((wanted.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner may read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    use std::io::Write as _;
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate
    }
}

impl Eq for Tls {}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}
