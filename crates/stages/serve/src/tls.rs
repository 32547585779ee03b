//! HTTPS, as a user chooses it. Browsers give the camera only to pages over it, or of the same machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use qrcode::QrCode;
use qrcode::render::unicode;
use serde::{Deserialize, Serialize};
use sightscan_http::{Tls, TlsError};

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsChoice {
    /// It is made for this machine, once; nobody vouches for it.
    SelfSigned,
    /// From files.
    #[serde(untagged)]
    Files {
        /// The certificate, followed by those that vouch for it, in PEM.
        cert: PathBuf,
        /// Its private key in PEM.
        key: PathBuf,
    },
}

/// The kinds of certificates that need no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Made {
    /// One that this program makes, once.
    SelfSigned,
}

/// Flags of HTTPS.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsFlags {
    /// Speak HTTPS with this certificate, followed by those that vouch for it (PEM).
    #[arg(long, value_name = "FILE", env = "SIGHTSCAN_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", env = "SIGHTSCAN_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Speak HTTPS with a certificate that is made here, for the cameras of phones in the same network.
    #[arg(long, value_name = "KIND", env = "SIGHTSCAN_TLS", conflicts_with = "tls_cert")]
    tls: Option<Made>,
}

impl TlsFlags {
    /// What these flags say, else `configured`.
    pub fn or(self, configured: Option<TlsChoice>) -> Option<TlsChoice> {
        match (self.tls_cert.zip(self.tls_key), self.tls) {
            (Some((cert, key)), _) => Some(TlsChoice::Files { cert, key }),
            (None, Some(Made::SelfSigned)) => Some(TlsChoice::SelfSigned),
            (None, None) => configured,
        }
    }
}

impl TlsChoice {
    /// The certificate. One that is made here is kept in `folder`.
    ///
    /// # Errors
    /// When its files cannot be used, or it cannot be made or kept.
    pub fn open(&self, folder: &Path, listen: SocketAddr) -> Result<Tls, TlsError> {
        match self {
            Self::Files { cert, key } => Tls::of_files(cert, key),
            Self::SelfSigned => Tls::self_signed(folder, &names(listen)),
        }
    }
}

/// The names and addresses under which this machine is asked.
fn names(listen: SocketAddr) -> Vec<String> {
    let own = [IpAddr::from(Ipv4Addr::LOCALHOST), reachable(listen).ip()].map(|address| address.to_string());
    std::iter::once("localhost".to_owned()).chain(own).collect()
}

/// An address under which others reach a server that listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let address = if listen.ip().is_unspecified() { outward().unwrap_or(listen.ip()) } else { listen.ip() };
    SocketAddr::new(address, listen.port())
}

/// The address that this machine has in the network that leads outwards. Nothing is sent: connecting a datagram socket only
/// chooses the way.
fn outward() -> Option<IpAddr> {
    // An address for documentation (RFC 5737).
    let somewhere = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(somewhere).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Where a browser finds a server that listens there.
pub fn address(listen: SocketAddr, tls: Option<&Tls>) -> String {
    match tls {
        Some(_) => format!("https://{}", reachable(listen)),
        None => format!("http://{listen}"),
    }
}

/// What somebody needs who opens the server on a phone: the address to scan, and the certificate's fingerprint to compare.
pub fn invitation(listen: SocketAddr, tls: &Tls) -> String {
    let address = address(listen, Some(tls));
    let code =
        QrCode::new(&address).map(|code| code.render::<unicode::Dense1x2>().build()).unwrap_or_default();
    format!("{code}\n  on a phone   {address}\n  certificate  SHA-256 {}", tls.fingerprint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        tls: TlsFlags,
    }

    fn said(flags: &[&str]) -> Result<Option<TlsChoice>, String> {
        let flags = ["sightscan"].iter().chain(flags);
        Program::try_parse_from(flags).map(|program| program.tls.or(None)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_certificate_is_of_files_or_made() {
        let files = TlsChoice::Files { cert: "c.pem".into(), key: "k.pem".into() };
        assert_eq!(said(&["--tls-cert", "c.pem", "--tls-key", "k.pem"]), Ok(Some(files.clone())));
        assert_eq!(said(&["--tls", "self-signed"]), Ok(Some(TlsChoice::SelfSigned)));
        assert_eq!(said(&[]), Ok(None));
        assert!(said(&["--tls-cert", "c.pem"]).unwrap_err().contains("--tls-key"));
        assert!(said(&["--tls", "self-signed", "--tls-cert", "c", "--tls-key", "k"]).is_err());
        let read = |text: &str| serde_json::from_str::<TlsChoice>(text).unwrap();
        assert_eq!(read(r#""self-signed""#), TlsChoice::SelfSigned);
        assert_eq!(read(r#"{"cert": "c.pem", "key": "k.pem"}"#), files);
    }

    #[test]
    fn phones_are_invited_to_an_address_that_they_reach() {
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([192, 0, 2, 7], 8002));
        let tls = TlsChoice::SelfSigned.open(folder.path(), listen).unwrap();
        let text = invitation(listen, &tls);
        assert!(text.contains("https://192.0.2.7:8002") && text.contains(&tls.fingerprint()), "{text}");
        assert!(text.lines().filter(|line| line.contains('█')).count() > 10, "{text}");
        assert!(!reachable(SocketAddr::from(([0, 0, 0, 0], 1))).ip().is_unspecified() || outward().is_none());
        // It is made once: whoever has accepted it is not asked again.
        assert_eq!(TlsChoice::SelfSigned.open(folder.path(), listen).unwrap(), tls);
    }
}
