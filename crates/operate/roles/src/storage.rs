//! Opening the warehouse: the database and the blobs that the settings name.

use std::path::{Path, PathBuf};

use sightscan_blobs::Blobs;
use sightscan_warehouse::{Address, Database, Warehouse};

use crate::config::Storage;
use crate::error::Result;

/// The folder of the blobs in the data folder.
const BLOBS: &str = "blobs";

/// Where the rows and the blobs are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The database.
    pub database: Address,
    /// The blobs.
    pub blobs: sightscan_blobs::Address,
}

impl Places {
    /// What the environment and the section `[storage]` say; else both are in the data folder.
    ///
    /// # Errors
    /// When a setting cannot be meant.
    pub fn find(settings: &Storage, data: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let database = match (&settings.database, is_database_set(&variable)) {
            (Some(url), false) => url.parse()?,
            _ => Address::from_variables(&variable, data)?,
        };
        let blobs = match &settings.blobs {
            Some(address) => address.parse()?,
            None => sightscan_blobs::Address::Folder(data.join(BLOBS)),
        };
        Ok(Self { database, blobs })
    }

    /// Opens both; the schema is brought up to date.
    ///
    /// # Errors
    /// When the database cannot be reached or is newer than this program, or the blobs' folder cannot be made.
    pub async fn open(&self) -> Result<Warehouse> {
        let database = Database::open(&self.database).await?;
        let blobs = Blobs::open(&self.blobs, variable)?;
        Ok(Warehouse { database, blobs })
    }
}

/// A variable of this process.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The data folder: the one given, else `SIGHTSCAN_DATA`, else the platform's.
pub fn data_folder(given: Option<&Path>) -> PathBuf {
    given.map_or_else(sightscan_engine::model::data_folder, Path::to_owned)
}

fn is_database_set(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
    ["DATABASE_URL", "PGHOST", "PGDATABASE"].iter().any(is_set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(url: Option<&str>, variables: &[(&str, &str)]) -> String {
        let settings = Storage { database: url.map(str::to_owned), blobs: None };
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Places::find(&settings, Path::new("/data"), lookup).unwrap().database.to_string()
    }

    #[test]
    fn variables_win_over_the_file_and_the_file_over_the_data_folder() {
        assert_eq!(database(None, &[]), "sqlite:/data/sightscan.db");
        assert_eq!(database(Some("postgres://a/b"), &[]), "postgres://a:5432/b");
        assert_eq!(
            database(Some("postgres://a/b"), &[("PGHOST", "c"), ("PGDATABASE", "d")]),
            "postgres://c:5432/d"
        );
    }
}
