//! A pod: a process, and how the API shows it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DEPLOYMENT, NAMESPACE, Options};

/// What says how gladly a pod is deleted.
pub(super) const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// A process that has ended is started again after so long.
const BACK_OFF: Duration = Duration::from_secs(5);
/// How long a probe may take.
const PROBE: Duration = Duration::from_millis(500);
/// Below the ports that the system gives away by itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Where a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPlace {
    /// The pod's name.
    pub name: String,
    /// The address of its port named `admin`.
    pub address: SocketAddr,
}

/// A pod as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Where it is.
    pub place: PodPlace,
    /// The process, while it runs.
    pub pid: Option<u32>,
    /// Whether it is ready.
    pub is_ready: bool,
    /// Whether it was asked to end.
    pub is_ending: bool,
    /// Its deletion cost, where it has one.
    pub cost: Option<i32>,
}

/// A pod whose process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The pod's name.
    pub name: String,
    /// The exit code; none when it was ended by a signal.
    pub code: Option<i32>,
    /// Whether the pod had been asked to end.
    pub was_asked: bool,
}

/// What its one container does.
#[derive(Debug)]
enum Container {
    /// It is being made.
    Creating,
    /// Its image is not to be had.
    NoImage,
    /// It runs.
    Running(Child, Instant),
    /// It has ended by itself, and is started again.
    Crashed(Instant),
}

#[derive(Debug)]
pub(super) struct Pod {
    pub(super) place: PodPlace,
    pub(super) version: u64,
    pub(super) annotations: BTreeMap<String, String>,
    number: u64,
    created: String,
    container: Container,
    is_ready: bool,
    restarts: u32,
    last_end: Option<Option<i32>>,
    /// When it was asked to end, and when it is killed.
    ending: Option<(String, Instant)>,
    grace: Duration,
}

impl Pod {
    pub(super) fn new(number: u64, options: &Options) -> Self {
        Self {
            place: PodPlace { name: format!("{DEPLOYMENT}-7d9f-{number:04}"), address: free_address() },
            version: 0,
            annotations: BTreeMap::new(),
            number,
            created: now(),
            container: Container::Creating,
            is_ready: false,
            restarts: 0,
            last_end: None,
            ending: None,
            grace: options.grace,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn cost(&self) -> Option<i32> {
        self.annotations.get(COST)?.parse().ok()
    }

    pub(super) fn view(&self) -> PodView {
        let pid = match &self.container {
            Container::Running(child, _) => Some(child.id()),
            _ => None,
        };
        let (place, is_ready, is_ending) = (self.place.clone(), self.is_ready, self.is_ending());
        PodView { place, pid, is_ready, is_ending, cost: self.cost() }
    }

    /// Lower ones are deleted first: those that do not run, those that are not ready, the cheaper, the newer.
    pub(super) fn rank(&self) -> (bool, bool, i32, Reverse<u64>) {
        let is_running = matches!(self.container, Container::Running(..));
        (is_running, self.is_ready, self.cost().unwrap_or(0), Reverse(self.number))
    }

    /// Starts its process where it has none and may; whether anything has changed.
    pub(super) fn go_on(&mut self, options: &Options, is_image_lost: bool) -> bool {
        match &self.container {
            Container::Running(..) => return false,
            Container::NoImage if is_image_lost => return false,
            Container::Creating if is_image_lost => self.container = Container::NoImage,
            Container::Crashed(when) if when.elapsed() < BACK_OFF => return false,
            _ => {
                let mut command: Command = (options.command)(&self.place);
                command.stdin(Stdio::null()).stdout(Stdio::null());
                let child = command.spawn().expect("the pod's process starts");
                self.container = Container::Running(child, Instant::now());
            }
        }
        true
    }

    /// Whether its process has ended since the last time; how.
    pub(super) fn has_ended(&mut self) -> Option<Ended> {
        let Container::Running(child, _) = &mut self.container else { return None };
        let code = child.try_wait().expect("the process is ours").map(|status| status.code())?;
        self.container = Container::Crashed(Instant::now());
        self.is_ready = false;
        self.restarts += 1;
        self.last_end = Some(code);
        Some(Ended { name: self.place.name.clone(), code, was_asked: self.is_ending() })
    }

    /// Asks it to end (SIGTERM).
    pub(super) fn terminate(&mut self) {
        self.ending = Some((now(), Instant::now() + self.grace));
        if let Container::Running(child, _) = &self.container {
            let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
        }
    }

    /// Kills it where its grace is over.
    pub(super) fn kill_when_late(&mut self) {
        if self.ending.as_ref().is_some_and(|(_, until)| Instant::now() > *until) {
            self.kill();
        }
    }

    /// Whether it was asked to end and nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        self.is_ending() && !matches!(self.container, Container::Running(..))
    }

    pub(super) fn kill(&mut self) {
        if let Container::Running(child, _) = &mut self.container {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The address to probe, where it is time for that.
    pub(super) fn to_probe(&self, delay: Duration) -> Option<SocketAddr> {
        let Container::Running(_, since) = &self.container else { return None };
        (!self.is_ready && !self.is_ending() && since.elapsed() >= delay).then_some(self.place.address)
    }

    pub(super) fn become_ready(&mut self) {
        self.is_ready = matches!(self.container, Container::Running(..));
    }

    /// It as the API shows it in a list.
    pub(super) fn shown(&self) -> Value {
        json!({"metadata": self.metadata(), "spec": self.spec(), "status": self.status()})
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "name": self.place.name, "generateName": format!("{DEPLOYMENT}-7d9f-"), "namespace": NAMESPACE,
            "uid": format!("00000000-0000-4000-8000-{:012}", self.number),
            "resourceVersion": self.version.to_string(), "creationTimestamp": self.created,
            "labels": {"app": DEPLOYMENT, "pod-template-hash": "7d9f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{DEPLOYMENT}-7d9f"),
                "uid": "00000000-0000-4000-8000-999999999999", "controller": true, "blockOwnerDeletion": true}],
        });
        if !self.annotations.is_empty() {
            metadata["annotations"] = json!(self.annotations);
        }
        if let Some((when, _)) = &self.ending {
            metadata["deletionTimestamp"] = json!(when);
            metadata["deletionGracePeriodSeconds"] = json!(self.grace.as_secs());
        }
        metadata
    }

    fn spec(&self) -> Value {
        let port = self.place.address.port();
        json!({
            "containers": [{"name": "worker", "image": "sightscan:test", "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "admin", "containerPort": port, "protocol": "TCP"}]}],
            "nodeName": "node-1", "restartPolicy": "Always", "serviceAccountName": "default",
            "terminationGracePeriodSeconds": self.grace.as_secs(),
        })
    }

    fn status(&self) -> Value {
        let has_run = !matches!(self.container, Container::Creating | Container::NoImage);
        let mut status = json!({
            "phase": if has_run { "Running" } else { "Pending" },
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.created},
                {"type": "Initialized", "status": "True", "lastTransitionTime": self.created},
                self.readiness("ContainersReady"), self.readiness("Ready"),
            ],
            "hostIP": "127.0.0.1", "startTime": self.created, "qosClass": "Guaranteed",
            "containerStatuses": [{"name": "worker", "image": "sightscan:test", "imageID": "", "ready": self.is_ready,
                "restartCount": self.restarts, "started": has_run, "state": self.container_state(),
                "lastState": self.last_state()}],
        });
        if has_run {
            let ip = self.place.address.ip().to_string();
            status["podIP"] = json!(ip);
            status["podIPs"] = json!([{"ip": ip}]);
        }
        status
    }

    fn readiness(&self, kind: &str) -> Value {
        match self.is_ready {
            true => json!({"type": kind, "status": "True", "lastTransitionTime": self.created}),
            false => json!({"type": kind, "status": "False", "lastTransitionTime": self.created,
                "reason": "ContainersNotReady", "message": "containers with unready status: [worker]"}),
        }
    }

    fn container_state(&self) -> Value {
        let waiting =
            |reason: &str, message: String| json!({"waiting": {"reason": reason, "message": message}});
        match &self.container {
            Container::Creating => json!({"waiting": {"reason": "ContainerCreating"}}),
            Container::NoImage => {
                waiting("ImagePullBackOff", "Back-off pulling image \"sightscan:test\"".to_owned())
            }
            Container::Running(..) => json!({"running": {"startedAt": self.created}}),
            Container::Crashed(_) => {
                let name = &self.place.name;
                let told = format!("back-off 10s restarting failed container=worker pod={name}_{NAMESPACE}");
                waiting("CrashLoopBackOff", told)
            }
        }
    }

    fn last_state(&self) -> Value {
        match self.last_end {
            None => json!({}),
            Some(Some(0)) => json!({"terminated": {"exitCode": 0, "reason": "Completed"}}),
            Some(code) => json!({"terminated": {"exitCode": code.unwrap_or(137), "reason": "Error"}}),
        }
    }
}

/// Whether a pod answers that it is ready.
pub(super) fn is_ready_at(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, PROBE)?;
        stream.set_read_timeout(Some(PROBE))?;
        let head = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut begin = [0; 12];
        stream.read_exact(&mut begin)?;
        Ok::<_, std::io::Error>(begin.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

/// An address that nobody has, nor will have by chance.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let width = PORTS.end - PORTS.start;
    // Other tests are other processes.
    let begin = u16::try_from(std::process::id() * 101 % u32::from(width)).unwrap_or_default();
    loop {
        let next = u32::from(begin) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(next % u32::from(width)).unwrap_or_default();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The time as the API writes it.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let time = chrono::DateTime::from_timestamp(since.as_secs().try_into().unwrap_or_default(), 0);
    time.unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
