//! `sightscan up`, `api`, `worker` and `scheduler`: the roles that run for long.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use sightscan_roles::{Config, Setup, WorkerOptions};

use super::serve::stop_signal;

/// Where this installation keeps its data.
#[derive(Debug, Args)]
pub(crate) struct DataFlag {
    /// Data folder [default: the platform's data folder + sightscan].
    #[arg(long, value_name = "DIR", env = "SIGHTSCAN_DATA")]
    data: Option<PathBuf>,
}

impl DataFlag {
    /// The configuration with the variables of the original, and the places that it names.
    pub(crate) fn setup(&self, config: Config) -> Result<Setup> {
        Ok(Setup::new(config, self.data.as_deref())?)
    }
}

/// Flags of the roles that answer the public; each is also a key in `sightscan.toml`.
#[derive(Debug, Args)]
pub(crate) struct PublicFlags {
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
}

impl PublicFlags {
    fn setup(self, config: Config) -> Result<Setup> {
        let mut setup = self.data.setup(config)?;
        let Config { serve, cities, labelling, .. } = &mut setup.config;
        serve.listen = self.listen.unwrap_or(serve.listen);
        labelling.listen = self.labelling_listen.or(labelling.listen);
        cities.request_threshold = self.request_threshold.unwrap_or(cities.request_threshold);
        self.allowed_hosts.into_iter().for_each(|hosts| cities.allowed_hosts = hosts);
        self.trusted_proxy.into_iter().for_each(|proxies| cities.trusted_proxies = proxies);
        Ok(setup)
    }
}

/// Flags of `up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan up
  curl -X POST http://127.0.0.1:8002/v1/cities --json '{\"name\":\"Berlin\"}'
  curl -N http://127.0.0.1:8002/v1/cities/berlin/events")]
pub(crate) struct Up {
    #[command(flatten)]
    public: PublicFlags,
}

/// Flags of `api`.
#[derive(Debug, Args)]
pub(crate) struct Api {
    #[command(flatten)]
    public: PublicFlags,
}

/// Flags of `worker`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan worker --jobs upkeep
  sightscan worker --jobs crawl,label --concurrency 4 --exit-when-idle 300")]
pub(crate) struct Worker {
    #[command(flatten)]
    data: DataFlag,
    #[command(flatten)]
    admin: AdminFlag,
    /// Which jobs it takes: crawl, label, train, upkeep.
    #[arg(long, value_name = "QUEUE", env = "SIGHTSCAN_WORKER_JOBS", value_delimiter = ',', required = true)]
    jobs: Vec<String>,
    /// Jobs that run at once [default: 1].
    #[arg(long, value_name = "N", env = "SIGHTSCAN_WORKER_CONCURRENCY")]
    concurrency: Option<usize>,
    /// End when there has been nothing to do for so long.
    #[arg(long, value_name = "SECONDS", env = "SIGHTSCAN_WORKER_EXIT_WHEN_IDLE")]
    exit_when_idle: Option<u64>,
}

/// Flags of `scheduler`.
#[derive(Debug, Args)]
pub(crate) struct Scheduler {
    #[command(flatten)]
    data: DataFlag,
    #[command(flatten)]
    admin: AdminFlag,
}

/// Health and metrics of roles without a public port.
#[derive(Debug, Args)]
struct AdminFlag {
    /// Address for /healthz, /readyz and /metrics [default: none].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
}

/// Runs everything in one process.
pub(crate) fn up(arguments: Up, config: Config) -> Result<ExitCode> {
    let setup = arguments.public.setup(config)?;
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::up(setup, stop)).await?))
}

/// Answers the public.
pub(crate) fn api(arguments: Api, config: Config) -> Result<ExitCode> {
    let setup = arguments.public.setup(config)?;
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::api(setup, stop)).await?))
}

/// Takes jobs.
pub(crate) fn worker(arguments: Worker, config: Config) -> Result<ExitCode> {
    let mut setup = arguments.data.setup(config)?;
    setup.config.admin.listen = arguments.admin.admin_listen.or(setup.config.admin.listen);
    setup.config.worker.concurrency = arguments.concurrency.unwrap_or(setup.config.worker.concurrency);
    let exit_when_idle = arguments.exit_when_idle.map(Duration::from_secs);
    let options = WorkerOptions { queues: arguments.jobs, exit_when_idle };
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::worker(setup, options, stop)).await?))
}

/// Plans.
pub(crate) fn scheduler(arguments: Scheduler, config: Config) -> Result<ExitCode> {
    let mut setup = arguments.data.setup(config)?;
    setup.config.admin.listen = arguments.admin.admin_listen.or(setup.config.admin.listen);
    until_stopped(async |stop| Ok(Box::pin(sightscan_roles::scheduler(setup, stop)).await?))
}

/// Runs a role until it ends or the process is asked to.
fn until_stopped(role: impl AsyncFnOnce(sightscan_roles::Stop) -> Result<()>) -> Result<ExitCode> {
    super::block_on(async {
        let (signal, stop) = (stop_signal()?, sightscan_roles::Stop::new());
        let asked = stop.clone();
        tokio::spawn(async move {
            signal.await;
            asked.cancel();
        });
        role(stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
