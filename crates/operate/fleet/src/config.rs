//! The tables `[[pool]]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::policy::{Policy, Rule};

/// A table `[[pool]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolConfig {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// The queue whose pictures its workers look at, such as `db:`.
    pub queue: String,
    /// Who starts and ends its workers.
    pub driver: DriverKind,
    /// Workers that are always there.
    pub min: usize,
    /// No more workers than this, those that are starting included.
    pub max: usize,
    /// How many workers are wanted.
    pub rule: RuleName,
    /// With the rule `latency`: how long a picture may wait and be looked at, in milliseconds.
    pub acceptable_latency_ms: u64,
    /// How long a picture takes, as long as no worker has measured it, in milliseconds.
    pub assumed_service_ms: u64,
    /// Fewer workers are wanted only when fewer have been for so long, in seconds.
    pub cool_down_seconds: u64,
    /// A worker ends by itself when it has had nothing to do for so long, in seconds.
    pub idle_seconds: u64,
    /// With the driver `process`: processors of a worker, such as 0.5; not limited unless given.
    pub cpus: Option<f64>,
    /// With the driver `process`: memory of a worker in MiB; not limited unless given.
    pub memory_mb: Option<u64>,
    /// Models of its workers, by path or name; all that are live unless given.
    pub models: Vec<String>,
}

/// Who starts and ends workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverKind {
    /// Processes on this machine.
    #[default]
    Process,
}

/// How many workers are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleName {
    /// So many that what waits is looked at within the acceptable latency.
    #[default]
    Latency,
    /// One a message: the rule of "Image Recognition as a Service".
    OnePerMessage,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            name: "detect".to_owned(),
            queue: "db:".to_owned(),
            driver: DriverKind::default(),
            min: 0,
            max: 19,
            rule: RuleName::default(),
            acceptable_latency_ms: 2_000,
            assumed_service_ms: 500,
            cool_down_seconds: 30,
            idle_seconds: 30,
            cpus: None,
            memory_mb: None,
            models: Vec::new(),
        }
    }
}

impl PoolConfig {
    /// Says what cannot be meant.
    ///
    /// # Errors
    /// When it cannot be meant.
    pub fn check(&self) -> Result<()> {
        let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.bytes().all(is_usual) {
            return self.refuse("its `name` must be up to 40 lower-case letters, digits and `-`");
        }
        if self.max == 0 || self.min > self.max {
            return self.refuse("`max` must be at least 1 and at least `min`");
        }
        if self.cpus.is_some_and(|cpus| !(0.01..=1024.0).contains(&cpus)) {
            return self.refuse("`cpus` must be from 0.01 to 1024");
        }
        if self.memory_mb.is_some_and(|memory| memory < 32) {
            return self.refuse("`memory_mb` must be at least 32, because no worker starts with less");
        }
        Ok(())
    }

    fn refuse(&self, why: &str) -> Result<()> {
        Err(Error::Config { pool: self.name.clone(), why: why.to_owned() })
    }

    pub(crate) fn policy(&self) -> Policy {
        let acceptable = Duration::from_millis(self.acceptable_latency_ms.max(1));
        let assumed = Duration::from_millis(self.assumed_service_ms.max(1));
        let rule = match self.rule {
            RuleName::Latency => Rule::Latency { acceptable, assumed },
            RuleName::OnePerMessage => Rule::OnePerMessage,
        };
        let cool_down = Duration::from_secs(self.cool_down_seconds);
        Policy { rule, min: self.min, max: self.max, cool_down, ..Policy::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_pools_name() {
        assert!(PoolConfig::default().check().is_ok());
        for bad in [
            PoolConfig { name: "A b".into(), ..PoolConfig::default() },
            PoolConfig { max: 0, ..PoolConfig::default() },
            PoolConfig { min: 3, max: 2, ..PoolConfig::default() },
            PoolConfig { cpus: Some(f64::NAN), ..PoolConfig::default() },
            PoolConfig { memory_mb: Some(1), ..PoolConfig::default() },
        ] {
            let told = bad.check().unwrap_err().to_string();
            assert!(told.contains(&format!("`{}`", bad.name)), "{told}");
        }
    }
}
