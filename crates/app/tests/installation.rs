//! Installations whose web tiers have workers look at the pictures, and pictures whose answers tell them apart.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sightscan_testkit::services::Moto;
use sightscan_testkit::tiny;

use crate::program::*;
use crate::roles::role;

/// The buckets of [`Installation::in_cloud`]: pictures, labels, results.
pub(crate) const BUCKETS: [&str; 3] = ["sights-in", "sights-out", "sights-results"];

/// What all processes of an installation are told whose web tiers have workers look at the pictures.
#[derive(Clone)]
pub(crate) struct Installation {
    pub(crate) folder: Rc<tempfile::TempDir>,
    pub(crate) model: PathBuf,
    pub(crate) queue: String,
    /// More lines of the section `[elastic]`.
    pub(crate) settings: String,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Installation {
    /// With the queue in SQLite and folders.
    pub(crate) fn embedded() -> Self {
        let (folder, model) = folder_with_model();
        let (folder, queue) = (Rc::new(folder), "db:".to_owned());
        Self { folder, model, queue, settings: String::new(), variables: Vec::new() }
    }

    /// With the queue in SQS and buckets in S3.
    pub(crate) fn in_cloud(moto: &Moto) -> Self {
        let [input, output, results] = BUCKETS;
        BUCKETS.iter().for_each(|bucket| moto.make_bucket(bucket));
        let settings =
            format!("input = \"s3://{input}\"\noutput = \"s3://{output}\"\nresults = \"s3://{results}\"\n");
        let (queue, variables) = (format!("sqs:{}", moto.queue("detect")), moto.variables().to_vec());
        Self { queue, settings, variables, ..Self::embedded() }
    }

    /// A role with a lease of two seconds.
    pub(crate) fn role(&self, verb: &str) -> Command {
        let mut command = role(self.folder.path(), verb);
        let file = self.folder.path().join("elastic.toml");
        let text = format!("[elastic]\nlease_seconds = 2\n{}", self.settings);
        // Written once: whoever starts meanwhile must not read half of it.
        if fs_err::read_to_string(&file).ok().as_ref() != Some(&text) {
            fs_err::write(&file, text).unwrap();
        }
        command.env("SIGHTSCAN_CONFIG", file).envs(self.variables.iter().cloned());
        command
    }

    pub(crate) fn tier_command(&self) -> Command {
        let mut command = self.role("api");
        command.args(["--listen", "127.0.0.1:0", "--detect-through", &self.queue]);
        command
    }

    pub(crate) fn worker_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.role("worker");
        command.args(["--detect", &self.queue, "--threads", "1", "--model"]).arg(&self.model).args(arguments);
        command
    }

    pub(crate) fn tier(&self) -> Server {
        Server::launch(self.tier_command())
    }

    /// A worker that has begun.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Child {
        let mut command = self.worker_command(arguments);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        wait_for_line(&mut log, "worker looks at pictures");
        std::thread::spawn(move || log.lines().for_each(drop));
        child
    }

    /// The pictures and the labels that there are.
    pub(crate) fn objects(&self) -> (u64, u64) {
        let told = stdout_of(self.role("fleet").args(["status", "--json"]));
        let status: Value = serde_json::from_str(&told).unwrap();
        let count = |of: &str| status[of].as_u64().unwrap();
        (count("input_objects"), count("output_objects"))
    }

    /// Whether no request is lost, and where all are.
    pub(crate) fn check(&self) -> (bool, Value) {
        let checked = self.role("fleet").args(["check", "--queue", &self.queue]).output().unwrap();
        let ledger = serde_json::from_slice(&checked.stdout).unwrap_or_else(|_| panic!("{checked:?}"));
        (checked.status.success(), ledger)
    }
}

/// A picture whose answer tells this number again.
pub(crate) fn coloured(red: u8) -> Vec<u8> {
    tiny::plain_picture([red, 128, 255], 255, 10)
}

/// The number that the answer to a picture of the tiny network tells, as `/v1/detect` answers it.
pub(crate) fn number_in(report: &Value) -> Option<f64> {
    let width = report["detections"][0]["box"]["width"].as_f64()?;
    Some(255.0 * width / report["width"].as_f64()?)
}

/// Sends a picture to `/v1/detect` of a web tier, which has so long for the answer.
pub(crate) async fn send_picture(
    client: &reqwest::Client,
    url: &str,
    name: &str,
    picture: Vec<u8>,
    wait: Duration,
) -> reqwest::Result<reqwest::Response> {
    let part = reqwest::multipart::Part::bytes(picture).file_name(name.to_owned());
    let form = reqwest::multipart::Form::new().part("image", part);
    let wait = wait.as_millis().to_string();
    client.post(url).header("x-sightscan-deadline-ms", wait).multipart(form).send().await
}

/// Asks for the number of a picture, for as long as it takes.
pub(crate) async fn ask(client: &reqwest::Client, url: &str, name: &str, picture: Vec<u8>) -> f64 {
    let response = send_picture(client, url, name, picture, Duration::from_secs(600)).await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["image"], name);
    number_in(&answer).unwrap()
}
