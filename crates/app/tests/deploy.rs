//! What `deploy/` and its guide say, done with the program itself: images' entry points as processes, the guide's commands run or
//! parsed. What can be seen in the files alone is checked by `crates/rules`.

mod guide;
mod images;
mod machines;

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::program::*;
use crate::roles::{get, request_city, role};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs_err::read_to_string(root().join(path)).unwrap()
}

/// A new database on the tests' PostgreSQL.
fn postgres() -> String {
    let server = std::env::var("SIGHTSCAN_TEST_POSTGRES").expect("SIGHTSCAN_TEST_POSTGRES, see scripts/test");
    block_on(sightscan_testkit::database::new_database(&server))
}

/// The blocks of shell commands in a page.
fn blocks(page: &str) -> Vec<String> {
    let parts = page.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.strip_prefix("sh\n")).map(str::to_owned).collect()
}

/// The part of a page below this heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) =
        page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

#[test]
fn row_65_two_api_replicas_share_their_state() {
    let (database, blobs) = (postgres(), tempfile::tempdir().unwrap());
    let (first, model) = folder_with_model();
    let second = tempfile::tempdir().unwrap();
    let command = |data: &Path, verb: &str| {
        let mut command = role(data, verb);
        let settings = data.join("replica.toml");
        fs_err::write(&settings, format!("[storage]\nblobs = \"{}\"\n", blobs.path().display())).unwrap();
        command.env("SIGHTSCAN_CONFIG", settings).env("DATABASE_URL", &database);
        command
    };
    let replica = |data: &Path| {
        let mut command = command(data, "api");
        command.args(["--listen", "127.0.0.1:0"]);
        Server::launch(command)
    };
    let replicas = [replica(first.path()), replica(second.path())];
    request_city(&replicas[0], "Berlin");
    for (path, what) in
        [("/v1/cities/berlin", "berlin"), ("/v1/cities", "berlin"), ("/v1/jobs?queue=crawl", "crawl-city")]
    {
        let [one, other] = replicas.each_ref().map(|replica| get(&replica.url(path)));
        assert!(one.to_string().contains(what), "{path}: {one}");
        assert_eq!(one, other, "{path}");
    }
    request_city(&replicas[1], "Berlin");
    let jobs = get(&replicas[0].url("/v1/jobs?queue=crawl"));
    assert_eq!(
        jobs["items"].as_array().unwrap().len(),
        1,
        "asking the other one starts nothing twice: {jobs}"
    );
    stdout_of(command(first.path(), "model").arg("import").arg(&model).args(["--city", "Berlin"]));
    for replica in &replicas {
        assert_eq!(get(&replica.url("/api/cities/")), json!({"cities": ["BERLIN"]}));
        let served = block_on(async {
            let response = reqwest::get(replica.url("/api/cities/BERLIN/model")).await.unwrap();
            response.bytes().await.unwrap()
        });
        assert_eq!(served, fs_err::read(&model).unwrap());
    }
}

#[test]
fn row_63_a_role_is_asked_how_it_is_by_the_program_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = role(folder.path(), "scheduler");
    command.args(["--admin-listen", "127.0.0.1:0"]);
    let server = Server::launch(command);
    let ask = |address: &str| {
        let mut command = sightscan(folder.path());
        command.args(["health", address]);
        command
    };
    let address = server.address.to_string();
    assert_eq!(stdout_of(&mut ask(&address)), "");
    drop(server);
    let error = failure_of(&mut ask(&address));
    assert!(error.contains(&address) && error.contains("is a role running there"), "{error}");
    // Somebody who answers and has reasons.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        let (mut stream, _) = listener.accept().unwrap();
        // To the end of its head: what is left unread when a connection is closed resets it.
        let request = BufReader::new(stream.try_clone().unwrap());
        request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
        let body = "the database does not answer";
        write!(stream, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .unwrap();
    });
    let error = failure_of(&mut ask(&address));
    assert!(error.contains("is not ready") && error.contains("the database does not answer"), "{error}");
}
