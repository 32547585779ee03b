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

/// The share of an issue's figure that this run repeats (`SIGHTSCAN_TEST_SCALE`), rounded up.
pub(crate) fn scaled(figure: f64) -> usize {
    (figure * sightscan_testkit::scale()).ceil() as usize
}

/// Waits until something is so, looking every now and then.
pub(crate) fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < limit, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a signal, such as `TERM` or `STOP`, to a process that there is.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(sent.success(), "{name} to the process {pid}");
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
    pub(crate) fn launch(command: Command) -> Self {
        Self::try_launch(command, drop).unwrap_or_else(|told| panic!("{told}"))
    }

    /// As [`Self::launch`], where something may keep it from starting: then what it has told. `hear` hears each line of its log.
    pub(crate) fn try_launch(
        mut command: Command,
        mut hear: impl FnMut(String) + Send + 'static,
    ) -> Result<Self, String> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = match listening_address(&mut log, &mut hear) {
            Ok(address) => address,
            Err(told) => {
                child.wait().unwrap();
                return Err(told);
            }
        };
        // The log is read to its end, so that the server never waits for its reader.
        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(hear));
        let server = Self { child, address };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// The address of a route.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let begin = Instant::now();
        let ready = || reqwest_get(&self.url("/readyz")).is_ok_and(|status| status == 200);
        while !ready() {
            if begin.elapsed() > Duration::from_secs(50) {
                return Err("the server is not ready".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Asks the server to end, as a container engine does.
    pub(crate) fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) fn end(mut self) {
        self.terminate();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a server listens, by its log; what it has told where it ends before it does.
fn listening_address(log: &mut impl BufRead, hear: &mut impl FnMut(String)) -> Result<SocketAddr, String> {
    let mut told = String::new();
    loop {
        let mut line = String::new();
        if log.read_line(&mut line).unwrap() == 0 {
            return Err(format!("the server ended: {told}"));
        }
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        told.push_str(&line);
        hear(line);
        if let Some(address) = event["fields"]["address"].as_str() {
            return Ok(address.parse().unwrap());
        }
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

pub(crate) fn terminate(child: &Child) {
    signal(child.id(), "TERM");
}

pub(crate) fn wait_for_line(log: &mut impl BufRead, sign: &str) -> String {
    let mut told = String::new();
    while !told.contains(sign) {
        assert!(log.read_line(&mut told).unwrap() > 0, "it ended: {told}");
    }
    told
}
