//! Web tiers and workers as processes that share a database and a data folder.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use sightscan_testkit::services::{Moto, Nats};
use sightscan_testkit::tiny;

use crate::program::*;
use crate::roles::role;

/// Requests of the test with faults.
const REQUESTS: usize = 60;

/// What all processes of an installation are told.
struct Installation {
    folder: tempfile::TempDir,
    model: std::path::PathBuf,
    queue: String,
    /// More lines of the section `[elastic]`.
    settings: &'static str,
    variables: Vec<(&'static str, String)>,
}

impl Installation {
    /// With the queue in SQLite and folders.
    fn embedded() -> Self {
        let (folder, model) = folder_with_model();
        Self { folder, model, queue: "db:".to_owned(), settings: "", variables: Vec::new() }
    }

    fn role(&self, verb: &str) -> Command {
        let mut command = role(self.folder.path(), verb);
        let settings = self.folder.path().join("elastic.toml");
        fs_err::write(&settings, format!("[elastic]\nlease_seconds = 2\n{}", self.settings)).unwrap();
        command.env("SIGHTSCAN_CONFIG", settings).envs(self.variables.iter().cloned());
        command
    }

    fn tier(&self) -> Server {
        let mut command = self.role("api");
        command.args(["--listen", "127.0.0.1:0", "--detect-through", &self.queue]);
        Server::launch(command)
    }

    fn worker(&self, arguments: &[&str]) -> Child {
        let mut command = self.role("worker");
        command.args(["--detect", &self.queue, "--threads", "1", "--model"]).arg(&self.model).args(arguments);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut told, mut line) = (String::new(), String::new());
        while !line.contains("worker looks at pictures") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the worker ended: {told}");
            told += &line;
        }
        std::thread::spawn(move || log.lines().for_each(drop));
        child
    }

    /// The pictures and the labels that there are.
    fn objects(&self) -> (u64, u64) {
        let told = stdout_of(self.role("fleet").args(["status", "--json"]));
        let status: serde_json::Value = serde_json::from_str(&told).unwrap();
        let count = |of: &str| status[of].as_u64().unwrap();
        (count("input_objects"), count("output_objects"))
    }

    fn adds_up(&self) -> bool {
        let checked = self.role("fleet").args(["check", "--queue", &self.queue]).output().unwrap();
        checked.status.success()
    }
}

/// Uploads a picture whose colour is this number; what `/v1/detect` answers tells the colour again.
async fn ask(client: &reqwest::Client, url: &str, red: u8) -> f64 {
    let picture = tiny::plain_picture([red, 128, 255], 255, 10);
    let part = reqwest::multipart::Part::bytes(picture).file_name("test_0.png");
    let form = reqwest::multipart::Form::new().part("image", part);
    let response = client.post(url).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: serde_json::Value = response.json().await.unwrap();
    answer["detections"][0]["box"]["width"].as_f64().unwrap()
}

/// Workers are killed while pictures wait, new ones are started, and every picture has the answer that is its own.
fn every_picture_is_answered_though_workers_are_killed(installation: &Installation) {
    let tiers = [installation.tier(), installation.tier()];
    let mut doomed = [installation.worker(&[]), installation.worker(&[])];
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let urls = [tiers[0].url("/v1/detect"), tiers[1].url("/v1/detect")];
        let mut answers = stream::iter(0..REQUESTS)
            .map(|number| {
                let (client, url) = (&client, &urls[number % 2]);
                async move {
                    let red = u8::try_from(3 * number + 60).unwrap();
                    let width = ask(client, url, red).await;
                    assert!((width - f64::from(red)).abs() < 1.0, "{width} for {red}");
                }
            })
            .buffer_unordered(20);
        // Killed without a warning when a third is answered; then others come.
        for _ in 0..REQUESTS / 3 {
            answers.next().await.unwrap();
        }
        doomed.iter_mut().for_each(|worker| worker.kill().unwrap());
        let mut others = [installation.worker(&[]), installation.worker(&[])];
        assert_eq!(answers.count().await, REQUESTS - REQUESTS / 3);
        others.iter_mut().for_each(|worker| worker.kill().unwrap());
        others.iter_mut().chain(&mut doomed).for_each(|worker| assert!(!worker.wait().unwrap().success()));
    });
    assert_eq!(installation.objects(), (REQUESTS as u64, REQUESTS as u64));
    // What was in hand when its worker was killed is there again when its lease ends, and is not looked at twice.
    let begun = Instant::now();
    let mut last = installation.worker(&[]);
    while !installation.adds_up() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the numbers do not add up");
        std::thread::sleep(Duration::from_millis(100));
    }
    last.kill().unwrap();
    last.wait().unwrap();
}

#[test]
fn i05_and_i06_every_picture_is_answered_though_workers_are_killed_sqlite() {
    every_picture_is_answered_though_workers_are_killed(&Installation::embedded());
}

#[test]
fn i05_and_i06_every_picture_is_answered_though_workers_are_killed_postgres() {
    let server = std::env::var("SIGHTSCAN_TEST_POSTGRES").expect("SIGHTSCAN_TEST_POSTGRES; run scripts/test");
    let url = block_on(sightscan_testkit::database::new_database(&server));
    let variables = vec![("DATABASE_URL", url)];
    every_picture_is_answered_though_workers_are_killed(&Installation {
        variables,
        ..Installation::embedded()
    });
}

#[test]
fn i05_i06_and_i08_every_picture_is_answered_though_workers_are_killed_sqs_and_s3() {
    let moto = Moto::start();
    ["sights-in", "sights-out", "sights-results"].iter().for_each(|bucket| moto.make_bucket(bucket));
    let settings =
        "input = \"s3://sights-in\"\noutput = \"s3://sights-out\"\nresults = \"s3://sights-results\"\n";
    let (queue, variables) = (format!("sqs:{}", moto.queue("detect")), moto.variables().to_vec());
    let installation = Installation { queue, settings, variables, ..Installation::embedded() };
    every_picture_is_answered_though_workers_are_killed(&installation);
}

#[test]
fn i05_and_i06_every_picture_is_answered_though_workers_are_killed_nats() {
    let nats = Nats::start();
    let queue = format!("{}/detect", nats.url);
    every_picture_is_answered_though_workers_are_killed(&Installation { queue, ..Installation::embedded() });
}

#[test]
fn i18_a_fresh_worker_takes_what_waits_and_ends_by_itself() {
    let installation = Installation::embedded();
    let tier = installation.tier();
    let asking = std::thread::spawn({
        let url = tier.url("/v1/detect");
        move || block_on(async { ask(&reqwest::Client::new(), &url, 100).await })
    });
    let mut worker = installation.worker(&["--exit-when-idle", "1"]);
    assert!((asking.join().unwrap() - 100.0).abs() < 1.0);
    let begun = Instant::now();
    let status = worker.wait().unwrap();
    assert!(status.success() && begun.elapsed() < Duration::from_secs(20), "{status}");
}

#[test]
fn a_worker_takes_jobs_or_pictures_and_says_what_a_queue_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = role(folder.path(), "worker").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("--jobs") && told.contains("--detect"), "{told}");
    let error = failure_of(role(folder.path(), "worker").args(["--detect", "redis://x"]));
    assert!(error.contains("`redis://x`") && error.contains("`db:`"), "{error}");
    let error =
        failure_of(role(folder.path(), "api").args(["--listen", "127.0.0.1:0", "--detect-through", "db:É"]));
    assert!(error.contains("lower-case letters"), "{error}");
}
