//! The server as a process of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::subject::Subject;

/// A server process; ends with this value.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts the program on a free port; does not wait.
    pub(crate) fn start(subject: &Subject) -> Result<Self> {
        // The port is free again when the listener is dropped at the end of this statement.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(&subject.program)
            .arg("serve")
            .args([
                "--listen",
                &address.to_string(),
                "--engine",
                &subject.engine.to_string(),
                "--log",
                "error",
            ])
            .arg("--model")
            .arg(subject.model_path()?)
            .stdout(Stdio::null())
            .spawn();
        let child = child.with_context(|| {
            format!("{} does not start; build it with `cargo build --release`", subject.program.display())
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
