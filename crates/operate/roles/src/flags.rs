//! What a user says about the roles that run for long.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sightscan_serve::tls::TlsFlags;
use sightscan_train::Processor;

use crate::elastic::DetectOptions;
use crate::error::Result;
use crate::{Config, Setup, WorkerOptions};

/// Where this installation keeps its data.
#[derive(Debug, Clone, Default, Args)]
pub struct DataFlag {
    /// Data folder [default: the platform's data folder + sightscan].
    #[arg(long, value_name = "DIR", env = "SIGHTSCAN_DATA")]
    pub data: Option<PathBuf>,
}

impl DataFlag {
    /// The configuration with the variables of the original, and the places that it names.
    ///
    /// # Errors
    /// When a variable or a setting cannot be meant.
    pub fn setup(&self, config: Config) -> Result<Setup> {
        Setup::new(config, self.data.as_deref())
    }
}

/// Flags of the roles that answer the public; each is also a key in `sightscan.toml`.
#[derive(Debug, Clone, Args)]
pub struct PublicFlags {
    #[command(flatten)]
    data: DataFlag,
    /// Address to listen on; 0.0.0.0 lets other machines in [default: 127.0.0.1:8002, or port $DOS_PORT].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_LISTEN")]
    listen: Option<SocketAddr>,
    /// Address of the labelling service's routes and of Label Studio's backend [default: none, or port $ILS_PORT of
    /// 127.0.0.1].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_LABELLING_LISTEN")]
    labelling_listen: Option<SocketAddr>,
    /// Host names to answer for; `.example.org` includes subdomains, `*` is any [default on loopback: any].
    #[arg(long, value_name = "HOST", env = "SIGHTSCAN_ALLOWED_HOSTS", value_delimiter = ',')]
    allowed_hosts: Option<Vec<String>>,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8.
    #[arg(long, value_name = "ADDRESS", env = "SIGHTSCAN_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Option<Vec<String>>,
    /// Different requesters that approve a city [default: 1; the original's is 100].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_REQUEST_THRESHOLD")]
    request_threshold: Option<u32>,
    /// Have workers look at the pictures, through this queue: `db:` is one in the database [default: this process looks].
    #[arg(long, value_name = "QUEUE", env = "SIGHTSCAN_DETECT_THROUGH")]
    detect_through: Option<String>,
    /// Look after the pools of workers as well, as `scheduler` and `up` do.
    #[arg(long, env = "SIGHTSCAN_CONTROLLER")]
    controller: bool,
    #[command(flatten)]
    tls: TlsFlags,
}

impl PublicFlags {
    /// The configuration with what these flags say.
    ///
    /// # Errors
    /// When a variable or a setting cannot be meant.
    pub fn setup(self, config: Config) -> Result<Setup> {
        let mut setup = self.data.setup(config)?;
        let Config { serve, cities, labelling, elastic, .. } = &mut setup.config;
        serve.listen = self.listen.unwrap_or(serve.listen);
        serve.tls = self.tls.or(serve.tls.take());
        labelling.listen = self.labelling_listen.or(labelling.listen);
        cities.request_threshold = self.request_threshold.unwrap_or(cities.request_threshold);
        self.allowed_hosts.into_iter().for_each(|hosts| cities.allowed_hosts = hosts);
        self.trusted_proxy.into_iter().for_each(|proxies| cities.trusted_proxies = proxies);
        elastic.through = self.detect_through.or(elastic.through.take());
        elastic.controller |= self.controller;
        Ok(setup)
    }
}

/// Flags of `up`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sightscan up
  curl -X POST http://127.0.0.1:8002/v1/cities --json '{\"name\":\"Berlin\"}'
  curl -N http://127.0.0.1:8002/v1/cities/berlin/events")]
pub struct UpFlags {
    /// Those that it has in common with `api`.
    #[command(flatten)]
    pub public: PublicFlags,
}

/// Health and metrics of roles without a public port.
#[derive(Debug, Clone, Args)]
struct AdminFlag {
    /// Address for /healthz, /readyz and /metrics, and of a worker's /v1/worker [default: none].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
}

impl AdminFlag {
    fn apply(self, config: &mut Config) {
        config.admin.listen = self.admin_listen.or(config.admin.listen);
    }
}

/// Flags of `worker`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sightscan worker --jobs upkeep
  sightscan worker --jobs crawl,label --concurrency 4 --exit-when-idle 300
  sightscan worker --detect db: --exit-when-idle 60")]
pub struct WorkerFlags {
    #[command(flatten)]
    data: DataFlag,
    #[command(flatten)]
    admin: AdminFlag,
    #[command(flatten)]
    work: WorkFlags,
    /// Jobs that run at once [default: 1].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_WORKER_CONCURRENCY", conflicts_with = "detect")]
    concurrency: Option<usize>,
    /// Models that look at pictures: paths, or names in the model folder, with commas between them [default: all that are live].
    #[arg(long, short, value_name = "REF", env = "SIGHTSCAN_SERVE_MODEL", value_delimiter = ',', num_args = 1..)]
    model: Vec<String>,
    /// Threads that compute, where it looks at pictures [default: all that this process may use].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_SERVE_THREADS")]
    threads: Option<NonZeroUsize>,
    /// What computes its trainings, where it trains [default: `device` of the section `[train]`, else cpu].
    #[arg(long, value_name = "DEVICE", env = "SIGHTSCAN_TRAIN_DEVICE")]
    device: Option<Processor>,
    /// End when there has been nothing to do for so long.
    #[arg(long, value_name = "SECONDS", env = "SIGHTSCAN_WORKER_EXIT_WHEN_IDLE")]
    exit_when_idle: Option<u64>,
    /// File in which the worker tells its pool what it does; pools give it.
    #[arg(long, value_name = "FILE", hide = true)]
    report: Option<PathBuf>,
}

/// What a worker does: one of the two.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct WorkFlags {
    /// Which jobs it takes: crawl, label, train, upkeep.
    #[arg(long, value_name = "QUEUE", env = "SIGHTSCAN_WORKER_JOBS", value_delimiter = ',')]
    jobs: Vec<String>,
    /// Looks at the pictures of this queue: `db:` is one in the database.
    #[arg(long, value_name = "QUEUE", env = "SIGHTSCAN_WORKER_DETECT")]
    detect: Option<String>,
}

/// A worker of either kind.
#[derive(Debug)]
pub enum WorkerKind {
    /// It takes jobs.
    Jobs(WorkerOptions),
    /// It looks at pictures.
    Detect(DetectOptions),
}

impl WorkerFlags {
    /// The configuration with what these flags say, and what the worker does.
    ///
    /// # Errors
    /// When a variable or a setting cannot be meant.
    pub fn setup(self, config: Config) -> Result<(Setup, WorkerKind)> {
        let mut setup = self.data.setup(config)?;
        let config = &mut setup.config;
        self.admin.apply(config);
        config.worker.concurrency = self.concurrency.unwrap_or(config.worker.concurrency);
        config.serve.threads = self.threads.or(config.serve.threads);
        config.train.device = self.device.unwrap_or(config.train.device);
        if !self.model.is_empty() {
            config.serve.models = self.model;
        }
        let exit_when_idle = self.exit_when_idle.map(Duration::from_secs);
        let kind = match self.work.detect {
            Some(queue) => WorkerKind::Detect(DetectOptions {
                queue: queue.parse()?,
                exit_when_idle,
                report: self.report,
            }),
            None => {
                let (queues, report) = (self.work.jobs, self.report);
                WorkerKind::Jobs(WorkerOptions { queues, exit_when_idle, report })
            }
        };
        Ok((setup, kind))
    }
}

/// Flags of `scheduler`.
#[derive(Debug, Clone, Args)]
pub struct SchedulerFlags {
    #[command(flatten)]
    data: DataFlag,
    #[command(flatten)]
    admin: AdminFlag,
}

impl SchedulerFlags {
    /// The configuration with what these flags say.
    ///
    /// # Errors
    /// When a variable or a setting cannot be meant.
    pub fn setup(self, config: Config) -> Result<Setup> {
        let mut setup = self.data.setup(config)?;
        self.admin.apply(&mut setup.config);
        Ok(setup)
    }
}
