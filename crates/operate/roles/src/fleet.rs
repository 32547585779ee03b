//! Pools of workers: what is configured, put together and looked after.

mod backlog;
mod flags;
pub(crate) mod http;
mod ledger;
mod past;
mod view;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sightscan_fleet::{
    Controller, Driver, DriverKind, Leader, Pool, PoolConfig, PoolStatus, ProcessDriver, Program, Reporter,
};
#[cfg(feature = "cloud")]
use sightscan_fleet::{Ec2Driver, Ec2InstanceDriver, KubernetesDriver};
use sightscan_jobs::worker_name;
use sightscan_serve::Objects;
use sightscan_types::Watcher;
use sightscan_warehouse::{Database, Warehouse, leaderships, settings};
use tracing::warn;

pub use flags::{Command, Flags};
pub use ledger::{Ledger, check};
pub use view::table;

use crate::elastic::{broker, objects};
use crate::error::{Error, Result};
use crate::setup::Setup;
#[cfg(feature = "cloud")]
use crate::storage::variable;
use crate::{QUEUES, Stop};
use backlog::Jobs;
use past::Past;

/// The folder of the workers' reports in the data folder.
const FOLDER: &str = "fleet";
/// How often pools are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// The role that one of the controllers leads.
const ROLE: &str = "fleet";
/// Whoever leads is followed by another after so long without a sign, in milliseconds.
const LEADERSHIP_MS: i64 = 15_000;

/// The setting of the database that tells why a pool fails begins so, and ends with the pool's name.
const FAILURE: &str = "fleet-failure-";

/// What says to this process which jobs it takes or which queue it looks at means nothing to workers that are told.
const NOT_FOR_WORKERS: [&str; 3] =
    ["SIGHTSCAN_WORKER_JOBS", "SIGHTSCAN_WORKER_CONCURRENCY", "SIGHTSCAN_WORKER_DETECT"];

/// Looks after the pools that are configured, until `stop`. Where that cannot begin, the role that wanted it ends.
pub(crate) async fn control(setup: &Setup, warehouse: &Warehouse, stop: Stop) -> Result<()> {
    let controlled = begin(setup, warehouse, stop.clone()).await;
    if controlled.is_err() {
        stop.cancel();
    }
    controlled
}

async fn begin(setup: &Setup, warehouse: &Warehouse, stop: Stop) -> Result<()> {
    if setup.config.pool.is_empty() {
        return Ok(());
    }
    let leadership = Leadership { database: warehouse.database.clone(), holder: worker_name() };
    let pools = pools(setup, warehouse, true).await?;
    Controller::new(pools, INTERVAL).run(&leadership, stop).await;
    leadership.resign().await;
    Ok(())
}

/// The leadership of the controllers of one database.
struct Leadership {
    database: Database,
    holder: String,
}

#[async_trait]
impl Leader for Leadership {
    async fn leads(&self) -> bool {
        match leaderships::lead(&self.database, ROLE, &self.holder, LEADERSHIP_MS).await {
            Ok(leads) => leads,
            Err(error) => {
                warn!(%error, "nobody knows who looks after the pools");
                false
            }
        }
    }

    async fn note(&self, pool: &str, failure: Option<&str>) {
        let name = format!("{FAILURE}{pool}");
        if let Err(error) = settings::set(&self.database, &name, failure.unwrap_or_default()).await {
            warn!(pool, %error, "others do not learn how the pool is");
        }
    }
}

impl Leadership {
    async fn resign(&self) {
        if let Err(error) = leaderships::resign(&self.database, ROLE, &self.holder).await {
            warn!(%error, "another controller takes over only after a while");
        }
    }
}

/// The pools that are configured, to be looked after or only to be looked at.
async fn pools(setup: &Setup, warehouse: &Warehouse, acts: bool) -> Result<Vec<Pool>> {
    let mut pools: Vec<Pool> = Vec::new();
    for config in &setup.config.pool {
        config.check()?;
        if pools.iter().any(|pool| pool.name() == config.name) {
            return Err(Error::SamePool(config.name.clone()));
        }
        let driver = driver(setup, config, acts).await?;
        let pool = match config.jobs() {
            Some(jobs) if QUEUES.contains(&jobs) => {
                Pool::new(config.clone(), Jobs::new(&warehouse.database, jobs), driver)
            }
            Some(unknown) => return Err(Error::UnknownQueue(unknown.to_owned())),
            None => {
                let broker = broker(&config.queue.parse()?, warehouse).await?;
                Pool::new(config.clone(), broker.requests(), driver)
            }
        };
        pools.push(pool);
    }
    Ok(pools)
}

/// Who starts and ends the workers of a pool.
async fn driver(setup: &Setup, config: &PoolConfig, acts: bool) -> Result<Arc<dyn Driver>> {
    let folder = setup.data.join(FOLDER).join(&config.name);
    Ok(match config.driver {
        DriverKind::Process if acts => {
            Arc::new(ProcessDriver::new(config, program(setup, config)?, &folder)?)
        }
        DriverKind::Process => Arc::new(ProcessDriver::observer(config, program(setup, config)?, &folder)?),
        #[cfg(feature = "cloud")]
        DriverKind::Ec2 => Arc::new(Ec2Driver::open(config, variable).await?),
        #[cfg(feature = "cloud")]
        DriverKind::Ec2Instance => Arc::new(Ec2InstanceDriver::open(config, variable).await?),
        #[cfg(feature = "cloud")]
        DriverKind::Kubernetes => Arc::new(KubernetesDriver::new(config, variable)?),
        #[cfg(not(feature = "cloud"))]
        _ => return Err(sightscan_fleet::Error::NotBuiltIn(config.name.clone()).into()),
    })
}

/// This program, as a worker of a pool.
fn program(setup: &Setup, config: &PoolConfig) -> Result<Program> {
    let mut arguments: Vec<OsString> = config.worker_arguments().into_iter().map(Into::into).collect();
    if let Some(cpus) = config.cpus {
        arguments.extend(["--threads".into(), format!("{}", cpus.ceil().max(1.0)).into()]);
    }
    if let Some(file) = &setup.config.file {
        arguments.extend(["--config".into(), file.clone().into_os_string()]);
    }
    // Each worker has a port of its own for its health, wherever this process has one.
    arguments.extend(["--admin-listen".into(), "127.0.0.1:0".into()]);
    arguments.extend(["--data".into(), setup.data.clone().into_os_string(), "--report".into()]);
    Ok(Program { file: std::env::current_exe()?, arguments, without: NOT_FOR_WORKERS.to_vec() })
}

/// How the pools are, with how many objects there are.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct FleetStatus {
    /// One a pool.
    pub pools: Vec<PoolStatus>,
    /// Pictures in the input bucket.
    pub input_objects: usize,
    /// Labels in the output bucket.
    pub output_objects: usize,
}

/// The pools that are configured, to be looked at.
#[derive(Debug)]
pub struct Fleet {
    pools: Vec<Pool>,
    objects: Objects,
    database: Database,
    past: Past,
}

impl Fleet {
    /// The pools that are configured.
    ///
    /// # Errors
    /// When one cannot be meant, or its queue cannot be reached.
    pub async fn open(setup: &Setup) -> Result<Self> {
        Self::of(setup, &setup.open().await?).await
    }

    pub(crate) async fn of(setup: &Setup, warehouse: &Warehouse) -> Result<Self> {
        let (pools, database) = (pools(setup, warehouse, false).await?, warehouse.database.clone());
        Ok(Self { pools, objects: objects(setup)?, database, past: Past::default() })
    }

    /// How they are. A pool that cannot be asked tells why, beside the others.
    ///
    /// # Errors
    /// When the database or a bucket cannot be asked.
    pub async fn status(&self) -> Result<FleetStatus> {
        let mut pools = Vec::new();
        for pool in &self.pools {
            let status = pool.status().await;
            let kept = settings::get(&self.database, &format!("{FAILURE}{}", pool.name())).await?;
            let failure = status.failure.or(kept.filter(|failure| !failure.is_empty()));
            pools.push(PoolStatus { failure, ..status });
        }
        self.past.note(&pools, self.database.now());
        let input_objects = self.objects.input.keys().await?.len();
        let output_objects = self.objects.output.keys().await?.len();
        Ok(FleetStatus { pools, input_objects, output_objects })
    }
}

/// Tells a pool what this worker does.
#[derive(Debug)]
pub(crate) struct Reporting(pub(crate) Reporter);

impl Reporting {
    /// Tells in this file that this worker waits for work.
    pub(crate) fn ready(path: &Path) -> Self {
        let reporter = Reporter::new(Some(path));
        reporter.ready();
        reporter.beat();
        Self(reporter)
    }
}

impl Watcher for Reporting {
    fn begin(&self) {
        self.0.begin();
    }

    fn end(&self, took: Duration) {
        self.0.end(took);
    }

    fn drain(&self) {
        self.0.drain();
    }
}

#[cfg(test)]
mod tests {
    use sightscan_fleet::{Member, State};

    use super::*;

    /// A pool with two workers that work and one that waits.
    pub(super) fn busy_pool() -> PoolStatus {
        let member = |state| Member { id: "w".into(), state, ended: 3, service_ms: Some(40.0) };
        PoolStatus {
            name: "detect".into(),
            queue: "db:".into(),
            max: 19,
            waiting: 7,
            in_flight: 2,
            dead: 1,
            accepted: Some(50),
            workers: vec![member(State::Busy), member(State::Busy), member(State::Idle)],
            failure: None,
        }
    }
}
