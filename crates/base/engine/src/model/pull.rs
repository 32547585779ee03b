//! Downloading a file: goes on where it was cut off, and never leaves a wrong or half a file under its name.
//!
//! The bytes gather in `<file>.part`, with what identifies them on the server in `<file>.part.json`. A request for
//! the rest names that (`Range` and `If-Range`, RFC 9110 sections 13.1.5 and 14), so that parts of two versions are
//! never mixed. At the end the file is hashed, moved into its place in one step, and its hash is written to
//! `<file>.sha256` as `sha256sum --check` reads it.

mod part;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};

use super::data_folder;
use crate::files;
use part::Part;

/// How a file is downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOptions {
    /// Where the file goes: its path, or a folder, where it is named by the last part of the address's path; default
    /// `downloads/` of the data folder.
    pub destination: Option<PathBuf>,
    /// The SHA-256 that the file must have, in hexadecimal.
    pub sha256: Option<String>,
    /// The greatest size of a file in bytes.
    pub greatest_bytes: u64,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the server may send nothing.
    pub read_timeout: Duration,
    /// How often it is tried in all.
    pub attempts: u32,
    /// The pause after the first failure; it doubles after each one.
    pub pause: Duration,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            destination: None,
            sha256: None,
            greatest_bytes: 4 << 30,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on the disk.
    pub done: u64,
    /// Bytes in all, where the server says it.
    pub total: Option<u64>,
}

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many of them were there before: from an earlier download that was cut off, or all.
    pub resumed_from: u64,
}

/// A file could not be downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The address is none of a file.
    #[error("`{url}` cannot be downloaded: {reason}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The expected hash is no hash.
    #[error("`{0}` is no SHA-256: give 64 hexadecimal digits")]
    NotAHash(String),
    /// No connection came about.
    #[error(
        "{host} cannot be reached: {reason}; check the network, the address and any proxy, then run the same command again, or bring the file here by other means and give its path"
    )]
    Unreachable {
        /// The server.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// The transfer broke off, and did so again.
    #[error(
        "the download of {url} broke off at {done} bytes: {reason}; run the same command again to go on from there"
    )]
    Interrupted {
        /// The address.
        url: String,
        /// Bytes on the disk.
        done: u64,
        /// What went wrong last.
        reason: String,
    },
    /// The server refuses.
    #[error("the server answers {status} for {url}; check the address, and whether it needs a login")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The file is larger than allowed.
    #[error(
        "{url} has {bytes} bytes or more, but at most {greatest} are allowed; raise the limit if that is meant"
    )]
    TooLarge {
        /// The address.
        url: String,
        /// The size that is known so far.
        bytes: u64,
        /// The limit.
        greatest: u64,
    },
    /// The file is another one than expected.
    #[error(
        "{url} has the SHA-256 {found}, but {expected} was expected: the file was damaged or replaced, and is not kept; check the address and the hash"
    )]
    WrongHash {
        /// The address.
        url: String,
        /// The hash that was expected.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// Another process downloads the same file.
    #[error("{} is being written by another download; wait for it, or give another destination", path.display())]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Downloads a file and tells `progress` as it goes; goes on with what an earlier call left.
///
/// # Errors
/// See [`PullError`]. What was loaded is kept for the next call, unless it is wrong or too large.
pub async fn pull(
    url: &str,
    options: &PullOptions,
    progress: impl Fn(Progress) + Send + Sync,
) -> Result<Pulled, PullError> {
    let address = address(url)?;
    let expected = options.sha256.as_deref().map(checked_hash).transpose()?;
    let path = match &options.destination {
        Some(folder) if folder.is_dir() => folder.join(file_name(&address)?),
        Some(path) => path.clone(),
        None => data_folder().join("downloads").join(file_name(&address)?),
    };
    if let Some(present) = already_there(&path, expected.as_deref()).await? {
        return Ok(present);
    }
    fs_err::create_dir_all(files::folder_of(&path))?;
    let shown = without_password(&address);
    let part = Part::lock(&path, &shown)?;
    let client = client(&address, options)?;
    let mut download = Download { client, address, shown, options, part, progress };
    if let Err(error) = download.run().await {
        download.part.remove_if_empty()?;
        return Err(error);
    }
    download.finish(path, expected).await
}

fn address(text: &str) -> Result<Url, PullError> {
    let wrong = |reason: String| PullError::Address { url: text.to_owned(), reason };
    let url = Url::parse(text)
        .map_err(|error| wrong(format!("{error}; give a whole address such as https://host/model.onnx")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("only http and https are supported, not {other}"))),
    }
}

/// The address as it may be shown and stored.
fn without_password(address: &Url) -> String {
    let mut shown = address.clone();
    // These fail only for addresses without a host, which have no password.
    let _ = shown.set_password(None).and_then(|()| shown.set_username(""));
    shown.to_string()
}

/// The last part of the address's path, if it can be the name of a file.
fn file_name(address: &Url) -> Result<String, PullError> {
    let last = address.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-+".contains(character);
    let good = !last.is_empty() && !last.starts_with('.') && last.chars().all(is_plain);
    let reason = format!("`{last}` at its end is no plain file name; say where the file goes");
    good.then(|| last.to_owned()).ok_or_else(|| PullError::Address { url: without_password(address), reason })
}

fn checked_hash(text: &str) -> Result<String, PullError> {
    let good = text.len() == 64 && text.chars().all(|character| character.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase()).ok_or_else(|| PullError::NotAHash(text.to_owned()))
}

/// The file, if it has the hash that is asked for: nothing is to be done then.
async fn already_there(path: &Path, expected: Option<&str>) -> Result<Option<Pulled>, PullError> {
    let Some(expected) = expected.filter(|_| path.is_file()) else { return Ok(None) };
    if hash(path).await? != expected {
        return Ok(None);
    }
    let bytes = fs_err::metadata(path)?.len();
    Ok(Some(Pulled { path: path.to_path_buf(), sha256: expected.to_owned(), bytes, resumed_from: bytes }))
}

async fn hash(path: &Path) -> io::Result<String> {
    let path = path.to_path_buf();
    tokio::task::spawn_blocking(move || files::sha256_of_file(&path)).await?
}

fn client(address: &Url, options: &PullOptions) -> Result<Client, PullError> {
    Client::builder()
        .user_agent(concat!("sightscan/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        // A redirection must not lead from an encrypted connection to an open one.
        .https_only(address.scheme() == "https")
        .build()
        .map_err(|error| PullError::Io(io::Error::other(error)))
}

/// One file on its way.
struct Download<'a, P> {
    client: Client,
    address: Url,
    shown: String,
    options: &'a PullOptions,
    part: Part,
    progress: P,
}

/// What an attempt came to.
enum Attempt {
    /// All bytes are there.
    Complete,
    /// The part is of no use; the next attempt begins from nothing.
    StartOver,
}

impl<P: Fn(Progress) + Send + Sync> Download<'_, P> {
    /// Tries until all bytes are there.
    async fn run(&mut self) -> Result<(), PullError> {
        for attempt in 1.. {
            let failure = match self.attempt().await {
                Ok(Attempt::Complete) => break,
                Ok(Attempt::StartOver) => {
                    self.interrupted("the server does not send the rest of the file".into())
                }
                Err(error) if is_passing(&error) => error,
                Err(error) => return Err(error),
            };
            if attempt >= self.options.attempts {
                return Err(failure);
            }
            tracing::debug!(url = self.shown, attempt, error = %failure, "a download is tried again");
            tokio::time::sleep(self.options.pause.saturating_mul(2u32.saturating_pow(attempt - 1))).await;
        }
        Ok(())
    }

    /// Asks for what is missing and writes it to the part.
    async fn attempt(&mut self) -> Result<Attempt, PullError> {
        let mut response = self.request().await?;
        let total = match response.status() {
            StatusCode::PARTIAL_CONTENT => match content_range(&response) {
                Some((start, total)) if start == self.part.length() => total,
                _ => return self.start_over(),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if self.part.is_whole(&response) => {
                return Ok(Attempt::Complete);
            }
            StatusCode::RANGE_NOT_SATISFIABLE => return self.start_over(),
            StatusCode::OK => {
                self.part.begin(&response)?;
                response.content_length()
            }
            status => return Err(PullError::Refused { url: self.shown.clone(), status }),
        };
        self.check_size(total.unwrap_or(0))?;
        self.receive(&mut response, total).await
    }

    async fn request(&self) -> Result<Response, PullError> {
        // Ranges count the bytes that are sent, so nothing may be compressed on the way.
        let mut request = self.client.get(self.address.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some((offset, validator)) = self.part.resume() {
            request = request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, validator);
        }
        request.send().await.map_err(|error| self.failed(&error))
    }

    async fn receive(&mut self, response: &mut Response, total: Option<u64>) -> Result<Attempt, PullError> {
        (self.progress)(Progress { done: self.part.length(), total });
        while let Some(bytes) = response.chunk().await.map_err(|error| self.failed(&error))? {
            self.part.append(&bytes)?;
            self.check_size(self.part.length())?;
            (self.progress)(Progress { done: self.part.length(), total });
        }
        match total {
            Some(total) if total != self.part.length() => {
                Err(self.interrupted(format!("{total} bytes were announced")))
            }
            _ => Ok(Attempt::Complete),
        }
    }

    fn start_over(&mut self) -> Result<Attempt, PullError> {
        self.part.clear()?;
        Ok(Attempt::StartOver)
    }

    fn check_size(&mut self, bytes: u64) -> Result<(), PullError> {
        let greatest = self.options.greatest_bytes;
        if bytes <= greatest {
            return Ok(());
        }
        self.part.remove()?;
        Err(PullError::TooLarge { url: self.shown.clone(), bytes, greatest })
    }

    fn failed(&self, error: &reqwest::Error) -> PullError {
        let reason = root_cause(error);
        if error.is_connect() {
            let host = self.address.host_str().unwrap_or_default().to_owned();
            PullError::Unreachable { host, reason }
        } else if error.is_redirect() || error.is_builder() {
            PullError::Address { url: self.shown.clone(), reason: format!("it leads elsewhere: {reason}") }
        } else {
            self.interrupted(reason)
        }
    }

    fn interrupted(&self, reason: String) -> PullError {
        PullError::Interrupted { url: self.shown.clone(), done: self.part.length(), reason }
    }

    /// Checks the hash and moves the part to its place.
    async fn finish(self, path: PathBuf, expected: Option<String>) -> Result<Pulled, PullError> {
        let sha256 = hash(self.part.path()).await?;
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            self.part.remove()?;
            return Err(PullError::WrongHash { url: self.shown, expected, found: sha256 });
        }
        self.part.publish(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files::replace(&part::beside(&path, ".sha256"), format!("{sha256}  {name}\n").as_bytes())?;
        Ok(Pulled { sha256, bytes: self.part.length(), resumed_from: self.part.resumed_from(), path })
    }
}

/// Whether another attempt may go better.
fn is_passing(error: &PullError) -> bool {
    match error {
        PullError::Unreachable { .. } | PullError::Interrupted { .. } => true,
        PullError::Refused { status, .. } => {
            status.is_server_error()
                || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status)
        }
        _ => false,
    }
}

/// First byte and size of the whole in `bytes 10-99/100` (RFC 9110, section 14.4).
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// What lies at the bottom of an error; its outer layers only say that sending failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error).to_string()
}
