//! What a worker tells about itself: to whoever asks it, and in a file that it replaces whenever something changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::driver::State;

/// How often a worker says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// Older pictures count less in the mean time of one.
const WEIGHT: f64 = 0.1;

/// What a worker does: the answer to `GET /v1/worker`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// What it does now.
    pub state: State,
    /// Messages that it has brought to an end.
    pub ended: u64,
    /// How long a picture takes it, in milliseconds, where it has looked at one.
    #[serde(default)]
    pub service_ms: Option<f64>,
}

/// What a worker on this machine tells about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its process.
    pub pid: u32,
    /// When that process was started, in the kernel's clock ticks since boot: process ids are used again.
    pub started: u64,
    /// What it does.
    #[serde(flatten)]
    pub activity: Activity,
}

/// Keeps what a worker does, and writes it into its report where it has one; clones keep the same. The file goes with the last
/// of them.
#[derive(Debug, Clone)]
pub struct Reporter(Arc<Mutex<Writing>>);

#[derive(Debug)]
struct Writing {
    path: Option<PathBuf>,
    report: Report,
    in_hand: usize,
}

impl Activity {
    /// Of a worker that has done nothing yet, or of which nobody knows what it has done.
    pub fn of(state: State) -> Self {
        Self { state, ended: 0, service_ms: None }
    }
}

impl Report {
    /// The report of a process that has just been started.
    pub(crate) fn starting(pid: u32) -> Self {
        let started = started(pid).unwrap_or(0);
        Self { pid, started, activity: Activity::of(State::Starting) }
    }

    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(path).ok()?).ok()
    }

    /// Replaces the file, so that nobody reads half of it; the worker and its controller may do so at once.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_extension(format!("new-{}", std::process::id()));
        fs_err::write(&unfinished, serde_json::to_vec(self)?)?;
        fs_err::rename(&unfinished, path)
    }

    /// Writes the file unless the worker has been faster.
    pub(crate) fn write_unless_there(&self, path: &Path) -> std::io::Result<()> {
        let unfinished = path.with_extension("starting");
        fs_err::write(&unfinished, serde_json::to_vec(self)?)?;
        // A link is made only where there is no such name.
        let linked = fs_err::hard_link(&unfinished, path);
        fs_err::remove_file(&unfinished)?;
        match linked {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    }

    /// Whether the process that wrote it is still there.
    pub(crate) fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| self.started == 0 || started == self.started)
    }
}

impl Reporter {
    /// A worker of this process that is starting.
    pub fn new(path: Option<&Path>) -> Self {
        let report = Report::starting(std::process::id());
        let this = Self(Arc::new(Mutex::new(Writing { path: path.map(Path::to_owned), report, in_hand: 0 })));
        this.change(|_| {});
        this
    }

    /// Writes the report again every so often, so that a worker that hangs is told from one that works long. As long as a clone is
    /// there; to be called in a runtime of tokio.
    pub fn beat(&self) {
        let writing = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                let Some(writing) = writing.upgrade() else { return };
                Self(writing).change(|_| {});
            }
        });
    }

    /// What it does.
    pub fn activity(&self) -> Activity {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).report.activity.clone()
    }

    /// It waits for work.
    pub fn ready(&self) {
        self.change(|writing| writing.report.activity.state = State::Idle);
    }

    /// It has begun with a message.
    pub fn begin(&self) {
        self.change(|writing| writing.in_hand += 1);
    }

    /// It has brought a message to an end, which took so long.
    pub fn end(&self, took: Duration) {
        let took = took.as_secs_f64() * 1e3;
        self.change(|writing| {
            writing.in_hand = writing.in_hand.saturating_sub(1);
            let activity = &mut writing.report.activity;
            activity.ended += 1;
            let before = activity.service_ms.unwrap_or(took);
            activity.service_ms = Some(before + WEIGHT * (took - before));
        });
    }

    /// It ends once it has finished what it has.
    pub fn drain(&self) {
        self.change(|writing| writing.report.activity.state = State::Draining);
    }

    fn change(&self, change: impl FnOnce(&mut Writing)) {
        let mut writing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut writing);
        let state = writing.report.activity.state;
        writing.report.activity.state = match state {
            State::Draining => state,
            _ if writing.in_hand > 0 => State::Busy,
            State::Starting => state,
            State::Idle | State::Busy => State::Idle,
        };
        let Some(path) = &writing.path else { return };
        // A controller that cannot read it sees a worker that is starting.
        if let Err(error) = writing.report.write(path) {
            tracing::debug!(%error, "the report cannot be written");
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs_err::remove_file(path);
        }
    }
}

/// When a process was started (field 22 of `/proc/PID/stat`, see proc(5)); none where there is no such process.
fn started(pid: u32) -> Option<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // A process that has ended and was not waited for is none.
    (*fields.first()? != "Z").then(|| fields.get(19)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_what_a_worker_does_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w1");
        let reporter = Reporter::new(Some(&path));
        let read = || Report::read(&path).unwrap();
        let state = || read().activity.state;
        assert_eq!((state(), read().pid, read().is_alive()), (State::Starting, std::process::id(), true));
        reporter.ready();
        assert_eq!(state(), State::Idle);
        reporter.begin();
        assert_eq!(state(), State::Busy);
        reporter.end(Duration::from_millis(40));
        assert_eq!(read().activity, Activity { state: State::Idle, ended: 1, service_ms: Some(40.0) });
        reporter.begin();
        reporter.drain();
        assert_eq!(state(), State::Draining);
        drop(reporter);
        assert!(!path.exists());
    }

    #[test]
    fn whoever_asks_is_told_what_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w1");
        let (with, without) = (Reporter::new(Some(&path)), Reporter::new(None));
        for reporter in [&with, &without] {
            assert_eq!(reporter.activity(), Activity::of(State::Starting));
            reporter.ready();
            reporter.begin();
            assert_eq!(reporter.activity().state, State::Busy);
            reporter.end(Duration::from_millis(40));
            assert_eq!(
                serde_json::to_string(&reporter.activity()).unwrap(),
                r#"{"state":"idle","ended":1,"service_ms":40.0}"#
            );
        }
        assert_eq!(Report::read(&path).unwrap().activity, with.activity());
    }

    #[test]
    fn a_process_id_that_is_used_again_is_another_worker() {
        let mine = Report::starting(std::process::id());
        assert!(mine.is_alive());
        assert!(!Report { started: mine.started + 1, ..mine.clone() }.is_alive());
        assert!(!Report { pid: u32::MAX, ..mine }.is_alive());
    }
}
