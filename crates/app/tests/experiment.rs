//! The experiment as its users run it: real workers, real plots, a printed report.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use sightscan_testkit::kubernetes::{Cluster, DEPLOYMENT, NAMESPACE, Options, PodPlace};
use sightscan_testkit::tiny;

use crate::program::{failure_of, folder_with_model, sightscan, stdout_of};

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
