//! The process of a pod: it tells what a file says that it does.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sightscan_testkit::kubernetes::PodPlace;

/// What a pod answers that never answers.
pub(super) const SILENT: &str = "silent";

/// This program, as the pod at this place; what it does is in a file of its name in the folder.
pub(super) fn command(place: &PodPlace, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kubernetes::pod::tells_what_a_file_says", "--exact", "--ignored", "--nocapture"]);
    command.env("POD_ADDRESS", place.address.to_string()).env("POD_FILE", folder.join(&place.name));
    command.stderr(Stdio::null());
    command
}

#[test]
#[ignore = "it is the process of a pod, which the tests of this module start"]
fn tells_what_a_file_says() {
    let listener = TcpListener::bind(std::env::var("POD_ADDRESS").unwrap()).unwrap();
    let file = PathBuf::from(std::env::var_os("POD_FILE").unwrap());
    for stream in listener.incoming() {
        let file = file.clone();
        std::thread::spawn(move || answer(&stream.unwrap(), &file));
    }
}

fn answer(mut stream: &TcpStream, file: &Path) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut body = "{}".to_owned();
    if head.first().is_some_and(|line| line.starts_with("GET /v1/worker ")) {
        body = fs_err::read_to_string(file).unwrap_or_else(|_| doing("idle"));
    }
    if body == SILENT {
        std::thread::sleep(Duration::from_secs(30));
    }
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}");
}

/// What a worker says that does this.
pub(super) fn doing(state: &str) -> String {
    format!(r#"{{"state":"{state}","ended":3,"service_ms":40.0}}"#)
}
