//! The tables `[[pool]]` of the configuration.

mod ec2;
mod kubernetes;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::policy::{Policy, Rule};
pub use ec2::Ec2Config;
pub use kubernetes::KubernetesConfig;

/// What the queue of a pool begins with whose work are jobs.
const JOBS: &str = "jobs:";

/// A table `[[pool]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolConfig {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// The queue whose pictures its workers look at, such as `db:`, or whose jobs they do, such as `jobs:train`.
    pub queue: String,
    /// Who starts and ends its workers.
    pub driver: DriverKind,
    /// Workers that are always there.
    pub min: usize,
    /// No more workers than this, those that are starting included.
    pub max: usize,
    /// How many workers are wanted for pictures; for jobs it is always one each.
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
    /// With the drivers `ec2` and `ec2-instance`: the section `[pool.ec2]`.
    pub ec2: Option<Ec2Config>,
    /// With the driver `kubernetes`: the section `[pool.kubernetes]`.
    pub kubernetes: Option<KubernetesConfig>,
}

/// Who starts and ends workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverKind {
    /// Processes on this machine.
    #[default]
    Process,
    /// Machines of Amazon EC2, which are made and ended.
    Ec2,
    /// One prepared machine of Amazon EC2, which is switched on and off.
    Ec2Instance,
    /// Pods of a deployment of Kubernetes.
    Kubernetes,
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
            ec2: None,
            kubernetes: None,
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
        if self.jobs().is_some_and(str::is_empty) {
            return self.refuse("after `jobs:` its `queue` must name the jobs, such as `jobs:train`");
        }
        match self.driver {
            DriverKind::Process => Ok(()),
            DriverKind::Ec2 | DriverKind::Ec2Instance => self.check_ec2(),
            DriverKind::Kubernetes => self.check_kubernetes(),
        }
    }

    fn check_ec2(&self) -> Result<()> {
        if self.cpus.is_some() || self.memory_mb.is_some() {
            return self
                .refuse("with machines of EC2 the `instance_type` says `cpus` and `memory_mb` of a worker");
        }
        if self.driver == DriverKind::Ec2Instance && self.min > 1 {
            return self.refuse("with the driver `ec2-instance` there is one machine: `min` must be 0 or 1");
        }
        self.ec2().check(self.driver).or_else(|why| self.refuse(why))
    }

    /// The jobs that its workers do, where its queue names some.
    pub fn jobs(&self) -> Option<&str> {
        self.queue.strip_prefix(JOBS)
    }

    /// No more workers than this.
    pub(crate) fn most(&self) -> usize {
        if self.driver == DriverKind::Ec2Instance { 1 } else { self.max }
    }

    pub(crate) fn ec2(&self) -> Ec2Config {
        self.ec2.clone().unwrap_or_default()
    }

    /// What a worker of this pool is told, wherever it runs.
    pub fn worker_arguments(&self) -> Vec<String> {
        let work = match self.jobs() {
            Some(jobs) => ["--jobs", jobs],
            None => ["--detect", &self.queue],
        };
        let idle = self.idle_seconds.to_string();
        let mut arguments =
            ["worker", work[0], work[1], "--exit-when-idle", &idle].map(str::to_owned).to_vec();
        if !self.models.is_empty() {
            arguments.extend(["--model".to_owned(), self.models.join(",")]);
        }
        arguments
    }

    fn check_kubernetes(&self) -> Result<()> {
        if self.cpus.is_some() || self.memory_mb.is_some() || !self.models.is_empty() {
            return self.refuse(
                "with the driver `kubernetes` the deployment says `cpus`, `memory_mb` and `models` of its workers",
            );
        }
        let missing = "it needs a section `[pool.kubernetes]` with the `deployment` of its workers";
        let kubernetes = self.kubernetes.as_ref().map_or(Err(missing), KubernetesConfig::check);
        kubernetes.or_else(|why| self.refuse(why))
    }

    fn refuse(&self, why: &str) -> Result<()> {
        Err(Error::Config { pool: self.name.clone(), why: why.to_owned() })
    }

    pub(crate) fn policy(&self) -> Policy {
        let acceptable = Duration::from_millis(self.acceptable_latency_ms.max(1));
        let assumed = Duration::from_millis(self.assumed_service_ms.max(1));
        let rule = match self.rule {
            // A job takes minutes, and no worker does two at once.
            _ if self.jobs().is_some() => Rule::OnePerMessage,
            RuleName::Latency => Rule::Latency { acceptable, assumed },
            RuleName::OnePerMessage => Rule::OnePerMessage,
        };
        let cool_down = Duration::from_secs(self.cool_down_seconds);
        Policy { rule, min: self.min, max: self.most(), cool_down, ..Policy::default() }
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
            PoolConfig { queue: "jobs:".into(), ..PoolConfig::default() },
            in_ec2(DriverKind::Ec2, Ec2Config::default()),
            in_ec2(DriverKind::Ec2, Ec2Config { image: Some("ami-1".into()), ..Ec2Config::default() }),
            in_ec2(DriverKind::Ec2Instance, Ec2Config::default()),
            PoolConfig { cpus: Some(1.0), ..in_ec2(DriverKind::Ec2, template()) },
            PoolConfig { min: 2, ..in_ec2(DriverKind::Ec2Instance, prepared()) },
            in_ec2(DriverKind::Ec2, Ec2Config { deadline_minutes: 0, ..template() }),
            in_kubernetes(None, None),
            in_kubernetes(Some("a/b"), None),
            in_kubernetes(Some("worker"), Some(0.5)),
        ] {
            let told = bad.check().unwrap_err().to_string();
            assert!(told.contains(&format!("`{}`", bad.name)), "{told}");
        }
        for good in [
            in_ec2(DriverKind::Ec2, template()),
            in_ec2(DriverKind::Ec2Instance, prepared()),
            in_kubernetes(Some("worker"), None),
        ] {
            good.check().unwrap();
        }
        assert_eq!(in_ec2(DriverKind::Ec2Instance, prepared()).most(), 1, "there is one machine");
    }

    fn in_ec2(driver: DriverKind, ec2: Ec2Config) -> PoolConfig {
        PoolConfig { driver, ec2: Some(ec2), ..PoolConfig::default() }
    }

    fn template() -> Ec2Config {
        Ec2Config { launch_template: Some("worker".into()), ..Ec2Config::default() }
    }

    fn prepared() -> Ec2Config {
        Ec2Config { instance: Some("i-1".into()), ..Ec2Config::default() }
    }

    #[test]
    fn a_worker_is_told_its_pictures_or_its_jobs() {
        let pictures = PoolConfig { models: vec!["a".into(), "b".into()], ..PoolConfig::default() };
        let told = ["worker", "--detect", "db:", "--exit-when-idle", "30", "--model", "a,b"];
        assert_eq!(pictures.worker_arguments(), told);
        let jobs = PoolConfig { queue: "jobs:train".into(), idle_seconds: 5, ..PoolConfig::default() };
        assert_eq!(jobs.worker_arguments(), ["worker", "--jobs", "train", "--exit-when-idle", "5"]);
        assert_eq!(jobs.policy().rule, Rule::OnePerMessage);
    }

    fn in_kubernetes(deployment: Option<&str>, cpus: Option<f64>) -> PoolConfig {
        let named = |name: &str| KubernetesConfig { deployment: name.into(), ..KubernetesConfig::default() };
        let kubernetes = deployment.map(named);
        PoolConfig { driver: DriverKind::Kubernetes, kubernetes, cpus, ..PoolConfig::default() }
    }
}
