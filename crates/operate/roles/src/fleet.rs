//! Pools of workers: what is configured, put together and looked after.

mod flags;
pub(crate) mod http;
mod ledger;
mod view;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sightscan_fleet::{
    Controller, DriverKind, Leader, Pool, PoolConfig, PoolStatus, ProcessDriver, Program, Reporter,
};
use sightscan_jobs::worker_name;
use sightscan_serve::Objects;
use sightscan_serve::elastic::Progress;
use sightscan_warehouse::{Database, Warehouse, leaderships};
use tracing::warn;

pub use flags::{Command, Flags};
pub use ledger::{Ledger, check};
pub use view::table;

use crate::Stop;
use crate::elastic::{broker, objects};
use crate::error::{Error, Result};
use crate::setup::Setup;

/// The folder of the workers' reports in the data folder.
const FOLDER: &str = "fleet";
/// How often pools are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// The role that one of the controllers leads.
const ROLE: &str = "fleet";
/// Whoever leads is followed by another after so long without a sign, in milliseconds.
const LEADERSHIP_MS: i64 = 15_000;

/// What says to this process which jobs it takes means nothing to workers that look at pictures.
const NOT_FOR_WORKERS: [&str; 2] = ["SIGHTSCAN_WORKER_JOBS", "SIGHTSCAN_WORKER_CONCURRENCY"];

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
        let broker = broker(&config.queue.parse()?, warehouse).await?;
        let folder = setup.data.join(FOLDER).join(&config.name);
        let driver = match config.driver {
            DriverKind::Process if acts => ProcessDriver::new(config, program(setup, config)?, &folder)?,
            DriverKind::Process => ProcessDriver::observer(config, program(setup, config)?, &folder)?,
        };
        pools.push(Pool::new(config.clone(), broker.requests(), Arc::new(driver)));
    }
    Ok(pools)
}

/// This program, as a worker of a pool.
fn program(setup: &Setup, config: &PoolConfig) -> Result<Program> {
    let idle = config.idle_seconds.to_string();
    let mut arguments: Vec<OsString> =
        ["worker", "--detect", &config.queue, "--exit-when-idle", &idle].map(Into::into).to_vec();
    if let Some(cpus) = config.cpus {
        arguments.extend(["--threads".into(), format!("{}", cpus.ceil().max(1.0)).into()]);
    }
    if !config.models.is_empty() {
        arguments.extend(["--model".into(), config.models.join(",").into()]);
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
#[derive(Debug, Clone, serde::Serialize)]
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
        Ok(Self { pools: pools(setup, warehouse, false).await?, objects: objects(setup)? })
    }

    /// How they are.
    ///
    /// # Errors
    /// When a queue, the workers or a bucket cannot be asked.
    pub async fn status(&self) -> Result<FleetStatus> {
        let mut pools = Vec::new();
        for pool in &self.pools {
            pools.push(pool.status().await?);
        }
        let input_objects = self.objects.input.keys().await?.len();
        let output_objects = self.objects.output.keys().await?.len();
        Ok(FleetStatus { pools, input_objects, output_objects })
    }
}

/// Tells a pool what this worker does.
#[derive(Debug)]
pub(crate) struct Reporting(Reporter);

impl Reporting {
    pub(crate) fn new(path: &Path) -> Self {
        Self(Reporter::new(path))
    }
}

impl Progress for Reporting {
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
