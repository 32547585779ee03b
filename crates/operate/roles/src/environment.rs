//! The variables of the original system, which people have in their scripts.
//!
//! They count as variables do: more than the configuration file, less than flags and our own variables
//! (`SIGHTSCAN_…`). Each is listed in `docs/configuration.md`.

use std::str::FromStr;

use sightscan_fleet::DriverKind;
use tracing::{info, warn};

use crate::config::Config;

/// What a variable of the original does here.
#[derive(Debug, Clone, Copy)]
pub enum Meaning {
    /// It sets a number of the configuration.
    Number(fn(&mut Config, u32)),
    /// It sets an interval in seconds; below this many seconds the original advised against it.
    Interval(fn(&mut Config, u64), u64),
    /// It sets a text of the configuration.
    Text(fn(&mut Config, &str)),
    /// It sets a port to listen on.
    Port(fn(&mut Config, u16)),
    /// It is read where the database is opened.
    Database,
    /// It is read by this part, at its start.
    ReadBy(&'static str),
    /// It means nothing any more; this is what replaced it.
    Lost(&'static str),
}

/// A variable of the original.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub meaning: Meaning,
    /// Whether its value may be shown in the log.
    pub is_secret: bool,
}

const fn open(name: &'static str, meaning: Meaning) -> Variable {
    Variable { name, meaning, is_secret: false }
}

const fn secret(name: &'static str, meaning: Meaning) -> Variable {
    Variable { name, meaning, is_secret: true }
}

/// All variables of the original.
pub const VARIABLES: &[Variable] = &[
    open("PGHOST", Meaning::Database),
    open("PGPORT", Meaning::Database),
    open("PGDATABASE", Meaning::Database),
    open("PGUSER", Meaning::Database),
    secret("PGPASSWORD", Meaning::Database),
    open("DOS_PORT", Meaning::Port(|config, port| config.serve.listen.set_port(port))),
    open("ILS_PORT", Meaning::Port(|config, port| config.labelling.set_port(port))),
    open("MAX_SIGHTS_PER_CITY", Meaning::Number(|config, value| config.cities.max_sights_per_city = value)),
    open("MAX_IMAGES_PER_SIGHT", Meaning::Number(|config, value| config.cities.max_images_per_sight = value)),
    secret("MAPS_KEY", Meaning::ReadBy("the crawler, where `places` is among its sources of sights")),
    open(
        "MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY",
        Meaning::Number(|config, value| config.cities.max_label_calls_per_city = value),
    ),
    open("GOOGLE_APPLICATION_CREDENTIALS", Meaning::ReadBy("the labelling worker, for Google Vision")),
    open(
        "DATA_MART_REFRESH_DATA_MARTS_EVERY_SECONDS",
        Meaning::Interval(|config, value| config.cities.refresh_seconds = value, 60),
    ),
    open(
        "DATA_MART_ENABLE_MODEL_TRAINING_EVERY_SECONDS",
        Meaning::Interval(|config, value| config.cities.plan_training_seconds = value, 300),
    ),
    open(
        "DATA_MART_ENABLE_LABELLING_REQUESTS_EVERY_SECONDS",
        Meaning::Interval(|config, value| config.cities.plan_labelling_seconds = value, 60),
    ),
    open("MTS_EPOCHS", Meaning::Number(|config, value| config.cities.epochs = value)),
    open(
        "MIN_LABELLED_IMAGES_NEEDED_FOR_TRAINING",
        Meaning::Number(|config, value| config.cities.min_labelled_images = value),
    ),
    open(
        "MIN_IMAGE_NUMBER_PER_LABEL",
        Meaning::Number(|config, value| config.cities.min_images_per_label = value),
    ),
    open("MTS_EC2_INSTANCE_ID", Meaning::Text(set_trainer)),
    open("AWS_REGION", Meaning::ReadBy("whatever is asked of Amazon")),
    secret("AWS_ACCESS_KEY_ID", Meaning::ReadBy("whatever is asked of Amazon")),
    secret("AWS_ACCESS_KEY", Meaning::ReadBy("whatever is asked of Amazon")),
    open(
        "API_ENDPOINT_URL",
        Meaning::Text(|config, value| {
            config.cities.public_url = Some(value.trim_end_matches('/').to_owned())
        }),
    ),
    open(
        "ALLOWED_HOSTS",
        Meaning::Text(|config, value| {
            let hosts = value.split([',', ' ']).filter(|host| !host.is_empty());
            config.cities.allowed_hosts = hosts.map(str::to_owned).collect();
        }),
    ),
    open(
        "IC_URL",
        Meaning::Lost("crawls are jobs: start `sightscan worker --jobs crawl` on the crawler's machine"),
    ),
    open(
        "ILS_PUBLIC_ENDPOINT_URL",
        Meaning::Lost("labelling is a job: start `sightscan worker --jobs label` anywhere"),
    ),
    open(
        "IS_MTS_GPU_ENABLED",
        Meaning::Lost("training is a job: start `sightscan worker --jobs train` on a machine with a GPU"),
    ),
];

/// The prepared machine of the pools that have none of their own.
fn set_trainer(config: &mut Config, instance: &str) {
    for pool in config.pool.iter_mut().filter(|pool| pool.driver == DriverKind::Ec2Instance) {
        let ec2 = pool.ec2.get_or_insert_default();
        ec2.instance.get_or_insert_with(|| instance.to_owned());
    }
}

/// A `.env` file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file .env cannot be read: {0}")]
pub struct BadFile(dotenvy::Error);

/// Reads the file `.env` in the working folder, if there is one; variables that are set already win over it. To be called
/// before there are other threads.
///
/// # Errors
/// When the file cannot be read or a line is no `NAME=value`.
pub fn read_file() -> Result<(), BadFile> {
    match dotenvy::from_path(".env") {
        Err(error) if !error.not_found() => Err(BadFile(error)),
        _ => Ok(()),
    }
}

/// A variable whose value cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is `{value}`, but it must be {expected}; correct or unset it")]
pub struct BadVariable {
    /// The variable.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it must be.
    pub expected: &'static str,
}

/// Puts the original's variables into the configuration, and says in the log which were found.
///
/// # Errors
/// When a value cannot be meant.
pub fn apply(config: &mut Config, variable: impl Fn(&str) -> Option<String>) -> Result<(), BadVariable> {
    for known in VARIABLES {
        if let Some(value) = variable(known.name).filter(|value| !value.is_empty()) {
            known.apply(config, &value)?;
            known.tell(&value);
        }
    }
    Ok(())
}

impl Variable {
    fn apply(&self, config: &mut Config, value: &str) -> Result<(), BadVariable> {
        match self.meaning {
            Meaning::Number(set) => set(config, self.number(value, "a whole number")?),
            Meaning::Interval(set, least) => {
                let seconds = self.number(value, "a whole number of seconds, at least 1")?;
                if seconds == 0 {
                    return Err(self.bad(value, "a whole number of seconds, at least 1"));
                }
                if seconds < least {
                    warn!(
                        name = self.name,
                        seconds, "below {least} seconds the load on the database is needless"
                    );
                }
                set(config, seconds);
            }
            Meaning::Text(set) => set(config, value),
            Meaning::Port(set) => set(config, self.number(value, "a port from 0 to 65535")?),
            Meaning::Database | Meaning::ReadBy(_) | Meaning::Lost(_) => {}
        }
        Ok(())
    }

    fn number<T: FromStr>(&self, value: &str, expected: &'static str) -> Result<T, BadVariable> {
        value.trim().parse().map_err(|_| self.bad(value, expected))
    }

    fn bad(&self, value: &str, expected: &'static str) -> BadVariable {
        BadVariable { name: self.name, value: value.to_owned(), expected }
    }

    fn tell(&self, value: &str) {
        let value = if self.is_secret { "(secret)" } else { value };
        match self.meaning {
            Meaning::Lost(replacement) => warn!(name = self.name, "has no meaning any more: {replacement}"),
            Meaning::ReadBy(reader) => info!(name = self.name, value, "is read by {reader}"),
            _ => info!(name = self.name, value, "setting from the environment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_fleet::{Ec2Config, PoolConfig};

    fn apply_one(name: &str, value: &str) -> Result<Config, BadVariable> {
        let mut config = Config::default();
        apply(&mut config, |asked| (asked == name).then(|| value.to_owned()))?;
        Ok(config)
    }

    #[test]
    fn numbers_intervals_and_ports_are_set() {
        assert_eq!(apply_one("MAX_SIGHTS_PER_CITY", "7").unwrap().cities.max_sights_per_city, 7);
        assert_eq!(apply_one("MAX_IMAGES_PER_SIGHT", "8").unwrap().cities.max_images_per_sight, 8);
        let name = "MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY";
        assert_eq!(apply_one(name, "9").unwrap().cities.max_label_calls_per_city, 9);
        assert_eq!(apply_one("MTS_EPOCHS", "10").unwrap().cities.epochs, 10);
        let name = "MIN_LABELLED_IMAGES_NEEDED_FOR_TRAINING";
        assert_eq!(apply_one(name, "11").unwrap().cities.min_labelled_images, 11);
        assert_eq!(apply_one("MIN_IMAGE_NUMBER_PER_LABEL", "12").unwrap().cities.min_images_per_label, 12);
        let name = "DATA_MART_REFRESH_DATA_MARTS_EVERY_SECONDS";
        assert_eq!(apply_one(name, "61").unwrap().cities.refresh_seconds, 61);
        let name = "DATA_MART_ENABLE_MODEL_TRAINING_EVERY_SECONDS";
        assert_eq!(apply_one(name, "62").unwrap().cities.plan_training_seconds, 62);
        let name = "DATA_MART_ENABLE_LABELLING_REQUESTS_EVERY_SECONDS";
        assert_eq!(apply_one(name, "63").unwrap().cities.plan_labelling_seconds, 63);
        assert_eq!(apply_one("DOS_PORT", "8080").unwrap().serve.listen.port(), 8080);
        let config = apply_one("ILS_PORT", "8081").unwrap();
        assert_eq!(
            (config.labelling.listen.unwrap().to_string(), config.serve.listen.port()),
            ("127.0.0.1:8081".to_owned(), 8002)
        );
        let mut configured = Config::default();
        configured.labelling.listen = Some("10.0.0.7:1".parse().unwrap());
        apply(&mut configured, |name| (name == "ILS_PORT").then(|| "8081".to_owned())).unwrap();
        assert_eq!(configured.labelling.listen.unwrap().to_string(), "10.0.0.7:8081");
    }

    #[test]
    fn texts_are_set() {
        let config = apply_one("API_ENDPOINT_URL", "https://api.example/").unwrap();
        assert_eq!(config.cities.public_url.as_deref(), Some("https://api.example"));
        let config = apply_one("ALLOWED_HOSTS", "a.example, b.example").unwrap();
        assert_eq!(config.cities.allowed_hosts, ["a.example", "b.example"]);
    }

    #[test]
    fn the_trainers_machine_is_that_of_pools_that_have_none() {
        let of = |instance: Option<&str>, driver: DriverKind| {
            let ec2 = Ec2Config { instance: instance.map(str::to_owned), ..Ec2Config::default() };
            PoolConfig { driver, ec2: Some(ec2), ..PoolConfig::default() }
        };
        let pool = vec![
            of(None, DriverKind::Ec2Instance),
            of(Some("i-2"), DriverKind::Ec2Instance),
            of(None, DriverKind::Ec2),
        ];
        let mut config = Config { pool, ..Config::default() };
        apply(&mut config, |name| (name == "MTS_EC2_INSTANCE_ID").then(|| "i-1".to_owned())).unwrap();
        let machines: Vec<_> =
            config.pool.iter().map(|pool| pool.ec2.as_ref().unwrap().instance.as_deref()).collect();
        assert_eq!(machines, [Some("i-1"), Some("i-2"), None]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_empty_is_unset() {
        for (name, value) in [
            ("MAX_SIGHTS_PER_CITY", "None"),
            ("MTS_EPOCHS", "-1"),
            ("DATA_MART_REFRESH_DATA_MARTS_EVERY_SECONDS", "0"),
            ("DOS_PORT", "http"),
        ] {
            let error = apply_one(name, value).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
            assert_eq!(apply_one(name, "").unwrap(), Config::default());
        }
    }

    #[test]
    fn every_variable_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/configuration.md");
        let text = fs_err::read_to_string(path).unwrap();
        let missing: Vec<_> =
            VARIABLES.iter().filter(|known| !text.contains(&format!("`{}`", known.name))).collect();
        assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
    }
}
