//! The clients of the iWebLens course against our server: the calls that they make, and the texts that they print.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use sightscan_testkit::{data, python};

use crate::program::{Server, folder_with_model, sightscan, stdout_of};

#[derive(Debug, Deserialize)]
struct Exchange {
    path: String,
    id: Option<String>,
    status: u16,
    body: String,
}

/// A server with a small real network.
fn server(folder: &std::path::Path) -> Option<Server> {
    Some(Server::start(folder, &data("models/yolo-fastest-1.1.cfg")?, &[]))
}

/// What the course's calls get for all its pictures, by picture.
fn exchanges(server: &Server, generation: &str, threads: &str) -> Option<BTreeMap<String, Exchange>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/course_client.py");
    let mut command = Command::new(python()?);
    let folder = data("iweblens")?;
    command.arg(script).arg(generation).arg(folder).arg(server.url("/api/object_detection")).arg(threads);
    let list: Vec<Exchange> = serde_json::from_str(&stdout_of(&mut command)).unwrap();
    Some(list.into_iter().map(|exchange| (exchange.path.clone(), exchange)).collect())
}

fn objects(exchange: &Exchange) -> serde_json::Value {
    let body: serde_json::Value = serde_json::from_str(&exchange.body).unwrap();
    body["objects"].clone()
}

#[test]
fn w01_w02_both_generations_get_an_answer_for_each_of_the_128_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = server(folder.path()) else { return };
    for threads in ["16", "32"] {
        let Some(old) = exchanges(&server, "2020", threads) else { return };
        let new = exchanges(&server, "2021", threads).unwrap();
        assert_eq!((old.len(), new.len()), (128, 128));
        for (path, exchange) in &new {
            assert_eq!(exchange.status, 200, "{exchange:?}");
            let body: serde_json::Value = serde_json::from_str(&exchange.body).unwrap();
            assert_eq!(body["id"].as_str(), exchange.id.as_deref(), "{path}");
            assert_eq!(objects(exchange), objects(&old[path]), "{path}");
        }
        assert!(new.values().any(|exchange| objects(exchange).as_array().unwrap().len() > 3));
    }
}

#[test]
fn i16_load_takes_the_place_of_the_workload_generators() {
    let (folder, model) = folder_with_model();
    let server = Server::start(folder.path(), &model, &[]);
    let pictures = folder.path().join("imagenet-3");
    fs_err::create_dir(&pictures).unwrap();
    for (name, blue) in [("test_0.JPEG", 255), ("test_1.png", 0), ("test_2.v2.png", 255)] {
        let picture = sightscan_testkit::tiny::plain_picture([9, 9, blue], 8, 8);
        fs_err::write(pictures.join(name), picture).unwrap();
    }
    let predictions = folder.path().join("results.csv");
    fs_err::write(&predictions, "Image,Results\ntest_0,colour\ntest_1,colour\ntest_2,colour\n").unwrap();
    for (generation, answer) in [("iraas-2021", "colour"), ("iraas-2024", "test_0:colour")] {
        let mut command = sightscan(folder.path());
        command.args(["load", "--as", generation, "--num_request", "3", "--url", &server.url("/")]);
        // Without a slash at its end, and with one and a dot before it.
        command.args(["--image_folder", "./imagenet-3", "--prediction_file"]).arg(&predictions);
        let printed = stdout_of(&mut command);
        assert!(
            printed.contains(&format!("test_0.JPEG uploaded!\nClassification result: {answer}\n")),
            "{printed}"
        );
        for line in
            ["correct predictions: 2", "wrong predictions: 1", "failed requests: 0", "Total Test Duration:"]
        {
            assert!(printed.contains(line), "{printed}");
        }
    }
    let mut lost = sightscan(folder.path());
    lost.args([
        "load",
        "--as",
        "iraas-2024",
        "--url",
        "http://127.0.0.1:9/",
        "--image_folder",
        "imagenet-3/",
    ]);
    let output = lost.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && printed.contains("sendErr: http://127.0.0.1:9/"), "{printed}");
    assert!(printed.contains("failed requests: 3"), "{printed}");
}

#[test]
fn load_prints_what_the_clients_of_the_course_print() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = server(folder.path()) else { return };
    let pictures = data("iweblens").unwrap();
    for (generation, line, last) in [
        ("iweblens-2020", "Time Spent:", "Total client script time:"),
        ("iweblens-2021", "input image:", "Total time spent:"),
    ] {
        for threads in ["16", "32"] {
            let mut command = sightscan(folder.path());
            command
                .args(["load", "--as", generation])
                .arg(&pictures)
                .arg(server.url("/api/object_detection"))
                .arg(threads);
            let printed = stdout_of(&mut command);
            let answers =
                printed.lines().filter(|text| text.starts_with("Thread : ") && text.contains(line)).count();
            assert_eq!(answers, 128, "{printed}");
            assert!(!printed.contains("Error") && !printed.contains("Exception"), "{printed}");
            assert!(printed.trim_end().lines().last().unwrap().starts_with(last), "{printed}");
        }
    }
}
