//! Starting the program: once to its end, or as a server.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program with a data folder of its own.
pub(crate) fn sightscan(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightscan"));
    command
        .env("SIGHTSCAN_DATA", data)
        .env_remove("SIGHTSCAN_MODEL")
        .env_remove("SIGHTSCAN_CONFIG")
        .current_dir(data);
    command
}

/// Standard output of a run that must succeed.
pub(crate) fn stdout_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must fail with exit code 1.
pub(crate) fn failure_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {}", stderr(&output));
    stderr(&output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that reads `input`.
pub(crate) fn output_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// A data folder with the tiny network of the testkit in it, and the network's file.
pub(crate) fn folder_with_model() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let model = sightscan_testkit::tiny::write_colour_box(folder.path());
    (folder, model)
}

/// A running server; killed with this value.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `sightscan serve` on a free port and waits until it is ready.
    pub(crate) fn start(data: &Path, model: &Path, arguments: &[&str]) -> Self {
        let mut command = sightscan(data);
        command
            .args(["--log-json", "serve", "--listen", "127.0.0.1:0", "--model"])
            .arg(model)
            .args(arguments);
        Self::launch(command)
    }

    /// Starts a server by this command, which must log in JSON, and waits until it is ready.
    pub(crate) fn launch(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = listening_address(&mut log);
        // The log is read to its end, so that the server never waits for its reader.
        std::thread::spawn(move || log.lines().for_each(drop));
        let server = Self { child, address };
        server.wait_until_ready();
        server
    }

    /// The address of a route.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn wait_until_ready(&self) {
        let begin = Instant::now();
        let ready = || reqwest_get(&self.url("/readyz")).is_ok_and(|status| status == 200);
        while !ready() {
            assert!(begin.elapsed() < Duration::from_secs(50), "the server is not ready");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the server to end, as a container engine does.
    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening_address(log: &mut impl BufRead) -> SocketAddr {
    let mut told = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server ended: {told}");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(address) = event["fields"]["address"].as_str() {
            return address.parse().unwrap();
        }
        told.push_str(&line);
    }
}

/// The status of a GET request.
pub(crate) fn reqwest_get(url: &str) -> Result<u16, reqwest::Error> {
    block_on(async { Ok(reqwest::get(url).await?.status().as_u16()) })
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
