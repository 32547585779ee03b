//! The configuration file: a section a crate, each owned by its crate.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "sightscan.toml";

/// The whole of `sightscan.toml`; flags and variables win over it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Section `[serve]`.
    pub(crate) serve: sightscan_serve::Config,
}

impl Config {
    /// Reads the file that was named, else `sightscan.toml` in the working folder if there is one.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self> {
        let usual = PathBuf::from(DEFAULT_FILE);
        let Some(path) = named.or_else(|| usual.exists().then_some(&*usual)) else {
            return Ok(Self::default());
        };
        let text = fs_err::read_to_string(path)?;
        toml::from_str(&text).with_context(|| format!("{} is no configuration of SightScan", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_sections_and_keys_are_refused_with_file_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sightscan.toml");
        for (text, name) in [("[serv]\n", "serv"), ("[serve]\nqueue_dept = 3\n", "queue_dept")] {
            fs_err::write(&path, text).unwrap();
            let error = format!("{:#}", Config::read(Some(&path)).unwrap_err());
            assert!(error.contains(name) && error.contains("sightscan.toml"), "{error}");
        }
        fs_err::write(&path, "[serve]\nqueue_depth = 3\n").unwrap();
        assert_eq!(Config::read(Some(&path)).unwrap().serve.queue_depth, 3);
    }

    #[test]
    fn a_named_file_must_exist() {
        assert!(Config::read(Some(Path::new("/nowhere/sightscan.toml"))).is_err());
    }
}
