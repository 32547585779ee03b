//! Workers that are processes of this machine and share one port.
//!
//! The kernel gives each new connection to one of the processes that listen on the port (`SO_REUSEPORT`, socket(7)), by the
//! connection's addresses: as kube-proxy does, which chooses a pod for each connection.

use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use fs_err::File;
use sightscan_fleet::{Limits, PoolConfig};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tracing::info;

use super::{Target, ready};
use crate::study::{Error, Folder, Result, TargetPlan};

/// Lines of a worker's log that are shown when it has ended.
const LOG_LINES: usize = 5;

/// `sightscan serve`, so many times.
#[derive(Debug)]
pub struct Processes {
    program: PathBuf,
    model: Option<String>,
    threads: usize,
    limits: Option<Limits>,
    logs: PathBuf,
    origin: String,
    /// Holds the port while no worker is there. It does not listen, so that it gets no connection.
    socket: TcpSocket,
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Processes {
    /// Workers of the program in this file, as an experiment wants them; none is started yet.
    ///
    /// # Errors
    /// When no port is free, or this machine lets nobody limit a process as the plan says: what is measured as limited is limited.
    pub fn new(folder: &Folder, program: PathBuf) -> Result<Self> {
        let TargetPlan::Processes { model, cpus, memory_mb } = &folder.plan().method.target else {
            return Err(Error::Plan("the plan scales no processes".to_owned()));
        };
        let name = format!("experiment-{}", std::process::id());
        let pool = PoolConfig { name, cpus: *cpus, memory_mb: *memory_mb, ..PoolConfig::default() };
        pool.check()?;
        let logs = folder.path().join("logs");
        fs_err::create_dir_all(&logs)?;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        Ok(Self {
            program,
            model: model.clone(),
            threads: cpus.map_or(1.0, f64::ceil).max(1.0) as usize,
            limits: Limits::of(&pool)?,
            logs,
            origin: format!("http://{}", socket.local_addr()?),
            socket,
            workers: Vec::new(),
        })
    }

    async fn start(&mut self, number: usize) -> Result<()> {
        let name = format!("worker-{number}");
        if let Some(limits) = &self.limits {
            limits.make(&name)?;
        }
        let log = self.logs.join(format!("{name}.log"));
        let mut child = self.command(&name, File::create(&log)?)?.spawn()?;
        if let (Some(limits), Some(pid)) = (&self.limits, child.id())
            && let Err(error) = limits.enter(&name, pid)
        {
            // What is not limited must not run.
            child.kill().await?;
            limits.remove(&name);
            return Err(error.into());
        }
        info!(worker = name, "worker starts");
        self.workers.push(Worker { name, child, log });
        Ok(())
    }

    fn command(&self, name: &str, log: File) -> Result<Command> {
        let mut command = Command::new(&self.program);
        let address = self.socket.local_addr()?.to_string();
        command.args(["serve", "--listen", &address, "--share-port"]);
        command.args(self.model.iter().flat_map(|model| ["--model", model]));
        command.args(["--instance", name, "--threads", &self.threads.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.into_parts().0).kill_on_drop(true);
        Ok(command)
    }

    async fn stop(&mut self, mut worker: Worker) -> Result<()> {
        worker.child.kill().await?;
        if let Some(limits) = &self.limits {
            limits.remove(&worker.name);
        }
        Ok(())
    }
}

impl Worker {
    /// Refuses to go on where the worker has ended by itself.
    fn is_well(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let text = fs_err::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let log = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        Err(Error::Worker { worker: self.name.clone(), status: status.to_string(), log })
    }
}

#[async_trait]
impl Target for Processes {
    fn origin(&self) -> &str {
        &self.origin
    }

    async fn scale(&mut self, workers: usize) -> Result<()> {
        while self.workers.len() > workers {
            if let Some(worker) = self.workers.pop() {
                self.stop(worker).await?;
            }
        }
        while self.workers.len() < workers {
            self.start(self.workers.len() + 1).await?;
        }
        let all = &mut self.workers;
        ready(&self.origin, workers, || all.iter_mut().try_for_each(Worker::is_well)).await
    }

    async fn end(mut self: Box<Self>) -> Result<()> {
        while let Some(worker) = self.workers.pop() {
            self.stop(worker).await?;
        }
        if let Some(limits) = &self.limits {
            limits.forget_pool();
        }
        Ok(())
    }
}
