//! A model folder that follows another server: what is live there becomes live here, and stays while that server is away.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::pull::{PullError, PullOptions, pull};
use super::spec::Thresholds;
use super::{ModelError, ModelFolder, Overrides, Source};
use crate::family::Family;
use crate::prepare::Input;
use crate::runtime::EngineChoice;

/// How long the list of models may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A version of what has none is so many digits of its hash.
const DIGITS: usize = 12;
/// Where files gather until they are in the folder.
const ARRIVING: &str = ".arriving";
/// The file of a version that holds the hash of what was brought; what the folder keeps of it may be newer in form.
const BROUGHT: &str = "brought.sha256";

/// Where another server is.
#[derive(Debug, Clone)]
pub struct RemoteServer(Url);

impl RemoteServer {
    /// The server at this address, such as `https://sights.example`.
    ///
    /// # Errors
    /// When the address is none of a server.
    pub fn parse(address: &str) -> Result<Self, MirrorError> {
        let wrong = |reason| MirrorError::Address { url: address.to_owned(), reason };
        let url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https are supported".to_owned()));
        }
        Ok(Self(url))
    }

    /// Why it cannot be asked.
    pub fn unusable(&self, error: &reqwest::Error) -> MirrorError {
        MirrorError::Address { url: self.to_string(), reason: error.to_string() }
    }

    /// The address of a path there.
    pub fn at(&self, path: &str) -> Url {
        let mut address = self.0.clone();
        address.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        address
    }
}

impl Display for RemoteServer {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Follows the models of a server.
#[derive(Debug)]
pub struct Mirror {
    server: RemoteServer,
    folder: ModelFolder,
    engine: EngineChoice,
    client: Client,
    /// Files that no engine here takes, by their hashes: they are not brought again.
    unusable: HashSet<String>,
}

/// What came of a look at a server.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// What became live here, as `name@version`.
    pub new: Vec<String>,
    /// Why others did not.
    pub problems: Vec<MirrorError>,
}

/// What is live there cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The address is none of a server.
    #[error("`{url}` is no address of a server: {reason}; give one such as https://sights.example")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It does not answer.
    #[error("the models of {server} cannot be listed: {source}")]
    List {
        /// The server.
        server: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// It has no such list.
    #[error("{server} answers {status} for its models; is it a server of SightScan?")]
    Refused {
        /// The server.
        server: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// A version of this name is another model here.
    #[error("version {version} of `{name}` is another model in {}; keep the models of that server in a data folder of their own (SIGHTSCAN_DATA)", folder.display())]
    Taken {
        /// Name of the model.
        name: String,
        /// The version.
        version: String,
        /// The model folder.
        folder: PathBuf,
    },
    /// A file does not come.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A file cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The folder cannot be used.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

#[derive(Deserialize)]
struct List {
    items: Vec<Offered>,
}

/// A model there, as `/v1/models` tells about it.
#[derive(Deserialize)]
struct Offered {
    name: String,
    version: Option<String>,
    family: Family,
    classes: Vec<String>,
    input: Input,
    thresholds: Thresholds,
    file_sha256: String,
}

impl Offered {
    fn version(&self) -> String {
        let digits = || self.file_sha256.chars().take(DIGITS).collect();
        self.version.clone().unwrap_or_else(digits)
    }

    /// All of it, so that it is the same here.
    fn description(&self) -> Overrides {
        Overrides {
            name: Some(self.name.clone()),
            version: Some(self.version()),
            sha256: None,
            family: Some(self.family),
            classes: Some(self.classes.clone()),
            input: self.input.into(),
            thresholds: self.thresholds.into(),
        }
    }
}

impl Mirror {
    /// Follows the server at this address.
    ///
    /// # Errors
    /// When the address is none of a server.
    pub fn new(server: &str, folder: ModelFolder, engine: EngineChoice) -> Result<Self, MirrorError> {
        let server = RemoteServer::parse(server)?;
        let client = Client::builder().timeout(PATIENCE).build();
        let client = client.map_err(|error| server.unusable(&error))?;
        Ok(Self { server, folder, engine, client, unusable: HashSet::new() })
    }

    /// Brings what is live there and not here. A model that cannot be had does not keep others away.
    ///
    /// # Errors
    /// When the server does not tell its models.
    pub async fn refresh(&mut self) -> Result<Refreshed, MirrorError> {
        let mut refreshed = Refreshed::default();
        for offered in self.list().await? {
            if self.unusable.contains(&offered.file_sha256) {
                continue;
            }
            match self.bring(&offered).await {
                Ok(false) => {}
                Ok(true) => refreshed.new.push(format!("{}@{}", offered.name, offered.version())),
                Err(problem) => {
                    // A full disk says nothing about the model.
                    if matches!(&problem, MirrorError::Model(error) if !matches!(error, ModelError::Io(_))) {
                        self.unusable.insert(offered.file_sha256);
                    }
                    refreshed.problems.push(problem);
                }
            }
        }
        Ok(refreshed)
    }

    async fn list(&self) -> Result<Vec<Offered>, MirrorError> {
        let server = || self.server.to_string();
        let failed = |source| MirrorError::List { server: server(), source };
        let response = self.client.get(self.server.at("/v1/models")).send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(MirrorError::Refused { server: server(), status });
        }
        Ok(response.json::<List>().await.map_err(failed)?.items)
    }

    /// Whether it has become live by this.
    async fn bring(&self, offered: &Offered) -> Result<bool, MirrorError> {
        let version = offered.version();
        if !self.has(offered, &version)? {
            let path = self.download(offered).await?;
            self.import(offered, path).await?;
            return Ok(true);
        }
        let is_live = self.folder.live_versions()?.get(&offered.name) == Some(&version);
        if !is_live {
            self.folder.set_live(&offered.name, &version)?;
        }
        Ok(!is_live)
    }

    /// Whether the version is here, and is the same model.
    fn has(&self, offered: &Offered, version: &str) -> Result<bool, MirrorError> {
        let Ok(entry) = self.folder.find(&offered.name, Some(version)) else { return Ok(false) };
        let brought = fs_err::read_to_string(entry.path.with_file_name(BROUGHT)).unwrap_or_default();
        let wanted = Some(offered.file_sha256.as_str());
        if [entry.description.sha256.as_deref(), Some(brought.trim())].contains(&wanted) {
            return Ok(true);
        }
        let (name, folder) = (offered.name.clone(), self.folder.root().to_path_buf());
        Err(MirrorError::Taken { name, version: version.to_owned(), folder })
    }

    async fn download(&self, offered: &Offered) -> Result<PathBuf, MirrorError> {
        let path = self.folder.root().join(ARRIVING).join(format!("{}.onnx", offered.file_sha256));
        let options = PullOptions {
            destination: Some(path.clone()),
            sha256: Some(offered.file_sha256.clone()),
            ..PullOptions::default()
        };
        let address = self.server.at(&format!("/v1/models/{}/file", offered.name));
        pull(address.as_str(), &options, |_| {}).await?;
        Ok(path)
    }

    async fn import(&self, offered: &Offered, path: PathBuf) -> Result<(), MirrorError> {
        let (folder, description, engine) = (self.folder.clone(), offered.description(), self.engine);
        let imported = tokio::task::spawn_blocking(move || {
            let imported = Source::read(&path, &description).and_then(|source| folder.import(source, engine));
            // Also where it cannot be used: it would not be of more use the next time.
            fs_err::remove_file(&path).ok();
            imported
        });
        let entry = imported.await.map_err(std::io::Error::from)??.entry;
        Ok(fs_err::write(entry.path.with_file_name(BROUGHT), &offered.file_sha256)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_server_is_told() {
        let made = |url: &str| Mirror::new(url, ModelFolder::new("models"), EngineChoice::Auto);
        for wrong in ["sights.example", "ftp://sights.example", ""] {
            let error = made(wrong).unwrap_err().to_string();
            assert!(error.contains("is no address of a server"), "{error}");
        }
        let mirror = made("https://sights.example/guide/").unwrap();
        assert_eq!(mirror.server.at("/v1/models").as_str(), "https://sights.example/guide/v1/models");
    }
}
