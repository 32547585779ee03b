//! The experiment as its users run it: real workers, real plots, a printed report.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sightscan_testkit::kubernetes::{Cluster, DEPLOYMENT, NAMESPACE, Options, PodPlace};
use sightscan_testkit::tiny;

use crate::program::{Server, failure_of, folder_with_model, sightscan, stdout_of, until};
use crate::roles::{call, get, request_city, role};

fn experiment(data: &Path, arguments: &[&str]) -> Command {
    let mut command = sightscan(data);
    command.arg("experiment").args(arguments);
    command
}

/// A folder of pictures in the data folder.
fn pictures(data: &Path) {
    let folder = data.join("inputfolder");
    fs_err::create_dir(&folder).unwrap();
    for number in 0..8 {
        let picture = tiny::plain_picture([200, 128, 255], 64, 64);
        fs_err::write(folder.join(format!("{number}.jpg")), picture).unwrap();
    }
}

/// Pages of a PDF file, by the objects that are one.
fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page").count() - text.matches("/Type /Pages").count()
}

#[test]
fn w16_to_w18_an_experiment_is_measured_on_limited_workers_reported_and_bundled() {
    let (folder, model) = folder_with_model();
    let data = folder.path();
    pictures(data);
    let measured = |repeats| {
        let model = model.to_str().unwrap();
        let mut arguments = vec!["run", "--folder", "inputfolder", "--model", model, "--cpus", "0.5"];
        arguments.extend(["--workers", "1,2", "--threads", "1,4", "--warm-up", "2", "--requests", "24"]);
        arguments.extend(["--repeats", repeats]);
        stdout_of(&mut experiment(data, &arguments))
    };
    let told = measured("1");
    assert!(told.contains("4/4  workers 2, threads 4, repeat 1"), "{told}");
    let told = measured("2");
    assert!(told.contains("8 cells, 4 of them are measured already"), "{told}");

    let table = data.join("experiment/cells.csv");
    let table = fs_err::read_to_string(table).unwrap();
    let lines: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(lines.len(), 8, "{table}");
    for line in lines {
        let (front, by_worker) = line.rsplit_once(',').unwrap();
        let answers: Vec<u64> = by_worker.split(' ').map(|count| count.parse().unwrap()).collect();
        let workers: usize = front.split(',').next().unwrap().parse().unwrap();
        assert_eq!((answers.len(), answers.iter().sum::<u64>()), (workers, 24), "{line}");
    }

    let mut report = experiment(data, &["report", "--author", "Ada", "--student-number", "123"]);
    let told = stdout_of(&mut report);
    assert!(!told.contains("no P"), "PNG and PDF are there: {told}");
    let read = |name: &str| fs_err::read(data.join("experiment").join(name)).unwrap();
    assert!(String::from_utf8(read("report.html")).unwrap().contains("Ada"));
    assert!(
        read("response-times.png").starts_with(b"\x89PNG") && read("performance.png").starts_with(b"\x89PNG")
    );
    assert!((1..=2).contains(&pages(&read("report.pdf"))), "{told}");

    let advice = stdout_of(&mut experiment(data, &["predict", "--rate", "1", "--p95", "30s", "--json"]));
    let advice: Value = serde_json::from_str(&advice).unwrap();
    assert_eq!(advice["workers"], 1, "{advice}");

    let told = stdout_of(&mut experiment(data, &["bundle", "--out", "course.zip"]));
    assert!(told.contains("course.zip"), "{told}");
    let python = std::env::var_os("SIGHTSCAN_TEST_PYTHON").expect("SIGHTSCAN_TEST_PYTHON");
    let list = stdout_of(Command::new(python).args(["-m", "zipfile", "-l"]).arg(data.join("course.zip")));
    let files = [
        "ReadMe.txt",
        "docker/Dockerfile",
        "k8s/deployment.yaml",
        "k8s/run",
        "report.pdf",
        "requests/w2-t4-r2.csv",
    ];
    assert!(files.iter().all(|file| list.contains(file)), "{list}");
    fs_err::remove_file(data.join("experiment/report.html")).unwrap();
    let told = failure_of(&mut experiment(data, &["bundle", "--out", "course.zip"]));
    assert!(told.contains("experiment report"), "{told}");
}

/// A city with a model and pictures, and who answers for it.
fn city_with_pictures() -> (tempfile::TempDir, Server) {
    let (folder, model) = folder_with_model();
    stdout_of(role(folder.path(), "model").arg("import").arg(&model).args(["--city", "Berlin"]));
    let mut crawl = role(folder.path(), "crawl");
    stdout_of(crawl.args(["Berlin", "--sights", "demo", "--sources", "demo", "--limit", "2"]));
    let server = served(folder.path());
    (folder, server)
}

fn served(data: &Path) -> Server {
    let mut command = role(data, "api");
    command.args(["--listen", "127.0.0.1:0"]);
    Server::launch(command)
}

fn post(server: &Server, path: &str, body: Option<Value>) -> (u16, Value) {
    call(reqwest::Method::POST, &server.url(&format!("/v1/experiments{path}")), body)
}

/// Processes that measure or work for an experiment of this data folder.
fn processes(data: &Path) -> usize {
    let is_of_it = |id: &str| {
        let variables = fs_err::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let command = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let [variables, command] =
            [variables, command].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        variables.contains(data.to_str().unwrap())
            && (command.contains("experiment") || command.contains("--share-port"))
    };
    let all = fs_err::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| is_of_it(&entry.file_name().to_string_lossy())).count()
}

/// The newest experiment, once it is in this state.
fn ended(server: &Server, state: &str) -> Value {
    let mut newest = Value::Null;
    until(&format!("the experiment is {state}"), Duration::from_secs(120), || {
        newest = get(&server.url("/v1/experiments"))["items"][0].clone();
        newest["state"] != "running"
    });
    assert_eq!(newest["state"], state, "{newest}");
    newest
}

/// Takes longer than anybody here waits.
const MANY: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn an_administrator_starts_experiments_and_sees_their_plots() {
    let (folder, server) = city_with_pictures();
    let order = |name: &str, threads: &[usize], repeats: usize| json!({"city": "berlin", "name": name, "workers": [1], "threads": threads, "repeats": repeats, "pictures": 4});
    let kind = |(status, body): (u16, Value)| (status, body["type"].as_str().unwrap_or_default().to_owned());
    let problem = |name: &str| format!("urn:sightscan:problem:{name}");
    assert_eq!(kind(post(&server, "", Some(order("none", &[1], 0)))), (400, problem("invalid-parameter")));
    let elsewhere = json!({"city": "atlantis", "workers": [1], "threads": [1], "repeats": 1});
    assert_eq!(kind(post(&server, "", Some(elsewhere))), (404, problem("unknown-city")));
    request_city(&server, "Rome");
    let too_early = json!({"city": "rome", "workers": [1], "threads": [1], "repeats": 1});
    assert_eq!(kind(post(&server, "", Some(too_early))), (409, problem("not-now")), "it has no model");
    assert_eq!(get(&server.url("/v1/experiments")), json!({"items": []}));

    let (status, begun) = post(&server, "", Some(order("first", &[2, 1], 1)));
    assert_eq!((status, &begun["state"], &begun["want"]), (201, &json!("running"), &json!(2)), "{begun}");
    let first = ended(&server, "done");
    assert_eq!((&first["have"], &first["threads"]), (&json!(2), &json!([1, 2])), "{first}");
    let files = ["response-times.svg", "performance.svg", "report.html", "cells.csv"];
    assert_eq!(first["files"], json!(files));
    let file = |name: &str| {
        call(reqwest::Method::GET, &server.url(&format!("/v1/experiments/first/files/{name}")), None)
    };
    assert!(file("response-times.svg").1.as_str().unwrap().contains("<svg"));
    assert_eq!(file("begun.json").0, 404);
    assert_eq!(
        kind(post(&server, "", Some(order("first", &[2, 1], 1)))),
        (409, problem("not-now")),
        "nothing is written over"
    );

    // What is measured when the server is asked to end is kept, and leaves no worker behind.
    assert_eq!(post(&server, "", Some(order("long", &MANY, 20))).0, 201);
    assert_eq!(
        kind(post(&server, "", Some(order("second", &[1], 1)))),
        (409, problem("not-now")),
        "one at a time"
    );
    until("a cell is measured", Duration::from_secs(60), || {
        get(&server.url("/v1/experiments"))["items"][0]["have"].as_u64() > Some(0)
    });
    server.end();
    assert_eq!(processes(folder.path()), 0, "no worker is left behind");
    let long_folder = folder.path().join("experiments/long");
    assert!(long_folder.join("begun.json").exists() && !long_folder.join("pictures").exists());
    let again = served(folder.path());
    let long = ended(&again, "stopped");
    assert!(
        long["have"].as_u64() < Some(20 * MANY.len() as u64) && long["files"].as_array().unwrap().len() == 4,
        "{long}"
    );
}

/// A node's port: each connection goes to one of the pods that are ready, in turns.
fn node_port(cluster: &Arc<Cluster>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, cluster) = (listener.local_addr().unwrap(), Arc::downgrade(cluster));
    std::thread::spawn(move || {
        for (turn, client) in listener.incoming().flatten().enumerate() {
            let Some(cluster) = cluster.upgrade() else { return };
            let ready: Vec<_> = cluster.pods().into_iter().filter(|pod| pod.is_ready).collect();
            // Without a pod the connection is closed.
            let Some(pod) = ready.get(turn % ready.len().max(1)) else { continue };
            let Ok(pod) = TcpStream::connect(pod.place.address) else { continue };
            relay(&client, &pod);
            relay(&pod, &client);
        }
    });
    address
}

/// Carries what comes from one side to the other, until it ends.
fn relay(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

#[test]
fn w16_w18_the_pods_of_a_deployment_are_scaled_and_all_of_them_answer() {
    let (folder, model) = folder_with_model();
    let data = folder.path().to_owned();
    pictures(&data);
    let service = {
        let data = data.clone();
        move |place: &PodPlace| {
            let mut command = sightscan(&data);
            let address = place.address.to_string();
            command.args([
                "serve",
                "--listen",
                &address,
                "--instance",
                &place.name,
                "--threads",
                "1",
                "--model",
            ]);
            command.arg(&model).stderr(Stdio::null());
            command
        }
    };
    let cluster = Arc::new(Cluster::start(Options::new(service)));
    cluster.scale(1);
    let (url, token) =
        (format!("http://{}", node_port(&cluster)), cluster.token_file().display().to_string());
    let mut run =
        experiment(&data, &["run", "--folder", "inputfolder", "--target", "kubernetes", "--url", &url]);
    run.args([
        "--deployment",
        DEPLOYMENT,
        "--namespace",
        NAMESPACE,
        "--server",
        cluster.url(),
        "--token-file",
        &token,
    ]);
    run.args(["--workers", "1,3", "--threads", "2", "--repeats", "1", "--requests", "30"]);
    let told = stdout_of(&mut run);
    assert!(told.contains("2/2  workers 3, threads 2"), "{told}");
    let table = fs_err::read_to_string(data.join("experiment/cells.csv")).unwrap();
    let by_pod = table.lines().last().unwrap().rsplit(',').next().unwrap();
    let answers: Vec<u64> = by_pod.split(' ').map(|count| count.parse().unwrap()).collect();
    assert_eq!((answers.len(), answers.iter().sum::<u64>()), (3, 30), "{table}");
    assert_eq!(cluster.replicas(), 1, "the scale is what it was");
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_to_do() {
    let (folder, model) = folder_with_model();
    let data = folder.path();
    pictures(data);
    let told = failure_of(&mut experiment(data, &["report", "nowhere"]));
    assert!(told.contains("experiment run --out nowhere"), "{told}");
    let model = model.to_str().unwrap();
    let told = failure_of(&mut experiment(data, &["run", "--folder", "inputfolder", "--workers", "0"]));
    assert!(told.contains("--workers"), "{told}");
    let missing = data.join("missing.onnx");
    let arguments =
        ["run", "--folder", "inputfolder", "--workers", "1", "--model", missing.to_str().unwrap()];
    let told = failure_of(&mut experiment(data, &arguments));
    assert!(told.contains("worker-1 has ended") && told.contains("missing.onnx"), "{told}");
    let other = ["run", "--folder", "inputfolder", "--workers", "1", "--model", model];
    let told = failure_of(&mut experiment(data, &other));
    assert!(told.contains("another folder"), "the folder holds the experiment of another model: {told}");
}
