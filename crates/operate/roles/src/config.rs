//! The configuration: a section a crate, each owned by its crate.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "sightscan.toml";

/// The whole of `sightscan.toml`; flags and variables win over it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Section `[serve]`.
    pub serve: sightscan_serve::Config,
    /// Section `[elastic]`.
    pub elastic: sightscan_serve::elastic::Config,
    /// Section `[cities]`.
    pub cities: sightscan_cities::Config,
    /// Section `[crawl]`.
    pub crawl: sightscan_crawl::Config,
    /// Section `[label]`.
    pub label: sightscan_label::Config,
    /// Section `[train]`.
    pub train: sightscan_train::Settings,
    /// Section `[labelling]`.
    pub labelling: Labelling,
    /// Section `[storage]`.
    pub storage: Storage,
    /// Section `[worker]`.
    pub worker: Worker,
    /// Section `[admin]`.
    pub admin: Admin,
    /// Tables `[[pool]]`.
    pub pool: Vec<sightscan_fleet::PoolConfig>,
    /// The file that this was read from, for the workers that this process starts.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// The section `[labelling]`: the labelling service's own interface, beside the public one of `up` and `api`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labelling {
    /// The address to listen on; nothing listens unless given.
    pub listen: Option<SocketAddr>,
}

impl Labelling {
    /// Where the original listened, but for this machine only.
    const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);

    /// Listens on this port: of the address that is configured, else of the loopback address.
    pub fn set_port(&mut self, port: u16) {
        self.listen.get_or_insert(Self::USUAL).set_port(port);
    }
}

/// The section `[storage]`: where the rows and the blobs are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// `postgres://…` or `sqlite:FILE`; the file `sightscan.db` in the data folder unless given. `DATABASE_URL` and the
    /// `PG*` variables win over it.
    pub database: Option<String>,
    /// `s3://bucket/prefix` or a folder; `blobs` in the data folder unless given.
    pub blobs: Option<String>,
}

/// The section `[worker]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Jobs that run at once.
    pub concurrency: usize,
    /// A worker that is not heard of for so long has lost its jobs, in seconds.
    pub lease_seconds: u64,
    /// How long jobs may still run once the worker is told to stop; then they are handed back. In seconds.
    pub grace_seconds: u64,
}

impl Default for Worker {
    fn default() -> Self {
        Self { concurrency: 1, lease_seconds: 60, grace_seconds: 20 }
    }
}

/// The section `[admin]`: health and metrics of roles without a public port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The address to listen on; nothing listens unless given.
    pub listen: Option<SocketAddr>,
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// It is not what a configuration looks like.
    #[error("{} is no configuration of SightScan: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
}

impl Config {
    /// The defaults of `up`: somebody who tries it out does not wait for an hour.
    pub fn for_up() -> Self {
        let often = 5;
        let cities = sightscan_cities::Config {
            refresh_seconds: often,
            plan_labelling_seconds: often,
            plan_training_seconds: often,
            ..sightscan_cities::Config::default()
        };
        Self { cities, ..Self::default() }
    }

    /// Reads the file that was named, else `sightscan.toml` in the working folder if there is one. What it does not
    /// say stays as it is.
    ///
    /// # Errors
    /// When the named file is missing, or the file is no configuration.
    pub fn read(self, named: Option<&Path>) -> Result<Self, ConfigError> {
        let usual = PathBuf::from(DEFAULT_FILE);
        let Some(path) = named.or_else(|| usual.exists().then_some(&*usual)) else {
            return Ok(self);
        };
        let text = fs_err::read_to_string(path)?;
        let config = self
            .with(&text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        // Workers may have another working folder.
        Ok(Self { file: Some(fs_err::canonicalize(path)?), ..config })
    }

    fn with(self, text: &str) -> Result<Self, toml::de::Error> {
        // Read on its own first: so errors tell the line.
        let _: Self = toml::from_str(text)?;
        let mut whole = toml::Table::try_from(self).map_err(serde::de::Error::custom)?;
        merge(&mut whole, toml::from_str(text)?);
        whole.try_into()
    }
}

/// Sets the keys that are said, in sections and in sections of those; all others stay.
fn merge(known: &mut toml::Table, said: toml::Table) {
    for (key, value) in said {
        match (known.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(said)) => merge(known, said),
            (_, value) => drop(known.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_sections_and_keys_are_refused_with_file_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sightscan.toml");
        for (text, name) in [("[serv]\n", "serv"), ("[cities]\nqueue_dept = 3\n", "queue_dept")] {
            fs_err::write(&path, text).unwrap();
            let error = Config::default().read(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("sightscan.toml"), "{error}");
        }
        fs_err::write(&path, "[serve]\nqueue_depth = 3\n[cities]\nrequest_threshold = 100\n").unwrap();
        let config = Config::for_up().read(Some(&path)).unwrap();
        assert_eq!((config.serve.queue_depth, config.cities.request_threshold), (3, 100));
        assert_eq!(
            (config.cities.refresh_seconds, config.cities.epochs),
            (5, 100),
            "the rest stays as it was"
        );
        fs_err::write(&path, "[train.learning]\nbatch = 4\n[train.gate]\nleast = 0.5\n").unwrap();
        let train = Config::for_up().read(Some(&path)).unwrap().train;
        assert_eq!((train.learning.batch, train.learning.size), (4, 320), "also within a section's section");
        assert_eq!((train.gate.least, train.gate.margin), (0.5, 0.02));
    }

    #[test]
    fn a_named_file_must_exist() {
        assert!(Config::default().read(Some(Path::new("/nowhere/sightscan.toml"))).is_err());
    }
}
