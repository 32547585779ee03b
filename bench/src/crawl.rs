//! Pictures a second from a host on this machine into the warehouse, against only looking at the same pictures; and
//! how much memory that takes.

mod pictures;
mod upstream;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::pictures::{Collection, PER_SIGHT};
use self::upstream::Upstream;
use crate::say;
use crate::statistics::rate;
use crate::subject::Subject;

/// How often the memory of the crawl is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How much is crawled.
#[derive(Debug, Clone, Args)]
pub(crate) struct Crawl {
    /// Pictures of the smaller crawl.
    #[arg(long, default_value_t = 2_000)]
    few: usize,
    /// Pictures of the larger crawl.
    #[arg(long, default_value_t = 20_000)]
    many: usize,
    /// Seconds for only looking at pictures.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// What one crawl took.
struct Crawled {
    /// Pictures a second, with the start of the program.
    rate: f64,
    /// The greatest resident memory, in megabytes.
    resident: f64,
}

/// Crawls twice and prints the rates, their ratio to the rate of looking, and the memory.
pub(crate) fn run(subject: &Subject, crawl: &Crawl) -> Result<()> {
    let collection = Collection::make(crawl.many.max(crawl.few))?;
    let upstream = Upstream::start(collection.folder.path())?;
    say(&format!("{} pictures of {}", collection.pictures, pictures::DESCRIPTION))?;
    let before = looking(&collection, crawl.seconds)?;
    let few = crawled(subject, &collection, &upstream, crawl.few)?;
    let many = crawled(subject, &collection, &upstream, crawl.many)?;
    let after = looking(&collection, crawl.seconds)?;
    let alone = f64::midpoint(before, after);
    say(&format!("decoding, SHA-256 and perceptual hash alone: {alone:.1} pictures/s"))?;
    for (pictures, Crawled { rate, resident }) in [(crawl.few, &few), (crawl.many, &many)] {
        let share = 100.0 * rate / alone;
        say(&format!(
            "crawl of {pictures}: {rate:.1} pictures/s ({share:.0} %), at most {resident:.1} MB resident"
        ))?;
    }
    say(&format!(
        "{} pictures take {:.1} MB more than {}",
        crawl.many,
        many.resident - few.resident,
        crawl.few
    ))
}

/// Pictures a second on all cores, where nothing is fetched and nothing stored.
fn looking(collection: &Collection, seconds: f64) -> Result<f64> {
    let threads = std::thread::available_parallelism()?.get();
    let mut workers: Vec<_> = (0..threads)
        .map(|_| {
            |number: usize| pictures::look_at(&collection.path(number % collection.pictures)).map(|()| 1)
        })
        .collect();
    rate(&mut workers, seconds)
}

/// Has the program crawl that many pictures into a fresh data folder.
fn crawled(
    subject: &Subject,
    collection: &Collection,
    upstream: &Upstream,
    pictures: usize,
) -> Result<Crawled> {
    let folder = tempfile::tempdir()?;
    let sights = collection.write_lists(folder.path(), &upstream.address, pictures)?;
    settings(folder.path(), &upstream.address)?;
    let start = Instant::now();
    let mut child = command(subject, folder.path(), sights).spawn().with_context(|| {
        format!("{} does not start; build it with `cargo build --release`", subject.program.display())
    })?;
    let mut resident: f64 = 0.0;
    let status = loop {
        resident = resident.max(memory(child.id()));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    let took = start.elapsed().as_secs_f64();
    ensure!(status.success(), "the crawl ended with {status}");
    let stored = stored(folder.path())?;
    ensure!(stored == pictures, "{stored} of {pictures} pictures were stored");
    Ok(Crawled { rate: pictures as f64 / took, resident })
}

fn command(subject: &Subject, folder: &Path, sights: usize) -> Command {
    let mut command = Command::new(&subject.program);
    command
        .args(["crawl", "Berlin", "--limit", &PER_SIGHT.to_string(), "--sights-limit", &sights.to_string()])
        .args(["--log", "error", "--sights"])
        .arg(folder.join("sights.csv"))
        .arg("--sources")
        .arg(folder.join("pictures.csv"))
        .arg("--data")
        .arg(folder.join("data"))
        .env("SIGHTSCAN_CONFIG", folder.join("sightscan.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// A host that is ours: it may be asked as fast as it answers.
fn settings(folder: &Path, address: &str) -> Result<()> {
    let text = format!(
        "[crawl]\npace_ms = 0\nrequests_per_host = 16\ncontact = \"bench@example.org\"\n\
         [crawl.services]\nopenverse = \"{address}\"\n"
    );
    Ok(fs_err::write(folder.join("sightscan.toml"), text)?)
}

/// Blobs in the data folder.
fn stored(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for shelf in fs_err::read_dir(folder.join("data/blobs"))? {
        let shelf = shelf?.path();
        if shelf.is_dir() {
            count += fs_err::read_dir(shelf)?.filter_map(Result::ok).filter(is_blob).count();
        }
    }
    Ok(count)
}

fn is_blob(entry: &fs_err::DirEntry) -> bool {
    entry.file_name().len() == 64
}

/// Resident memory in megabytes, from `/proc`; none of a process that has ended.
fn memory(process: u32) -> f64 {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() * 1024.0 / 1e6
}
