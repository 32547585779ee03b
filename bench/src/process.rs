//! Roles of the program as processes of their own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::subject::Subject;

/// A process; ends with this value.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a server on a free port; does not wait.
    pub(crate) fn start(subject: &Subject) -> Result<Self> {
        Self::serve(subject, &[])
    }

    /// As [`Self::start`], with further flags.
    pub(crate) fn serve(subject: &Subject, flags: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = program(subject);
        command.args(["serve", "--listen", &address.to_string(), "--model"]).arg(subject.model_path()?);
        command.args(flags);
        Self::launch(command, address)
    }

    /// Starts a role of the program that tells at this address whether it is ready; does not wait.
    pub(crate) fn launch(mut command: Command, address: SocketAddr) -> Result<Self> {
        let child = command.stdout(Stdio::null()).spawn().with_context(|| {
            let program = command.get_program().display();
            format!("{program} does not start; build it with `cargo build --release`")
        })?;
        Ok(Self { child, address })
    }

    /// Waits until it is ready; answers the time since this call.
    pub(crate) fn ready(&self) -> Result<Duration> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if self.is_ready() {
                return Ok(start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the server was not ready within a minute")
    }

    fn is_ready(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
    }

    /// Resident memory in bytes, from `/proc`.
    pub(crate) fn resident(&self) -> Result<u64> {
        resident(self.child.id())
    }
}

/// The program on the runtime that is measured.
pub(crate) fn program(subject: &Subject) -> Command {
    let mut command = Command::new(&subject.program);
    command.env("SIGHTSCAN_ENGINE", subject.engine.to_string()).args(["--log", "error"]);
    command
}

/// An address that nobody listens on: its port is free again when the listener is dropped at the end of the statement.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Resident memory of a process in bytes, from `/proc`.
pub(crate) fn resident(process: u32) -> Result<u64> {
    let status = fs_err::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already needs no ending.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
