//! Pools of workers as the binary keeps them.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use sightscan_testkit::{scale, tiny};

use crate::installation::{ask, coloured};
use crate::program::*;
use crate::roles::{call, get, request_city, role};

/// The workers that there may be.
fn most() -> usize {
    if scale() < 1.0 { 4 } else { 19 }
}

/// A data folder with a pool of the plain rule.
fn pool() -> (tempfile::TempDir, TcpListener) {
    let table = format!("name = \"detect\"\nmax = {}\nidle_seconds = 8\ncool_down_seconds = 4\n", most());
    pools(&[table])
}

/// A data folder with pools of the plain rule on one queue, by what else is said about each; and the port that its configuration
/// gives to whoever asks for a private one: it is taken, as by this process itself where it has one.
fn pools(tables: &[String]) -> (tempfile::TempDir, TcpListener) {
    let (folder, model) = folder_with_model();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = format!(
        "[elastic]\nresults = \"{}/elsewhere\"\n[admin]\nlisten = \"{}\"\n\
         [crawl.services]\nwikidata = \"http://127.0.0.1:9\"\n",
        folder.path().display(),
        taken.local_addr().unwrap()
    );
    for table in tables {
        let common = "[[pool]]\nqueue = \"db:\"\nrule = \"one-per-message\"\n";
        settings += &format!("{common}models = [\"{}\"]\n{table}", model.display());
    }
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

fn until(what: &str, is_so: impl FnMut() -> bool) {
    let limit = if scale() < 1.0 { 60 } else { 900 };
    crate::program::until(what, Duration::from_secs(limit), is_so);
}

/// A web tier that looks after the pools as well.
fn controller(data: &Path) -> Command {
    let mut command = with_pool(data, "api");
    command.args(["--listen", "127.0.0.1:0", "--detect-through", "db:", "--controller"]);
    command
}

/// The processes that are workers of the pools here, whatever these say: each is told where to report.
fn processes(data: &Path) -> Vec<u32> {
    let reports = data.join("fleet").to_str().unwrap().to_owned();
    let is_worker = |pid: &u32| {
        let command = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&reports)
    };
    let names =
        fs_err::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter(is_worker).collect()
}

fn changes_of_direction(counts: &[usize]) -> usize {
    let moves: Vec<bool> =
        counts.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| pair[0] < pair[1]).collect();
    moves.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Two users send pictures of the same names and different colours, all at once and through both web tiers; each must hear of his own.
async fn two_users_ask(urls: &[String], pictures: usize) -> usize {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask_one = async |number: usize| {
        let (user, picture) = (number % 2, number / 2);
        let red = u8::try_from(60 + 90 * user + picture % 90).unwrap();
        let (url, name) = (&urls[picture % urls.len()], format!("test_{picture}.png"));
        let found = ask(&client, url, &name, coloured(red)).await;
        assert!((found - f64::from(red)).abs() < 1.0, "{found} for {red}");
    };
    stream::iter(0..pictures).map(ask_one).buffer_unordered(pictures).count().await
}

#[test]
fn i10_to_i13_workers_come_with_the_pictures_never_too_many_and_end_by_themselves() {
    let pictures = scaled(1000.0);
    let (folder, _taken) = pool();
    let data = folder.path();
    let tiers = [Server::launch(controller(data)), Server::launch(controller(data))];
    assert_eq!(workers(data), [] as [Value; 0], "nobody is there before there is something to do");
    let mut counts = vec![processes(data).len()];
    let urls: Vec<String> = tiers.iter().map(|tier| tier.url("/v1/detect")).collect();
    let asking = std::thread::spawn(move || block_on(two_users_ask(&urls, pictures)));
    until("all are answered", || {
        counts.push(processes(data).len());
        asking.is_finished()
    });
    assert_eq!(asking.join().unwrap(), pictures);
    until("all have come, and have ended by themselves", || {
        counts.push(processes(data).len());
        counts.contains(&most()) && counts.last() == Some(&0)
    });
    assert_eq!((counts[0], counts.iter().max()), (0, Some(&most())), "{counts:?}");
    assert!(changes_of_direction(&counts) <= 2, "{counts:?}");
    let (status, all) = (status(data), Value::from(pictures));
    assert_eq!((&status["input_objects"], &status["output_objects"]), (&all, &all), "{status}");
    let pool = &status["pools"][0];
    assert_eq!(
        (&pool["waiting"], &pool["in_flight"], &pool["accepted"], &pool["workers"]),
        (&0.into(), &0.into(), &all, &Value::Array(Vec::new()))
    );
    let ledger = stdout_of(with_pool(data, "fleet").arg("check"));
    let expected = format!("\"accepted\":{pictures},\"done\":{pictures},\"failed\":0");
    assert!(ledger.contains(&expected), "{ledger}");
    for tier in &tiers {
        assert_eq!(get(&tier.url("/v1/pools"))["pools"][0]["name"], "detect");
        let seen = get(&tier.url("/v1/pools/history"))["samples"][0]["pools"][0].clone();
        assert_eq!((&seen["name"], &seen["waiting"]), (&"detect".into(), &0.into()), "{seen}");
    }
    let table = stdout_of(with_pool(data, "fleet").arg("status"));
    let expected = format!("{pictures} pictures, {pictures} labels");
    assert!(table.contains("waiting") && table.contains(&expected), "{table}");
}

/// Pools on one queue, so that many scale in at one time: each has this many workers, and one more while there is more to do.
const POOLS: usize = 5;
const FEWEST: usize = 2;
/// Clients that ask at once while there is more to do, and two of them otherwise.
const CLIENTS: usize = 6;
/// The number of each picture.
const RED: u8 = 200;

/// What the log of a controller tells, to which its workers write as well.
#[derive(Default)]
struct Heard {
    /// Pictures that somebody waits for.
    under_way: AtomicUsize,
    started: AtomicUsize,
    /// Workers that were asked to end, and how many of them while somebody waited for a picture.
    asked: Mutex<BTreeSet<String>>,
    asked_at_work: AtomicUsize,
    /// What each worker has done, as it says at its end.
    sums: Mutex<Vec<String>>,
    /// Workers that ended otherwise.
    bad: Mutex<Vec<String>>,
}

impl Heard {
    fn hear(&self, line: String) {
        match () {
            () if line.contains("worker starts") => {
                self.started.fetch_add(1, Ordering::SeqCst);
            }
            () if line.contains("worker is asked to end") => self.note_asked(&line),
            () if line.contains("WorkerSummary") => self.sums.lock().unwrap().push(line),
            () if line.contains("worker has ended badly") => self.bad.lock().unwrap().push(line),
            () => {}
        }
    }

    fn note_asked(&self, line: &str) {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let is_new = self.asked.lock().unwrap().insert(event["fields"]["worker"].to_string());
        if is_new && self.under_way.load(Ordering::SeqCst) > 0 {
            self.asked_at_work.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Workers that are there and may stay.
    fn staying(&self) -> usize {
        self.started.load(Ordering::SeqCst).saturating_sub(self.asked.lock().unwrap().len())
    }

    fn asked_at_work(&self) -> usize {
        self.asked_at_work.load(Ordering::SeqCst)
    }

    /// Whether each worker has told what it has done.
    fn is_complete(&self) -> bool {
        self.sums.lock().unwrap().len() == self.started.load(Ordering::SeqCst)
    }

    /// How often this was the end of a picture, over all workers.
    fn sum(&self, end: &str) -> usize {
        let number = |line: &String| {
            let (_, rest) = line.split_once(&format!("{end}: ")).unwrap_or_else(|| panic!("{line}"));
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().unwrap()
        };
        self.sums.lock().unwrap().iter().map(number).sum()
    }
}

/// Clients that ask until they are told to stop.
struct Asking {
    url: String,
    /// It takes a worker a while to look at it.
    large: Vec<u8>,
    heard: Arc<Heard>,
    is_much: AtomicBool,
    is_over: AtomicBool,
}

impl Asking {
    /// How many pictures there were.
    async fn all(&self) -> usize {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let asking = stream::iter(0..CLIENTS).map(|who| self.one(&client, who)).buffer_unordered(CLIENTS);
        asking.collect::<Vec<usize>>().await.into_iter().sum()
    }

    /// The first keeps a worker busy, the second asks little, the others only where there shall be much to do.
    async fn one(&self, client: &reqwest::Client, who: usize) -> usize {
        let mut asked = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            if who == 0 || self.is_much.load(Ordering::SeqCst) {
                self.ask(client, format!("{who}-{asked}.png"), self.large.clone()).await;
                asked += 1;
            } else if who == 1 {
                self.ask(client, format!("{who}-{asked}.png"), coloured(RED)).await;
                asked += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        asked
    }

    async fn ask(&self, client: &reqwest::Client, name: String, picture: Vec<u8>) {
        self.heard.under_way.fetch_add(1, Ordering::SeqCst);
        let found = ask(client, &self.url, &name, picture).await;
        self.heard.under_way.fetch_sub(1, Ordering::SeqCst);
        assert!((found - f64::from(RED)).abs() < 1.0, "{found} for {name}");
    }
}

/// Waits until nothing is under way; then every picture has one result.
fn all_are_done(data: &Path, pictures: usize) {
    let mut ledger = Value::Null;
    until("nothing is under way", || {
        ledger = serde_json::from_str(&stdout_of(with_pool(data, "fleet").arg("check"))).unwrap();
        ledger["waiting"] == 0 && ledger["in_flight"] == 0
    });
    let all = Value::from(pictures);
    assert_eq!((&ledger["accepted"], &ledger["done"]), (&all, &all), "{ledger}");
}

/// Ends the controller and then all workers, once none of them is just being started.
fn end_all(data: &Path, mut tier: Server, heard: &Heard) {
    let is_starting = |worker: &Value| worker["state"] == "starting";
    until("all have begun", || {
        let told = get(&tier.url("/v1/pools"));
        let mut pools = told["pools"].as_array().unwrap().iter();
        !pools.any(|pool| pool["workers"].as_array().unwrap().iter().any(is_starting))
    });
    tier.terminate();
    tier.child.wait().unwrap();
    for pid in processes(data) {
        // Some are about to end anyway.
        let asked = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
        asked.unwrap();
    }
    until("all have ended", || processes(data).is_empty());
    until("all have told what they did", || heard.is_complete());
}

#[test]
fn i11_scaling_in_ends_no_worker_that_is_busy() {
    let one_more = FEWEST + 1;
    let table = |number: usize| {
        let limits =
            format!("min = {FEWEST}\nmax = {one_more}\nidle_seconds = 3600\ncool_down_seconds = 0\n");
        format!("name = \"pool-{number}\"\n{limits}")
    };
    let (folder, _taken) = pools(&(0..POOLS).map(table).collect::<Vec<String>>());
    let data = folder.path();
    let heard = Arc::new(Heard::default());
    let hearing = Arc::clone(&heard);
    let tier = Server::try_launch(controller(data), move |line| hearing.hear(line)).unwrap();
    let asking = Arc::new(Asking {
        url: tier.url("/v1/detect"),
        large: tiny::plain_picture([RED, 128, 255], 4000, 2000),
        heard: Arc::clone(&heard),
        is_much: AtomicBool::new(true),
        is_over: AtomicBool::new(false),
    });
    let clients = Arc::clone(&asking);
    let clients = std::thread::spawn(move || block_on(clients.all()));
    let wait = |what: &str, is_so: &dyn Fn(usize) -> bool| {
        until(what, || {
            assert!(!clients.is_finished(), "a client has had no answer, or a wrong one");
            is_so(heard.staying())
        });
    };
    // A picture at the wrong moment moves a pool against the others: so one of them need not have moved.
    while heard.asked_at_work() < scaled(200.0) {
        asking.is_much.store(true, Ordering::SeqCst);
        wait("each pool has one more", &|staying| staying + 1 >= POOLS * one_more);
        asking.is_much.store(false, Ordering::SeqCst);
        wait("each pool has ended one", &|staying| staying <= POOLS * FEWEST + 1);
    }
    asking.is_over.store(true, Ordering::SeqCst);
    let pictures = clients.join().unwrap();
    all_are_done(data, pictures);
    end_all(data, tier, &heard);
    // Whoever had been ended with a picture had left it to another one, which had come to it a second time.
    let ends = ["done", "failed", "dead", "retried"].map(|end| heard.sum(end));
    assert_eq!(ends, [pictures, 0, 0, 0], "{:?}", heard.sums);
    assert_eq!(*heard.bad.lock().unwrap(), [""; 0]);
}

#[test]
fn a_lost_request_is_seen_by_the_check() {
    let (folder, _taken) = pool();
    let data = folder.path();
    let tier = Server::launch(controller(data));
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
