//! Workers that are processes of this machine.
//!
//! Each worker reports what it does in a file of the pool's folder, so that a controller that comes after another one knows the
//! workers that are there. Where the pool says so, each is in a control group of its own.

mod limits;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use tokio::process::{Child, Command};
use tracing::{info, warn};

use crate::config::PoolConfig;
use crate::driver::{Driver, Member, State};
use crate::error::Result;
use crate::report::{Activity, Report};
pub use limits::Limits;

/// A worker that was not heard of for so long hangs; see [`Reporter::beat`](crate::Reporter::beat).
const SILENCE: Duration = Duration::from_mins(1);
/// While it starts it may be silent for so many times as long: models are loaded.
const STARTING: u32 = 9;

/// The program of a worker.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its file.
    pub file: PathBuf,
    /// What it is told; the path of its report comes behind.
    pub arguments: Vec<OsString>,
    /// Variables of this process that it does not get.
    pub without: Vec<&'static str>,
}

/// Starts workers as processes of this machine.
#[derive(Debug)]
pub struct ProcessDriver {
    pool: String,
    program: Program,
    folder: PathBuf,
    limits: Option<Limits>,
    /// Those that this controller has started, to be waited for.
    children: Mutex<HashMap<String, Child>>,
    /// When each last wrote its report, by its own clock, and when that was seen.
    heard: Mutex<HashMap<String, (SystemTime, Instant)>>,
    silence: Duration,
}

impl ProcessDriver {
    /// A driver for a pool whose workers report in this folder, which is made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made, or the pool limits its workers and this machine lets nobody do so.
    pub fn new(config: &PoolConfig, program: Program, folder: &Path) -> Result<Self> {
        Ok(Self { limits: Limits::of(config)?, ..Self::observer(config, program, folder)? })
    }

    /// A driver of somebody who only wants to know the workers.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn observer(config: &PoolConfig, program: Program, folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let (pool, folder) = (config.name.clone(), folder.to_owned());
        let (children, heard) = (Mutex::default(), Mutex::default());
        Ok(Self { pool, program, folder, limits: None, children, heard, silence: SILENCE })
    }

    /// Takes a worker for one that hangs when it was not heard of for so long; longer while it starts.
    #[must_use]
    pub fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<String, (SystemTime, Instant)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which reports were written since the last look. The time in which this machine slept does not count.
    fn listen(&self, reports: &[(String, Report)]) {
        let mut heard = self.heard();
        heard.retain(|id, _| reports.iter().any(|(there, _)| there == id));
        for (id, report) in reports {
            let Ok(written) = fs_err::metadata(self.folder.join(id)).and_then(|file| file.modified()) else {
                continue;
            };
            let starts = report.activity.state == State::Starting;
            let patience = if starts { STARTING * self.silence } else { Duration::ZERO };
            let last = heard.entry(id.clone()).or_insert((written, Instant::now() + patience));
            if last.0 != written {
                *last = (written, Instant::now());
            }
        }
    }

    fn is_silent(&self, id: &str) -> bool {
        self.heard().get(id).is_some_and(|(_, at)| at.elapsed() > self.silence)
    }

    fn children(&self) -> MutexGuard<'_, HashMap<String, Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for those that have ended, which does not block.
    fn reap(&self) {
        let mut ended = Vec::new();
        for (id, child) in self.children().iter_mut() {
            if let Ok(Some(status)) = child.try_wait() {
                ended.push((id.clone(), status));
            }
        }
        for (id, status) in ended {
            self.children().remove(&id);
            if status.success() {
                info!(pool = self.pool, worker = id, "worker has ended");
            } else {
                warn!(pool = self.pool, worker = id, %status, "worker has ended badly");
            }
        }
    }

    /// The reports in the folder; those of processes that are gone are removed.
    fn reports(&self) -> Result<Vec<(String, Report)>> {
        let mut reports = Vec::new();
        for entry in fs_err::read_dir(&self.folder)? {
            let path = entry?.path();
            let Some(id) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                continue;
            };
            // Those that are still being written have an extension, which no worker's name has.
            if path.extension().is_some() {
                continue;
            }
            let Some(report) = Report::read(&path) else { continue };
            if report.is_alive() {
                reports.push((id, report));
            } else {
                // It was killed: whoever ends by itself takes its report along.
                let _ = fs_err::remove_file(&path);
                self.forget(&id);
            }
        }
        reports.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(reports)
    }

    fn forget(&self, id: &str) {
        if let Some(limits) = &self.limits {
            limits.remove(id);
        }
    }

    async fn spawn(&self) -> Result<()> {
        let id = format!("w{}", unique());
        if let Some(limits) = &self.limits {
            limits.make(&id)?;
        }
        let mut child = self.command(&id).spawn()?;
        let pid = child.id().unwrap_or_default();
        if let Err(error) = self.register(&id, pid) {
            // What is not limited or not known must not run.
            child.kill().await?;
            self.forget(&id);
            return Err(error);
        }
        info!(pool = self.pool, worker = id, pid, "worker starts");
        self.children().insert(id, child);
        Ok(())
    }

    fn command(&self, id: &str) -> Command {
        let mut command = Command::new(&self.program.file);
        command.args(&self.program.arguments).arg(self.folder.join(id)).stdin(Stdio::null());
        for name in &self.program.without {
            command.env_remove(name);
        }
        command
    }

    /// Limits a process that has just been started, and notes it: until it reports by itself it counts as starting.
    fn register(&self, id: &str, pid: u32) -> Result<()> {
        if let Some(limits) = &self.limits {
            limits.enter(id, pid)?;
        }
        Ok(Report::starting(pid).write_unless_there(&self.folder.join(id))?)
    }
}

#[async_trait]
impl Driver for ProcessDriver {
    async fn members(&self) -> Result<Vec<Member>> {
        self.reap();
        let reports = self.reports()?;
        self.listen(&reports);
        if let Some(limits) = &self.limits {
            limits.keep_only(&reports.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
        }
        Ok(reports.into_iter().map(|(id, report)| Member::of(id, report.activity)).collect())
    }

    async fn start(&self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.spawn().await?;
        }
        Ok(())
    }

    async fn drain(&self, ids: &[String]) -> Result<()> {
        for id in ids {
            let path = self.folder.join(id);
            let Some(report) = Report::read(&path).filter(Report::is_alive) else { continue };
            if self.is_silent(id) {
                // It does not hear a request to end; what it has is somebody else's by now.
                signal(report.pid, "KILL").await?;
                continue;
            }
            signal(report.pid, "TERM").await?;
            let activity = Activity { state: State::Draining, ..report.activity };
            Report { activity, ..report }.write(&path)?;
            info!(pool = self.pool, worker = id, "worker is asked to end");
        }
        Ok(())
    }

    /// Those that hang: they do not even say that they are there.
    fn overdue(&self) -> Vec<String> {
        let ids: Vec<String> = self.heard().keys().cloned().collect();
        ids.into_iter().filter(|id| self.is_silent(id)).collect()
    }
}

/// Sends a process a signal.
async fn signal(pid: u32, name: &str) -> Result<()> {
    let mut kill = Command::new("kill");
    let sent = kill.arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status().await?;
    if !sent.success() {
        info!(pid, "the process has ended already");
    }
    Ok(())
}

/// A name that no other worker of this machine has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}-{}", time.as_micros(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
