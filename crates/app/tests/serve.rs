//! `sightscan serve` as a process: readiness, memory, end, and what `load` sees of a server that dies.

use std::process::Command;
use std::time::{Duration, Instant};

use sightscan_testkit::tiny::plain_picture;

use crate::program::{Server, block_on, folder_with_model, reqwest_get, sightscan, stdout_of};

fn pictures(folder: &std::path::Path, count: u8) -> String {
    let pictures = folder.join("pictures");
    fs_err::create_dir_all(&pictures).unwrap();
    for number in 0..count {
        fs_err::write(pictures.join(format!("{number}.png")), plain_picture([number, 200, 200], 64, 64))
            .unwrap();
    }
    pictures.display().to_string()
}

fn resident_kilobytes(server: &Server) -> u64 {
    memory_kilobytes(server, "VmRSS:")
}

/// A line of the kernel's account of the process (proc_pid_status(5)).
fn memory_kilobytes(server: &Server, field: &str) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn w10_the_model_is_loaded_once() {
    let (folder, model) = folder_with_model();
    let server = Server::start(folder.path(), &model, &[]);
    let pictures = pictures(folder.path(), 10);
    let send = |requests: &str| {
        let url = server.url("/v1/detect");
        stdout_of(sightscan(folder.path()).args([
            "load",
            &url,
            "--folder",
            &pictures,
            "--threads",
            "4",
            "--requests",
            requests,
        ]))
    };
    send("100");
    let early = resident_kilobytes(&server);
    send("1000");
    let late = resident_kilobytes(&server);
    assert!(late < early + 20_000, "resident memory grew from {early} to {late} kB");
}

/// Bodies that claim or hold far more than the settings allow.
fn greedy_bodies() -> Vec<Vec<u8>> {
    let bitmap = |width: i32, height: i32| {
        let mut file = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        file.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
        file.extend(b"\x01\0\x18\0");
        file.resize(54, 0);
        file
    };
    let gif = [b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0".as_slice(), &[0xff; 100]].concat();
    vec![
        bitmap(i32::MAX, i32::MAX),
        bitmap(30_000, 30_000),
        gif,
        vec![0; 30 << 20],
        plain_picture([9; 3], 4000, 4000),
    ]
}

#[test]
fn hostile_inputs_cannot_take_more_memory_than_the_settings_allow() {
    let (folder, model) = folder_with_model();
    let settings = "[serve]\nmax_body_bytes = 1000000\nbody_budget_bytes = 4000000\nmax_pixels = 1000000\n";
    fs_err::write(folder.path().join("sightscan.toml"), settings).unwrap();
    let server = Server::start(folder.path(), &model, &[]);
    let early = memory_kilobytes(&server, "VmHWM:");
    let client = reqwest::Client::new();
    block_on(async {
        let ask = |body: Vec<u8>, media_type: &'static str| {
            let request = client.post(server.url("/v1/detect")).header("content-type", media_type);
            async move { request.body(body).send().await.unwrap().status() }
        };
        for _ in 0..4 {
            let deep = ("application/json", vec![b'['; 900_000]);
            let greedy = greedy_bodies().into_iter().map(|body| ("image/png", body));
            for (media_type, body) in greedy.chain([deep]) {
                let status = ask(body, media_type).await;
                assert!(status.is_client_error() && status != 429, "{status}");
            }
        }
    });
    // One picture of a million pixels takes 3 MB; a bomb that went off would take gigabytes.
    let late = memory_kilobytes(&server, "VmHWM:");
    assert!(late < early + 40_000, "peak memory grew from {early} to {late} kB");
}

#[test]
fn models_may_lie_in_folders_with_spaces_and_are_listed_with_commas() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a b", "c d"].map(|name| {
        let place = folder.path().join(name);
        fs_err::create_dir(&place).unwrap();
        let model = sightscan_testkit::tiny::write_colour_box(&place);
        let named = place.join(format!("{}.onnx", &name[..1]));
        fs_err::rename(model, &named).unwrap();
        named
    });
    let both = format!("{},{}", first.display(), second.display());
    let server = Server::start(folder.path(), std::path::Path::new(&both), &[]);
    for name in ["a", "c"] {
        assert_eq!(reqwest_get(&server.url(&format!("/v1/models/{name}"))).unwrap(), 200);
    }
}

#[test]
fn w12_health_and_readiness_are_answered_and_sigterm_ends_the_server() {
    let (folder, model) = folder_with_model();
    let mut server = Server::start(folder.path(), &model, &[]);
    assert_eq!(reqwest_get(&server.url("/healthz")).unwrap(), 200);
    server.terminate();
    let begin = Instant::now();
    let status = server.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert!(reqwest_get(&server.url("/healthz")).is_err());
}

#[test]
fn a_taken_port_is_an_error_that_says_so() {
    let (folder, model) = folder_with_model();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = sightscan(folder.path());
    let complaint =
        crate::program::failure_of(command.args(["serve", "--listen", &address, "--model"]).arg(&model));
    assert!(complaint.contains("is another server running there"), "{complaint}");
}

#[test]
fn w15_killing_the_server_gives_failures_and_not_a_lower_mean() {
    let (folder, model) = folder_with_model();
    let server = Server::start(folder.path(), &model, &["--instance", "first"]);
    let pictures = pictures(folder.path(), 5);
    let rows = folder.path().join("rows.csv");
    let mut load = sightscan(folder.path());
    let url = server.url("/v1/detect");
    load.args([
        "load",
        &url,
        "--folder",
        &pictures,
        "--threads",
        "4",
        "--duration",
        "60s",
        "--requests",
        "10000",
        "--json",
        "--csv",
    ]);
    let child = load.arg(&rows).stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for_rows(&rows, 200);
    drop(server);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |key: &str| summary[key].as_u64().unwrap();
    assert!(count("answered") >= 200 && count("failed") > 0, "{summary}");
    assert_eq!(summary["instances"]["first"]["answered"], summary["answered"], "{summary}");
    // A refused connection takes microseconds: were it counted, the mean would fall below the fastest answer.
    let mean = summary["latency"]["mean_ms"].as_f64().unwrap();
    assert!(mean >= fastest_answer(&rows), "{summary}");
}

/// Waits for so many rows below the header that are written to their end.
fn wait_for_rows(rows: &std::path::Path, count: usize) {
    let begin = Instant::now();
    let lines = || fs_err::read_to_string(rows).map_or(0, |text| text.matches('\n').count());
    let written = || lines().saturating_sub(1);
    while written() < count {
        assert!(begin.elapsed() < Duration::from_secs(50), "only {} rows", written());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fastest_answer(rows: &std::path::Path) -> f64 {
    let text = fs_err::read_to_string(rows).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|found| *found == name).unwrap();
    let (latency, status) = (column("latency_ms"), column("status"));
    let answered = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| row.get(status) == Some(&"200"));
    answered.map(|row| row[latency].parse::<f64>().unwrap()).fold(f64::INFINITY, f64::min)
}

#[test]
fn flags_variables_and_the_file_set_the_same_things() {
    let (folder, model) = folder_with_model();
    fs_err::write(
        folder.path().join("sightscan.toml"),
        "[serve]\nmax_body_bytes = 100\ninstance = \"of the file\"\n",
    )
    .unwrap();
    let server = Server::start(folder.path(), &model, &["--instance", "of-the-flag"]);
    let (status, instance) = block_on(async {
        let request = reqwest::Client::new().post(server.url("/v1/detect")).body(vec![0; 200]);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers()["x-sightscan-instance"].to_str().unwrap().to_owned())
    });
    assert_eq!((status, instance.as_str()), (413, "of-the-flag"));
}

#[test]
fn the_file_can_say_everything() {
    let (folder, _) = folder_with_model();
    let file = "[serve]\nlisten = \"127.0.0.1:0\"\nmodels = [\"./colour_box.onnx\"]\nengine = \"rten\"\n";
    fs_err::write(folder.path().join("sightscan.toml"), file).unwrap();
    let mut command = sightscan(folder.path());
    command.args(["--log-json", "serve"]);
    let server = Server::launch(command);
    let models =
        block_on(async { reqwest::get(server.url("/v1/models")).await.unwrap().text().await.unwrap() });
    let models: serde_json::Value = serde_json::from_str(&models).unwrap();
    assert_eq!(models["items"][0]["name"], "colour_box", "{models}");
    assert_eq!(models["items"][0]["runtime"], "rten", "{models}");
}

#[test]
fn the_program_says_what_it_is() {
    let version = Command::new(env!("CARGO_BIN_EXE_sightscan")).arg("--version").output().unwrap();
    assert!(String::from_utf8(version.stdout).unwrap().starts_with("sightscan 0."));
}
