//! `sightscan experiment`, as a process.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::folder::{Ended, Folder, State};
use super::lock;
use super::order::Order;

/// What the processes complain about.
const ERRORS: &str = "errors.log";
/// A report has so long.
const REPORT: Duration = Duration::from_secs(30);
/// A process that was asked to end has so long for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// An experiment that is measured.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) data: PathBuf,
    pub(super) folder: Folder,
    pub(super) order: Order,
    /// What was told last.
    pub(super) told: Arc<Mutex<Option<String>>>,
    pub(super) stop: CancellationToken,
}

impl Measurement {
    /// Measures, and writes the report of what there is.
    pub(super) async fn run(&self) -> Ended {
        let ended = match self.process(self.measure(), &self.stop).await {
            _ if self.stop.is_cancelled() => Ended { state: State::Stopped, message: None },
            Err(why) => Ended { state: State::Failed, message: Some(why) },
            Ok(status) if status.success() => Ended { state: State::Done, message: lock(&self.told).clone() },
            Ok(status) => Ended { state: State::Failed, message: Some(self.complaint(status)) },
        };
        match self.folder.measured() {
            Ok(cells) if cells > 0 => self.with_report(ended).await,
            _ => ended,
        }
    }

    /// What came out of the measurement, with its report where one can be written. What takes long in it is the printed one, which
    /// nobody asks for here.
    async fn with_report(&self, ended: Ended) -> Ended {
        let report = ["experiment", "report", "--partial"].map(OsString::from).into_iter();
        let arguments = report.chain([self.folder.path().into()]).collect();
        let to_its_end = CancellationToken::new();
        let written = timeout(REPORT, self.process(arguments, &to_its_end)).await;
        let failed = |why| Ended { state: State::Failed, message: Some(why) };
        match written {
            Ok(Ok(status)) if !status.success() && ended.state == State::Done => {
                failed(self.complaint(status))
            }
            Ok(Err(why)) if ended.state == State::Done => failed(why),
            _ => ended,
        }
    }

    fn measure(&self) -> Vec<OsString> {
        let Order { city, workers, threads, repeats, cpus, .. } = &self.order;
        let numbers =
            |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",").into();
        let mut arguments: Vec<OsString> = vec!["experiment".into(), "run".into()];
        arguments.extend(["--folder".into(), self.folder.pictures().into_os_string()]);
        arguments.extend(["--out".into(), self.folder.path().into()]);
        // The pictures of a city are of any kind; the course's clients send JPEG only.
        arguments.extend(["--as".into(), "v1".into(), "--model".into(), city.as_str().into()]);
        arguments.extend(["--workers".into(), numbers(workers), "--threads".into(), numbers(threads)]);
        arguments.extend(["--repeats".into(), repeats.to_string().into()]);
        arguments.extend(cpus.iter().flat_map(|cpus| ["--cpus".into(), cpus.to_string().into()]));
        arguments
    }

    /// Runs this program to its end; or why it could not be run.
    async fn process(
        &self,
        arguments: Vec<OsString>,
        stop: &CancellationToken,
    ) -> Result<ExitStatus, String> {
        let run = async {
            let errors =
                fs_err::OpenOptions::new().create(true).append(true).open(self.folder.path().join(ERRORS))?;
            let mut command = Command::new(std::env::current_exe()?);
            // What this server is told by its environment and by a file beside it is not for the workers, which nobody else asks.
            for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
                command.env_remove(name);
            }
            command.args(arguments).current_dir(self.folder.path()).env("SIGHTSCAN_DATA", &self.data);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.into_parts().0);
            let child = command.process_group(0).spawn()?;
            let _group = Group(child.id());
            self.watched(child, stop).await
        };
        run.await.map_err(|error: std::io::Error| error.to_string())
    }

    /// Listens to what a process tells, until it has ended.
    async fn watched(&self, mut child: Child, stop: &CancellationToken) -> std::io::Result<ExitStatus> {
        let out = child.stdout.take();
        let listening = async {
            let Some(out) = out else { return };
            let mut lines = BufReader::new(out).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                *lock(&self.told) = Some(line);
            }
        };
        // Its output ends when it does.
        tokio::select! {
            () = listening => child.wait().await,
            () = stop.cancelled() => end(child).await,
        }
    }

    /// What it complained about last.
    fn complaint(&self, status: ExitStatus) -> String {
        let text = fs_err::read_to_string(self.folder.path().join(ERRORS)).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(|| status.to_string(), str::to_owned)
    }
}

fn is_setting(variable: &OsStr) -> bool {
    variable.to_string_lossy().starts_with("SIGHTSCAN_")
}

/// Asks a process to end as Ctrl-C does, which ends its workers first; one that does not listen is killed.
async fn end(mut child: Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = child.id() {
        // Where this cannot be said, it is killed.
        let _ = Command::new("kill").args(["-INT", &pid.to_string()]).stderr(Stdio::null()).status().await;
    }
    match timeout(PATIENCE, child.wait()).await {
        Ok(ended) => ended,
        Err(_) => {
            child.kill().await?;
            child.wait().await
        }
    }
}

/// A process with those that it has started: none of them outlives this.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.0 else { return };
        let mut kill = std::process::Command::new("kill");
        // Usually they have all ended.
        let _ = kill.args(["-KILL", "--", &format!("-{leader}")]).stderr(Stdio::null()).status();
    }
}
