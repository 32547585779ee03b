//! A server that is told what became of pictures whose clients did not wait.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::installation::{Installation, coloured, number_in, send_picture};
use crate::program::*;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// As a receiver checks a message that has its own idea of the signature.
const CHECK: &str = "
import base64, hashlib, hmac, sys
secret, message, time, body, signature = sys.argv[1:]
key = base64.b64decode(secret.removeprefix('whsec_'))
code = hmac.new(key, f'{message}.{time}.{body}'.encode(), hashlib.sha256).digest()
assert 'v1,' + base64.b64encode(code).decode() == signature
";

/// What the receiver got.
struct Message {
    headers: HashMap<String, String>,
    body: String,
}

impl Message {
    fn read(stream: &TcpStream) -> Self {
        let (mut reader, mut headers) = (BufReader::new(stream), HashMap::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
                None if line.trim().is_empty() => break,
                None => None,
            };
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        Self { headers, body: String::from_utf8(body).unwrap() }
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn is_signed(&self) -> bool {
        let header = |name: &str| self.headers[name].clone();
        let python = std::env::var_os("SIGHTSCAN_TEST_PYTHON").expect("SIGHTSCAN_TEST_PYTHON");
        let mut check = Command::new(python);
        check.args(["-c", CHECK, SECRET, self.id(), &header("webhook-timestamp")]);
        check.args([&self.body, &header("webhook-signature")]).status().unwrap().success()
    }
}

/// A server that has trouble with the first message.
fn receiver() -> (String, mpsc::Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, messages) = mpsc::channel();
    std::thread::spawn(move || {
        let answers = std::iter::once("503 Service Unavailable").chain(std::iter::repeat("204 No Content"));
        for (stream, answer) in listener.incoming().zip(answers) {
            let mut stream = stream.unwrap();
            let message = Message::read(&stream);
            write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    (url, messages)
}

fn installation(url: &str) -> Installation {
    let variables = vec![("SIGHTSCAN_WEBHOOK_SECRET", SECRET.to_owned()), ("NO_PROXY", "127.0.0.1".into())];
    Installation { settings: format!("webhook = \"{url}\"\n"), variables, ..Installation::embedded() }
}

#[test]
fn a_server_hears_of_pictures_whose_clients_did_not_wait() {
    let (url, messages) = receiver();
    let installation = installation(&url);
    let tier = installation.tier();
    let later: Value = block_on(async {
        let (client, wait) = (reqwest::Client::new(), Duration::from_secs(5));
        let sent = send_picture(&client, &tier.url("/v1/detect"), "test_0.png", coloured(100), wait).await;
        let answer = sent.unwrap();
        assert_eq!(answer.status(), 202);
        answer.json().await.unwrap()
    });
    let mut worker = installation.worker(&["--exit-when-idle", "1"]);
    assert!(worker.wait().unwrap().success());
    // Whoever tells it may come later: nothing is forgotten.
    let jobs = Server::launch({
        let mut command = installation.role("worker");
        command.args(["--jobs", "upkeep", "--admin-listen", "127.0.0.1:0"]);
        command
    });
    let [first, second] = [(); 2].map(|()| messages.recv_timeout(Duration::from_secs(60)).unwrap());
    assert_eq!(first.id(), later["requests"][0]["id"].as_str().unwrap());
    assert_eq!((first.id(), &first.body), (second.id(), &second.body), "it is told again after a 503");
    assert!(first.is_signed() && second.is_signed());
    let status: Value = serde_json::from_str(&second.body).unwrap();
    assert_eq!((&status["state"], &status["name"]), (&"done".into(), &"test_0.png".into()));
    assert!((number_in(&status["report"]).unwrap() - 100.0).abs() < 1.0);
    let told: Value = block_on(async {
        let address = tier.url(later["requests"][0]["status"].as_str().unwrap());
        reqwest::get(address).await.unwrap().json().await.unwrap()
    });
    assert_eq!(told, status, "as it is told at its address");
    drop(jobs);
}

#[test]
fn nothing_starts_that_would_send_unsigned_messages() {
    let mut installation = installation("http://127.0.0.1:9/hook");
    installation.variables.clear();
    for mut command in [installation.tier_command(), installation.worker_command(&[])] {
        let told = failure_of(command.env_remove("SIGHTSCAN_WEBHOOK_SECRET"));
        assert!(told.contains("SIGHTSCAN_WEBHOOK_SECRET"), "{told}");
    }
}
