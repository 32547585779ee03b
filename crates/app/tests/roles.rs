//! The roles that run for long, as processes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::*;

const TOKEN: &str = "a-token-for-the-tests";

/// `sightscan` with this verb, on its own data folder, logging in JSON.
pub(crate) fn role(data: &Path, verb: &str) -> Command {
    let mut command = sightscan(data);
    // Nothing of the outside is asked: nobody listens there.
    let settings = data.join("offline.toml");
    fs_err::write(&settings, "[crawl.services]\nwikidata = \"http://127.0.0.1:9\"\n").unwrap();
    command.env("SIGHTSCAN_CONFIG", settings).env("SIGHTSCAN_ADMIN_TOKEN", TOKEN).args(["--log-json", verb]);
    command
}

fn up(data: &Path) -> Server {
    let mut command = role(data, "up");
    command.args(["--listen", "127.0.0.1:0"]);
    Server::launch(command)
}

/// The API alone: nobody plans, and jobs wait.
fn api(data: &Path) -> Server {
    let mut command = role(data, "api");
    command.args(["--listen", "127.0.0.1:0"]);
    Server::launch(command)
}

/// Sends a request and gives the status and the body.
pub(crate) fn call(method: reqwest::Method, url: &str, body: Option<Value>) -> (u16, Value) {
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    })
}

pub(crate) fn get(url: &str) -> Value {
    let (status, body) = call(reqwest::Method::GET, url, None);
    assert_eq!(status, 200, "{url}: {body}");
    body
}

pub(crate) fn request_city(server: &Server, name: &str) -> Value {
    let (status, body) = call(reqwest::Method::POST, &server.url("/v1/cities"), Some(json!({"name": name})));
    assert!((200..300).contains(&status), "{status} {body}");
    body
}

/// The first lines of a city's stream of events, up to one that contains this text.
pub(crate) fn events_until(server: &Server, city: &str, text: &str) -> String {
    events_within(server, city, text, Duration::from_secs(90))
}

/// The same, of something that takes longer.
pub(crate) fn events_within(server: &Server, city: &str, text: &str, limit: Duration) -> String {
    let stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    let head = format!("GET /v1/cities/{city}/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    std::io::Write::write_all(&mut &stream, head.as_bytes()).unwrap();
    let (mut seen, begun) = (String::new(), Instant::now());
    for line in BufReader::new(stream).lines() {
        // Comments keep the stream alive when nothing happens.
        assert!(begun.elapsed() < limit, "no {text} in the events: {seen}");
        let line = line.unwrap();
        let is_last = line.contains(text);
        seen += &line;
        seen.push('\n');
        if is_last {
            return seen;
        }
    }
    panic!("the events ended: {seen}");
}

#[test]
fn a_requested_city_survives_a_kill_and_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = up(folder.path());
    let requested = request_city(&server, "Berlin");
    assert!(requested.to_string().contains("approved"), "{requested}");
    let events = events_until(&server, "berlin", "approved");
    assert!(events.contains("text/event-stream") && events.contains("event: state"), "{events}");
    let before = get(&server.url("/v1/cities/berlin"));
    let crawls = |server: &Server| {
        let jobs = get(&server.url("/v1/jobs?queue=crawl"))["items"].as_array().unwrap().clone();
        jobs.into_iter().map(|job| (job["id"].clone(), job["name"].clone())).collect::<Vec<_>>()
    };
    let jobs = crawls(&server);
    // SIGKILL: no clean end of any kind.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = up(folder.path());
    let after = get(&server.url("/v1/cities/berlin"));
    for kept in ["slug", "name", "place", "requests", "created_at"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    let history = |city: &Value| city["history"].as_array().unwrap().clone();
    assert!(history(&after).starts_with(&history(&before)), "its life goes on: {after}");
    assert_eq!(crawls(&server), jobs);
    assert_eq!(jobs[0].1, "crawl-city");
    let again = request_city(&server, "Berlin");
    assert!(again.to_string().contains("berlin"), "{again}");
    assert_eq!(crawls(&server), jobs, "asking twice starts nothing twice");
}

#[test]
fn the_token_is_made_and_printed_at_the_first_start_only() {
    let folder = tempfile::tempdir().unwrap();
    let printed = || {
        let mut child = sightscan(folder.path())
            .args(["up", "--listen", "127.0.0.1:0"])
            .env_remove("SIGHTSCAN_ADMIN_TOKEN")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (mut told, mut line) = (String::new(), String::new());
        while !line.contains("health") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "{told}");
            told += &line;
        }
        terminate(&child);
        assert!(child.wait().unwrap().success());
        out.read_to_string(&mut told).unwrap();
        told
    };
    assert!(printed().contains("admin token"));
    assert!(!printed().contains("admin token"));
}

#[test]
fn every_role_ends_well_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    for (verb, arguments, sign) in [
        ("up", vec!["--listen", "127.0.0.1:0"], "server listens"),
        ("api", vec!["--listen", "127.0.0.1:0"], "server listens"),
        ("worker", vec!["--jobs", "crawl,label,train,upkeep"], "worker is ready"),
        ("scheduler", vec![], "scheduler plans"),
    ] {
        let mut child = role(folder.path(), verb)
            .args(arguments)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        wait_for_line(&mut log, sign);
        terminate(&child);
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        assert!(child.wait().unwrap().success(), "{verb}: {rest}");
    }
}

#[test]
fn roles_without_a_public_port_tell_how_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (verb, arguments) in [("worker", vec!["--jobs", "upkeep"]), ("scheduler", vec![])] {
        let mut command = role(folder.path(), verb);
        command.args(arguments).args(["--admin-listen", "127.0.0.1:0"]);
        let server = Server::launch(command);
        assert_eq!(reqwest_get(&server.url("/healthz")).unwrap(), 200);
        let metrics = get(&server.url("/metrics"));
        assert!(metrics.as_str().unwrap().contains("sightscan_"), "{verb}: {metrics}");
    }
}

#[test]
fn a_worker_ends_when_it_is_idle_for_long_enough_and_knows_its_queues() {
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    stdout_of(role(folder.path(), "worker").args(["--jobs", "upkeep", "--exit-when-idle", "1"]));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let error = failure_of(role(folder.path(), "worker").args(["--jobs", "crawling"]));
    assert!(error.contains("`crawling`") && error.contains("crawl, label, train and upkeep"), "{error}");
}

#[test]
fn of_two_schedulers_one_leads_and_the_other_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut child =
            role(folder.path(), "scheduler").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        (child, log)
    };
    let leads = r#""leads":true"#;
    let (mut first, mut first_log) = start();
    wait_for_line(&mut first_log, leads);
    let (mut second, mut second_log) = start();
    wait_for_line(&mut second_log, "scheduler plans");
    terminate(&first);
    // Who resigns is followed at the next sign, not after the whole leadership.
    wait_for_line(&mut second_log, leads);
    assert!(first.wait().unwrap().success());
    terminate(&second);
    assert!(second.wait().unwrap().success());
}

#[test]
fn jobs_are_listed_shown_cancelled_and_retried_from_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let server = api(folder.path());
    request_city(&server, "Berlin");
    let jobs = |arguments: &[&str]| stdout_of(role(folder.path(), "jobs").args(arguments));
    let listed = jobs(&["list", "--state", "waiting"]);
    let id = listed.split_whitespace().next().unwrap();
    assert!(listed.contains("crawl-city") && listed.contains("berlin"), "{listed}");
    let shown = jobs(&["show", id]);
    assert!(shown.contains("max_sights") && shown.contains("berlin"), "{shown}");
    let state = || get(&server.url("/v1/cities/berlin"))["state"].clone();
    assert!(jobs(&["cancel", id, "--reason", "too dear"]).contains("cancelled"));
    assert_eq!(state(), "paused", "nobody works for the city any more");
    let cancelled = jobs(&["list", "--state", "cancelled"]);
    assert!(cancelled.contains(id) && cancelled.contains("too dear"), "{cancelled}");
    assert!(jobs(&["retry", id]).contains("waits"));
    assert_eq!(state(), "approved");
    let error = failure_of(role(folder.path(), "jobs").args(["retry", id]));
    assert!(error.contains("is waiting"), "{error}");
    let unknown = "019ab000-0000-7000-8000-000000000000";
    for verb in ["show", "cancel", "retry"] {
        let error = failure_of(role(folder.path(), "jobs").args([verb, unknown]));
        assert!(error.contains("jobs list"), "{verb}: {error}");
    }
}

#[test]
fn the_schema_is_printed_and_goes_down_and_up() {
    let folder = tempfile::tempdir().unwrap();
    let migrate = |arguments: &[&str]| stdout_of(role(folder.path(), "migrate").args(arguments));
    let schema = migrate(&["--sql"]);
    assert!(schema.contains("CREATE TABLE load_images") && schema.contains("SQLite"), "{schema}");
    assert!(!folder.path().join("sightscan.db").exists(), "printing changes nothing");
    assert!(migrate(&[]).contains("steps: 1"));
    assert!(migrate(&[]).contains("no change"));
    assert!(migrate(&["--to", "0"]).contains("schema version 0"));
    let mut command = role(folder.path(), "migrate");
    command.arg("--sql").env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    assert!(stdout_of(&mut command).contains("PostgreSQL"));
}

#[test]
fn row_45_and_46_an_imported_model_is_served_to_the_old_client() {
    let (folder, model) = folder_with_model();
    let told = stdout_of(role(folder.path(), "model").args(["import"]).arg(&model).args(["--city", "Köln"]));
    assert!(told.contains("version 1 of Köln"), "{told}");
    let server = up(folder.path());
    assert_eq!(get(&server.url("/api/cities/")), json!({"cities": ["KÖLN"]}));
    assert_eq!(get(&server.url("/api/cities/KÖLN/model/version")), json!(1));
    assert_eq!(get(&server.url("/api/cities/Rom/model/version")), json!(-1));
    let served = block_on(async {
        let response = reqwest::get(server.url("/api/cities/KÖLN/model")).await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap()
    });
    assert_eq!(served, fs_err::read(&model).unwrap());
    assert_eq!(call(reqwest::Method::GET, &server.url("/api/cities/Atlantis/model"), None).0, 404);
    assert_eq!(get(&server.url("/v1/cities/koln"))["state"], "live");
}

/// The version of a model that is served, when it is this one.
fn serves(server: &Server, name: &str, version: &str) {
    let start = Instant::now();
    loop {
        let (_, model) = call(reqwest::Method::GET, &server.url(&format!("/v1/models/{name}")), None);
        if model["version"] == version {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{name} is not {version}: {model}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_published_promoted_or_rolled_back_is_served_without_a_restart() {
    let (folder, model) = folder_with_model();
    let server = up(folder.path());
    let detect = || call(reqwest::Method::POST, &server.url("/v1/detect?model=berlin"), None);
    assert_eq!(detect().1["type"], "urn:sightscan:problem:unknown-model");
    for _ in 0..2 {
        stdout_of(role(folder.path(), "model").arg("import").arg(&model).args(["--city", "Berlin"]));
    }
    serves(&server, "berlin", "2");
    let told =
        stdout_of(role(folder.path(), "model").args(["rollback", "Berlin", "--why", "it sees ghosts"]));
    assert_eq!(told, "version 1 is live\n");
    serves(&server, "berlin", "1");
    assert_eq!(get(&server.url("/api/cities/BERLIN/model/version")), json!(1));
    let decide = |what: &str| {
        call(reqwest::Method::POST, &server.url(&format!("/v1/cities/berlin/models/{what}")), None)
    };
    assert_eq!(decide("2/promote"), (200, json!({"version": 2, "state": "live"})));
    serves(&server, "berlin", "2");
    let problem =
        |what: &str| decide(what).1["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert_eq!([problem("2/promote"), problem("9/promote")], ["not-now", "unknown-model"]);
    let ledger = get(&server.url("/v1/cities/berlin/models/history?limit=2"));
    let entry = &ledger["items"][1];
    assert_eq!(
        (&entry["action"], &entry["why"]),
        (&json!("rolled-back"), &json!("it sees ghosts")),
        "{ledger}"
    );
    assert_eq!((&entry["version"], &entry["replaced"]), (&json!(1), &json!(2)));
    let told = stdout_of(role(folder.path(), "model").args(["history", "berlin"]));
    assert_eq!((told.lines().count(), told.contains("admin: it sees ghosts")), (4, true), "{told}");
    let detail = get(&server.url("/v1/cities/berlin/models/2"));
    assert_eq!((&detail["state"], &detail["history"]), (&json!("live"), &json!([])), "{detail}");
    let states = get(&server.url("/v1/cities/berlin/models"));
    assert_eq!(
        (&states["items"][0]["state"], &states["items"][1]["state"]),
        (&json!("live"), &json!("retired"))
    );
}

#[test]
fn other_host_names_are_refused_where_hosts_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = role(folder.path(), "api");
    command.args(["--listen", "127.0.0.1:0", "--allowed-hosts", "guide.example"]);
    let server = Server::launch(command);
    assert_eq!(reqwest_get(&server.url("/v1/cities")).unwrap(), 421);
    assert_eq!(reqwest_get(&server.url("/healthz")).unwrap(), 200);
}

#[test]
fn row_08_what_a_tool_inserts_is_moved_on_by_warehouse_refresh() {
    let folder = tempfile::tempdir().unwrap();
    stdout_of(&mut role(folder.path(), "migrate"));
    let picture = sightscan_testkit::tiny::plain_picture([9, 99, 199], 64, 48);
    let url = format!("sqlite:{}", folder.path().join("sightscan.db").display());
    let source = "https://example.org/liberty.png";
    block_on(sightscan_testkit::database::insert_arrival(&url, &picture, "new_york", source));
    let refresh = || stdout_of(role(folder.path(), "warehouse").arg("refresh"));
    let told = refresh();
    assert!(told.contains("moved on: 1 images") && told.contains("counted anew: 1"), "{told}");
    let told = refresh();
    assert!(told.contains("moved on: 0 images") && told.contains("counted anew: 0"), "{told}");
    let server = api(folder.path());
    assert_eq!(get(&server.url("/v1/cities/new-york"))["counts"]["images"], 1);
    let images = get(&server.url("/v1/cities/new-york/images"));
    assert_eq!(images["items"][0]["source"], "https://example.org/liberty.png", "{images}");
}
