//! A pool whose workers are pods: a fake of Kubernetes runs the real program in each.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use sightscan_testkit::kubernetes::{Cluster, DEPLOYMENT, NAMESPACE, Options, PodPlace};

use crate::installation::{ask, coloured};
use crate::program::*;
use crate::roles::role;

/// The workers that there may be.
const MAX: usize = 3;
/// Pictures that come at once.
const PICTURES: usize = 60;

/// A data folder with the settings of all roles, and a cluster whose pods are workers on it.
struct Installation {
    /// Ends before its folder does.
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Installation {
    fn new() -> Self {
        let (folder, model) = folder_with_model();
        let settings = folder.path().join("settings.toml");
        let (data, told) = (folder.path().to_owned(), settings.clone());
        let pod = move |place: &PodPlace| worker(&data, &told, &model, place);
        let readiness_delay = Duration::from_millis(500);
        let cluster = Cluster::start(Options { readiness_delay, ..Options::new(pod) });
        let text = format!(
            "[elastic]\nlease_seconds = 5\n[crawl.services]\nwikidata = \"http://127.0.0.1:9\"\n\
             [[pool]]\nname = \"detect\"\nqueue = \"db:\"\nrule = \"one-per-message\"\nmax = {MAX}\n\
             cool_down_seconds = 8\ndriver = \"kubernetes\"\n\
             [pool.kubernetes]\ndeployment = \"{DEPLOYMENT}\"\nnamespace = \"{NAMESPACE}\"\n\
             server = \"{}\"\ntoken_file = \"{}\"\n",
            cluster.url(),
            cluster.token_file().display()
        );
        fs_err::write(settings, text).unwrap();
        Self { cluster, folder }
    }

    fn role(&self, verb: &str) -> Command {
        let mut command = role(self.folder.path(), verb);
        command.env("SIGHTSCAN_CONFIG", self.folder.path().join("settings.toml"));
        command
    }

    fn status(&self) -> Value {
        serde_json::from_str(&stdout_of(self.role("fleet").args(["status", "--json"]))).unwrap()
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "{what} did not come about: {:#?}",
                self.cluster
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What the container of a pod runs. It has nothing that reaches Kubernetes.
fn worker(data: &Path, settings: &Path, model: &PathBuf, place: &PodPlace) -> Command {
    let mut command = role(data, "worker");
    command.env("SIGHTSCAN_CONFIG", settings).stderr(Stdio::null());
    command.args([
        "--detect",
        "db:",
        "--threads",
        "1",
        "--admin-listen",
        &place.address.to_string(),
        "--model",
    ]);
    command.arg(model);
    command
}

/// Uploads so many pictures, each of one of sixty colours, which its answer tells again.
async fn ask_for_all(url: &str, pictures: usize) -> usize {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask_one = async |number: usize| {
        let red = u8::try_from(3 * (number % 60) + 60).unwrap();
        let found = ask(&client, url, "test_0.png", coloured(red)).await;
        assert!((found - f64::from(red)).abs() < 1.0, "{found} for {red}");
    };
    stream::iter(0..pictures).map(ask_one).buffer_unordered(PICTURES).count().await
}

#[test]
fn i10_to_i13_pods_come_with_the_pictures_and_go_when_they_are_idle() {
    let installation = Installation::new();
    let cluster = &installation.cluster;
    let mut command = installation.role("api");
    command.args(["--listen", "127.0.0.1:0", "--detect-through", "db:", "--controller"]);
    let tier = Server::launch(command);
    assert_eq!(
        (cluster.replicas(), cluster.pods().len()),
        (0, 0),
        "nobody is there before there is something to do"
    );
    let url = tier.url("/v1/detect");
    let asking = std::thread::spawn(move || block_on(ask_for_all(&url, PICTURES)));
    installation.until("as many pods as there may be", || {
        cluster.pods().iter().filter(|pod| pod.is_ready).count() == MAX
    });
    let status = installation.status();
    assert_eq!(status["pools"][0]["workers"].as_array().unwrap().len(), MAX, "{status}");
    assert_eq!(asking.join().unwrap(), PICTURES);
    installation.until("no pods", || cluster.replicas() == 0 && cluster.pods().is_empty());
    assert_eq!(cluster.most_pods(), MAX, "never more than that");
    let ended = cluster.ended();
    assert_eq!(ended.len(), MAX, "each has run once: {ended:?}");
    assert!(
        ended.iter().all(|ended| ended.was_asked && ended.code == Some(0)),
        "they end in peace: {ended:?}"
    );
    let status = installation.status();
    let pool = &status["pools"][0];
    assert_eq!(
        (&pool["waiting"], &pool["in_flight"], &pool["dead"]),
        (&0.into(), &0.into(), &0.into()),
        "{status}"
    );
    let ledger = stdout_of(installation.role("fleet").arg("check"));
    assert!(
        ledger.contains(&format!("\"accepted\":{PICTURES},\"done\":{PICTURES},\"failed\":0")),
        "{ledger}"
    );
}

#[test]
fn a_worker_tells_what_it_does_and_finishes_it_when_its_pod_is_deleted() {
    let installation = Installation::new();
    let cluster = &installation.cluster;
    let mut command = installation.role("api");
    // Nobody looks after the pool: somebody scales by hand.
    command.args(["--listen", "127.0.0.1:0", "--detect-through", "db:"]);
    let tier = Server::launch(command);
    cluster.scale(1);
    installation.until("a pod", || cluster.pods().iter().any(|pod| pod.is_ready));
    let address = cluster.pods()[0].place.address;
    let tells = || crate::roles::get(&format!("http://{address}/v1/worker"));
    assert_eq!(tells(), serde_json::json!({"state": "idle", "ended": 0, "service_ms": null}));
    let url = tier.url("/v1/detect");
    let asking = std::thread::spawn(move || block_on(ask_for_all(&url, 10 * PICTURES)));
    installation.until("work", || tells()["ended"].as_u64().unwrap() > 5);
    assert!(tells()["service_ms"].as_f64().unwrap() > 0.0);
    // Deleted in the middle of its work; what it has not begun waits for the next one.
    cluster.scale(0);
    installation.until("no pods", || cluster.pods().is_empty());
    let ended = cluster.ended();
    assert_eq!((ended.len(), ended[0].code), (1, Some(0)), "{ended:?}");
    let status = installation.status();
    assert_eq!(status["pools"][0]["in_flight"], 0, "it has taken nothing along: {status}");
    assert!(!asking.is_finished(), "others still wait");
    cluster.scale(1);
    assert_eq!(asking.join().unwrap(), 10 * PICTURES);
}
