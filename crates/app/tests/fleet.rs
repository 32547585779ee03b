//! Pools of workers as the binary keeps them.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use sightscan_testkit::tiny;

use crate::program::*;
use crate::roles::{call, get, request_city, role};

/// The workers that there may be.
const MAX: usize = 4;

/// A data folder with a pool of the plain rule, and the port that its configuration gives to whoever asks for a private one: it
/// is taken, as by this process itself where it has one.
fn pool() -> (tempfile::TempDir, TcpListener) {
    let (folder, model) = folder_with_model();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!(
        "[elastic]\nlease_seconds = 5\nresults = \"{0}/elsewhere\"\n[admin]\nlisten = \"{2}\"\n[crawl.services]\nwikidata = \"http://127.0.0.1:9\"\n\
         [[pool]]\nname = \"detect\"\nqueue = \"db:\"\nrule = \"one-per-message\"\nmax = {MAX}\n\
         idle_seconds = 2\ncool_down_seconds = 4\nmodels = [\"{1}\"]\n",
        folder.path().display(),
        model.display(),
        taken.local_addr().unwrap()
    );
    fs_err::write(folder.path().join("pool.toml"), settings).unwrap();
    (folder, taken)
}

/// The file is named by the flag and not by its variable, and this process has settings that are none of its workers'.
fn with_pool(data: &Path, verb: &str) -> Command {
    let mut command = role(data, verb);
    command.env_remove("SIGHTSCAN_CONFIG").arg("--config").arg(data.join("pool.toml"));
    command.env("SIGHTSCAN_WORKER_JOBS", "upkeep").env("SIGHTSCAN_WORKER_CONCURRENCY", "3");
    command
}

fn status(data: &Path) -> Value {
    let told = stdout_of(with_pool(data, "fleet").args(["status", "--json"]));
    serde_json::from_str(&told).unwrap()
}

fn workers(data: &Path) -> Vec<Value> {
    status(data)["pools"][0]["workers"].as_array().unwrap().clone()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(45), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn i10_to_i13_workers_come_with_the_pictures_never_too_many_and_end_by_themselves() {
    let (folder, _taken) = pool();
    let data = folder.path();
    let mut command = with_pool(data, "api");
    command.args(["--listen", "127.0.0.1:0", "--detect-through", "db:", "--controller"]);
    let tier = Server::launch(command);
    assert_eq!(workers(data), [] as [Value; 0], "nobody is there before there is something to do");
    let url = tier.url("/");
    let asking = std::thread::spawn(move || {
        block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let ask = async |number: usize| {
                let picture = tiny::plain_picture([200, 128, 255], 64, 64);
                let part = reqwest::multipart::Part::bytes(picture).file_name(format!("test_{number}.png"));
                let form = reqwest::multipart::Form::new().part("myfile", part);
                let response = client.post(&url).multipart(form).send().await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.text().await.unwrap(), tiny::COLOUR_BOX_CLASS);
            };
            stream::iter(0..100).map(ask).buffer_unordered(100).count().await
        })
    });
    let mut most = 0;
    until("all are answered", || {
        most = most.max(workers(data).len());
        asking.is_finished()
    });
    assert_eq!(asking.join().unwrap(), 100);
    until("the workers are at their maximum", || {
        most = most.max(workers(data).len());
        most == MAX
    });
    until("all have ended by themselves", || workers(data).is_empty());
    let status = status(data);
    assert_eq!((&status["input_objects"], &status["output_objects"]), (&100.into(), &100.into()), "{status}");
    let pool = &status["pools"][0];
    assert_eq!(
        (&pool["waiting"], &pool["in_flight"], &pool["accepted"]),
        (&0.into(), &0.into(), &100.into())
    );
    let ledger = stdout_of(with_pool(data, "fleet").arg("check"));
    assert!(ledger.contains("\"accepted\":100,\"done\":100,\"failed\":0"), "{ledger}");
    assert_eq!(get(&tier.url("/v1/pools"))["pools"][0]["name"], "detect");
    let table = stdout_of(with_pool(data, "fleet").arg("status"));
    assert!(table.contains("waiting") && table.contains("100 pictures, 100 labels"), "{table}");
}

#[test]
fn a_lost_request_is_seen_by_the_check() {
    let (folder, _taken) = pool();
    let data = folder.path();
    let mut command = with_pool(data, "api");
    command.args(["--listen", "127.0.0.1:0", "--detect-through", "db:", "--controller"]);
    let tier = Server::launch(command);
    let picture = tiny::plain_picture([200, 128, 255], 64, 64);
    let status = block_on(async {
        let request = reqwest::Client::new().post(tier.url("/v1/detect")).body(picture);
        request.send().await.unwrap().status().as_u16()
    });
    assert_eq!(status, 200);
    let check = || with_pool(data, "fleet").arg("check").output().unwrap();
    until("it adds up", || check().status.success());
    // Somebody deletes a result.
    let results = data.join("elsewhere");
    let result = fs_err::read_dir(&results).unwrap().next().unwrap().unwrap().path();
    fs_err::remove_file(result).unwrap();
    let told = check();
    assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains("add up"), "{told:?}");
}

#[test]
fn a_pool_that_cannot_be_meant_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("pool.toml");
    fs_err::write(&settings, "[[pool]]\nname = \"rome\"\nmin = 3\nmax = 2\n").unwrap();
    let mut command = role(folder.path(), "fleet");
    let error = failure_of(command.env("SIGHTSCAN_CONFIG", &settings).arg("status"));
    assert!(error.contains("`rome`") && error.contains("`max`"), "{error}");
    fs_err::write(&settings, "[[pool]]\nname = \"rome\"\n[[pool]]\nname = \"rome\"\n").unwrap();
    let mut command = role(folder.path(), "fleet");
    let error = failure_of(command.env("SIGHTSCAN_CONFIG", &settings).arg("status"));
    assert!(error.contains("two pools are named `rome`"), "{error}");
}

#[test]
fn a_pool_of_jobs_has_a_worker_while_there_are_some() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    // The crawl cannot be done: it fails, and is tried again later.
    let settings = "[crawl.services]\nwikidata = \"http://127.0.0.1:9\"\n[[pool]]\nname = \"crawl\"\nqueue = \"jobs:crawl\"\n\
                    idle_seconds = 1\ncool_down_seconds = 2\n";
    fs_err::write(data.join("pool.toml"), settings).unwrap();
    let mut command = with_pool(data, "api");
    // What says to this process what it looks at is none of its workers' business.
    command.env("SIGHTSCAN_WORKER_DETECT", "db:").args(["--listen", "127.0.0.1:0", "--controller"]);
    let tier = Server::launch(command);
    assert_eq!(workers(data), [] as [Value; 0]);
    request_city(&tier, "Berlin");
    let job = || get(&tier.url("/v1/jobs?queue=crawl"))["items"][0].clone();
    let mut seen = false;
    until("a worker has tried", || {
        seen |= !workers(data).is_empty();
        job()["attempts"].as_u64().is_some_and(|attempts| attempts > 0)
    });
    until("the worker is seen", || {
        seen |= !workers(data).is_empty();
        seen
    });
    let pool = status(data)["pools"][0].clone();
    assert_eq!((&pool["queue"], &pool["failure"]), (&"jobs:crawl".into(), &Value::Null), "{pool}");
    let cancel = format!("/v1/jobs/{}/cancel", job()["id"].as_str().unwrap());
    call(reqwest::Method::POST, &tier.url(&cancel), None);
    until("nobody is left", || workers(data).is_empty());
}

#[test]
fn a_pool_that_cannot_be_asked_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("pool.toml");
    let pools = "[[pool]]\nname = \"far\"\ndriver = \"ec2\"\n[pool.ec2]\nlaunch_template = \"worker\"\n[[pool]]\nname = \"near\"\n";
    fs_err::write(&settings, pools).unwrap();
    let asked = |arguments: &[&str]| {
        let mut command = role(folder.path(), "fleet");
        command.env("SIGHTSCAN_CONFIG", &settings).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").args(arguments);
        stdout_of(&mut command)
    };
    let status: Value = serde_json::from_str(&asked(&["status", "--json"])).unwrap();
    let failure = status["pools"][0]["failure"].as_str().unwrap();
    assert!(failure.contains("DescribeInstances") && failure.contains("AWS_ENDPOINT_URL"), "{failure}");
    assert_eq!(status["pools"][1]["failure"], Value::Null);
    let table = asked(&["status"]);
    assert!(
        table.contains("\nnear ") && table.contains("\nfar goes on with the workers that it has: "),
        "{table}"
    );
}

#[test]
fn a_pool_of_jobs_that_nobody_knows_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("pool.toml");
    fs_err::write(&settings, "[[pool]]\nqueue = \"jobs:paint\"\n").unwrap();
    let mut command = role(folder.path(), "fleet");
    let error = failure_of(command.env("SIGHTSCAN_CONFIG", &settings).arg("status"));
    assert!(error.contains("`paint`"), "{error}");
}
