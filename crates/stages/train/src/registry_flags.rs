//! What a user does with the models of a city.

use std::str::FromStr;

use clap::{Args, Subcommand};

/// What to do with the models of a city, in the warehouse.
#[derive(Debug, Clone, Subcommand)]
pub enum RegistryCommand {
    /// Make a version the model that answers for its city.
    #[command(
        after_help = "Example:\n  sightscan model promote berlin@3 --why \"the fountain is found at last\""
    )]
    Promote {
        /// The city and the version.
        #[arg(value_name = "CITY@VERSION")]
        model: CityVersion,
        /// Why.
        #[command(flatten)]
        why: WhyFlag,
    },
    /// Make the model live again that the live one of a city has replaced.
    Rollback {
        /// The city.
        city: String,
        /// Why.
        #[command(flatten)]
        why: WhyFlag,
    },
    /// Tell what became of a city's models: which was live when, and why.
    History {
        /// The city.
        city: String,
        /// At most so many entries, the newest ones.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

/// Why something is done.
#[derive(Debug, Clone, Args)]
pub struct WhyFlag {
    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub why: String,
}

/// A version of a city's models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityVersion {
    /// Any name of the city.
    pub city: String,
    /// Counts from 1.
    pub version: i64,
}

/// The text names no version of a city's models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("give the city and the number of a version, as in berlin@3")]
pub struct NoCityVersion;

impl FromStr for CityVersion {
    type Err = NoCityVersion;

    fn from_str(text: &str) -> Result<Self, NoCityVersion> {
        let (city, version) =
            text.rsplit_once('@').filter(|(city, _)| !city.trim().is_empty()).ok_or(NoCityVersion)?;
        let version = version.parse().map_err(|_| NoCityVersion)?;
        Ok(Self { city: city.trim().to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_city_and_a_number() {
        let read = "New York@12".parse::<CityVersion>().unwrap();
        assert_eq!((read.city.as_str(), read.version), ("New York", 12));
        for text in ["berlin", "@3", "berlin@", "berlin@live"] {
            assert_eq!(text.parse::<CityVersion>(), Err(NoCityVersion), "{text}");
        }
    }
}
