//! `sightscan health`: asks a role how it is. Container engines do so again and again, and images hold no other program that could.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;
use sightscan_http::health::READINESS;

use crate::error::{Error, Result};

/// Who takes longer to answer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any answer about health.
const MOST: u64 = 64 * 1024;

/// Which role is asked.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sightscan health
  sightscan health 127.0.0.1:9002")]
pub struct Flags {
    /// Address of `up`, `api` or `serve`, or the one that --admin-listen gives to others.
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8002")]
    address: SocketAddr,
}

impl Flags {
    /// Asks once.
    ///
    /// # Errors
    /// When nobody answers, or whoever answers wants no requests; the reasons are told.
    pub fn ask(&self) -> Result<()> {
        let answer =
            exchange(self.address).map_err(|source| Error::Silent { address: self.address, source })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        match head.split_ascii_whitespace().nth(1) {
            Some("200") => Ok(()),
            _ => Err(Error::NotReady { address: self.address, answer: body.trim().to_owned() }),
        }
    }
}

/// One request and its whole answer. By HTTP 1.0 the server ends the connection behind it.
fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {READINESS} HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    Ok(answer)
}
