//! The process of the browser, which never outlives its owner.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, trace};

/// Chromium has started long before, or never will.
const START: Duration = Duration::from_secs(30);

/// It has ended long before; if not, its keeper goes on ending it.
const END: Duration = Duration::from_secs(10);

/// So many lines of what it says are told when it does not start.
const LINES: usize = 5;

/// A shell that ends the browser and removes its profile as soon as nobody holds [`Process::lifeline`]. A program that
/// is killed could do neither.
const KEEPER: &str = include_str!("keeper.sh");

/// No window to choose a profile, no news from the maker, no extensions; nothing that works on its own behind the page.
const FLAGS: [&str; 18] = [
    "--remote-debugging-port=0",
    "--block-new-web-contents",
    "--deny-permission-prompts",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
    // Only what goes through the proxy goes out.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
];

/// A running browser. It ends with this value.
#[derive(Debug)]
pub(super) struct Process {
    /// Where it listens for what it is to do.
    pub(super) address: String,
    keeper: Child,
    lifeline: ChildStdin,
    hearing: JoinSet<()>,
}

/// How it is started.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) executable: &'a Path,
    pub(super) headless: bool,
    pub(super) user_agent: &'a str,
    /// The proxy that is its only way out.
    pub(super) proxy: SocketAddr,
}

impl Process {
    /// Starts a browser and waits until it can be told what to do.
    pub(super) async fn start(start: &Start<'_>) -> Result<Self, String> {
        let name = start.executable.display();
        let mut keeper = command(start).spawn().map_err(|error| format!("no shell for {name}: {error}"))?;
        let (Some(lifeline), Some(words)) = (keeper.stdin.take(), keeper.stderr.take()) else {
            return Err(format!("no pipes to the shell of {name}"));
        };
        let mut words = BufReader::new(words).lines();
        let address = match timeout(START, address(&mut words)).await {
            Ok(Ok(address)) => address,
            Ok(Err(said)) => return Err(format!("{name} has ended at once: {said}")),
            Err(_) => return Err(format!("{name} has not started within {} s", START.as_secs())),
        };
        debug!(browser = %name, address, "browser started");
        let mut hearing = JoinSet::new();
        hearing.spawn(hear(words));
        Ok(Self { address, keeper, lifeline, hearing })
    }

    /// Ends it and waits until nothing of it is left.
    pub(super) async fn end(self) {
        let Self { mut keeper, lifeline, mut hearing, .. } = self;
        drop(lifeline);
        let ended = async {
            _ = keeper.wait().await;
            // Its helpers end after it. The last of them closes standard error.
            hearing.join_next().await
        };
        if timeout(END, ended).await.is_err() {
            debug!("the browser takes long to end");
        }
    }
}

fn command(start: &Start<'_>) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "keeper"]).arg(start.executable).args(FLAGS);
    if start.headless {
        command.arg("--headless");
    }
    command
        .arg(format!("--user-agent={}", start.user_agent))
        .arg(format!("--proxy-server=socks5://{}", start.proxy))
        // This machine is not asked behind the proxy's back, and nor is its resolver.
        .arg("--proxy-bypass-list=<-loopback>")
        .arg(format!("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {}", start.proxy.ip()))
        .arg("about:blank")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // What is typed to end this program is not for the keeper, which has to clean up after it.
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// Where the browser says that it listens, or what it has said instead.
async fn address(words: &mut Lines<BufReader<ChildStderr>>) -> Result<String, String> {
    let mut said = VecDeque::new();
    while let Ok(Some(line)) = words.next_line().await {
        if let Some((_, address)) = line.split_once("DevTools listening on ") {
            return Ok(address.trim().to_owned());
        }
        said.truncate(LINES - 1);
        said.push_front(line);
    }
    Err(said.into_iter().rev().collect::<Vec<_>>().join("; "))
}

/// Reads what a browser says, so that it never waits for its reader.
async fn hear(mut words: Lines<BufReader<ChildStderr>>) {
    while let Ok(Some(line)) = words.next_line().await {
        trace!(line, "browser");
    }
}
