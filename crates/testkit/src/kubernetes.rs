//! A fake of Kubernetes: the API as HTTP on loopback, the controller that makes and deletes pods, and pods that are processes.
//!
//! What the API answers was shaped after the reference at <https://kubernetes.io/docs/reference/kubernetes-api/> (`Deployment v1
//! apps`, `Scale v1 autoscaling`, `Pod v1 core`, `Status`) and <https://kubernetes.io/docs/reference/using-api/api-concepts/>
//! (lists in pages, watches, 410); which pods go first after
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset>.

mod answers;
mod api;
mod controller;
mod faults;
mod pod;
mod state;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch::Sender;

pub use faults::Fault;
pub use pod::{Ended, PodPlace, PodView};
use state::State;

/// The deployment that there is.
pub const DEPLOYMENT: &str = "sightscan-worker";
/// Its namespace.
pub const NAMESPACE: &str = "course";

/// Makes the command that a pod runs.
pub type MakePod = Box<dyn Fn(&PodPlace) -> Command + Send + Sync>;

/// What its pods are like.
pub struct Options {
    /// The command of a pod; it answers `/readyz` at the place that it is given.
    pub command: MakePod,
    /// A pod is ready no sooner than so long after its start.
    pub readiness_delay: Duration,
    /// So long after SIGTERM a pod is killed.
    pub grace: Duration,
    /// Pods on one page of a list, where fewer are not asked for.
    pub page: usize,
}

impl Options {
    /// Pods that run this and are ready as soon as they answer.
    pub fn new(command: impl Fn(&PodPlace) -> Command + Send + Sync + 'static) -> Self {
        let (readiness_delay, grace) = (Duration::ZERO, Duration::from_secs(30));
        Self { command: Box::new(command), readiness_delay, grace, page: 500 }
    }
}

/// A cluster with one deployment, which has no pods at first. It ends, with its pods, when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    folder: TempDir,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    controller: Option<JoinHandle<()>>,
}

/// What API, controller and tests have in common.
struct Shared {
    options: Options,
    state: Mutex<State>,
    /// Told after every change.
    changed: Sender<u64>,
    token: Mutex<String>,
    faults: faults::Faults,
    asked: Mutex<Vec<String>>,
    is_ended: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.state())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the state, and tells whoever watches.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let changed = change(&mut state);
        let version = state.version();
        self.changed.send_if_modified(|told| std::mem::replace(told, version) != version);
        changed
    }
}

impl Cluster {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port or no thread.
    pub fn start(options: Options) -> Self {
        let shared = Arc::new(Shared {
            options,
            state: Mutex::new(State::new()),
            changed: Sender::new(0),
            token: Mutex::default(),
            faults: faults::Faults::default(),
            asked: Mutex::default(),
            is_ended: AtomicBool::new(false),
        });
        // A runtime of its own: tests may have none, or one that runs only while they wait.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("threads");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let router = api::router(Arc::clone(&shared));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, router).await
        });
        let controlled = Arc::clone(&shared);
        let controller = Some(std::thread::spawn(move || controller::run(&controlled)));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cluster = Self { url, folder, shared, runtime: Some(runtime), controller };
        cluster.change_token("the-first-token");
        cluster
    }

    /// The address of its API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file with the token that the API wants.
    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// From now on the API wants this token, which is in the file.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn change_token(&self, token: &str) {
        fs_err::write(self.token_file(), format!("{token}\n")).expect("the folder can be written to");
        token.clone_into(&mut lock(&self.shared.token));
    }

    /// The next calls with this method whose paths contain this get these faults, one each.
    pub fn fail_next(&self, method: &str, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults.next(method, path, faults);
    }

    /// Whether all faults have been given.
    pub fn has_failed_as_told(&self) -> bool {
        self.shared.faults.are_given()
    }

    /// Method and path, with the query, of all calls so far.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.shared.asked).clone()
    }

    /// The number of pods that are wanted.
    pub fn replicas(&self) -> u32 {
        self.shared.state().replicas
    }

    /// Changes that number, as somebody else does with `kubectl scale`.
    pub fn scale(&self, replicas: u32) {
        self.shared.change(|state| state.scale(replicas));
    }

    /// The pods, by name.
    pub fn pods(&self) -> Vec<PodView> {
        self.shared.state().pods.values().map(pod::Pod::view).collect()
    }

    /// How many pods there were at most at one time, those included that were ending.
    pub fn most_pods(&self) -> usize {
        self.shared.state().most_pods
    }

    /// The processes of pods that have ended, in this order.
    pub fn ended(&self) -> Vec<Ended> {
        self.shared.state().ended.clone()
    }

    /// Stops the controller from making and deleting pods, or lets it go on.
    pub fn pause(&self, is_paused: bool) {
        self.shared.state().is_paused = is_paused;
    }

    /// From now on images can, or cannot, be had.
    pub fn lose_image(&self, is_lost: bool) {
        self.shared.state().is_image_lost = is_lost;
    }

    /// From now on there may be no more pods than this.
    pub fn set_quota(&self, quota: Option<usize>) {
        self.shared.change(|state| {
            state.quota = quota;
            state.touch_deployment();
        });
    }

    /// Forgets what has happened: whoever watches, or reads the pages of a list, is told that it is too late (410).
    pub fn forget_history(&self) {
        self.shared.change(State::forget_history);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.is_ended.store(true, Ordering::Release);
        if let Some(controller) = self.controller.take() {
            let _ = controller.join();
        }
        self.shared.state().pods.values_mut().for_each(pod::Pod::kill);
        // Not waited for: the test may itself run on a runtime.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// A lock whose holder panicked is still good: nothing here leaves its value half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
