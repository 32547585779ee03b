//! What is left of a browser.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use sightscan_crawl::ImageSource;
use sightscan_testkit::upstreams::Upstream;
use sightscan_testkit::upstreams::search_page::SearchPage;

use super::{OF_EACH, browser, google, paris, tower, user_agent, world};

/// A process of a test's browser.
#[derive(Debug)]
pub(super) struct Process {
    id: u32,
    /// Its command line.
    line: String,
}

/// The processes that were started to ask this server.
pub(super) fn processes(upstream: &Upstream) -> Vec<Process> {
    let agent = user_agent(upstream);
    let all = fs_err::read_dir("/proc").unwrap().filter_map(|entry| process(&entry.unwrap().path()));
    all.filter(|process| process.line.contains(&agent)).collect()
}

/// A process by its folder in `/proc`; `None` where it is none, or has just ended.
fn process(folder: &Path) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let line = fs_err::read(folder.join("cmdline")).ok()?;
    Some(Process { id, line: String::from_utf8_lossy(&line).replace('\0', " ") })
}

/// The profile of a browser that runs.
pub(super) fn profile(processes: &[Process]) -> Option<PathBuf> {
    // The keeper's script has it as a variable.
    let folder = |process: &Process| {
        let (_, folder) = process.line.split_once(" --user-data-dir=/")?;
        Some(PathBuf::from(format!("/{}", folder.split(' ').next()?)))
    };
    processes.iter().find_map(folder)
}

pub(super) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The profile of the browser that asks this server, as soon as there is one.
pub(super) async fn running(upstream: &Upstream) -> PathBuf {
    eventually("a browser runs", || profile(&processes(upstream)).is_some()).await;
    let profile = profile(&processes(upstream)).unwrap();
    assert!(profile.is_dir(), "{}", profile.display());
    profile
}

#[tokio::test]
async fn row_18_w_c25_a_browser_that_is_let_go_has_ended_and_its_profile_is_gone() {
    let search = SearchPage::start(world()).await;
    let source = google(&browser(&[&search.upstream], 1), &search, false);
    let held = source.hold().unwrap();
    assert!(processes(&search.upstream).is_empty(), "it is not started before it is needed");
    let (city, sight) = (paris(), tower());
    assert_eq!(source.pictures(&city, &sight).count().await as u64, OF_EACH);
    let profile = running(&search.upstream).await;
    let drivers =
        processes(&search.upstream).into_iter().filter(|process| process.line.contains("chromedriver"));
    assert_eq!(drivers.count(), 0);
    held.let_go().await;
    assert!(!profile.exists(), "{}", profile.display());
    assert!(processes(&search.upstream).is_empty(), "{:?}", processes(&search.upstream));
}

#[tokio::test]
async fn row_18_w_c25_a_search_that_is_dropped_leaves_nothing() {
    let search = SearchPage::start(world()).await;
    let source = google(&browser(&[&search.upstream], 1), &search, true);
    let (city, sight) = (paris(), tower());
    let mut stream = source.pictures(&city, &sight);
    assert!(stream.next().await.unwrap().is_ok());
    let profile = running(&search.upstream).await;
    drop(stream);
    eventually("nothing is left", || !profile.exists() && processes(&search.upstream).is_empty()).await;
}

#[tokio::test]
async fn row_18_w_c25_a_browser_that_has_not_started_yet_is_not_left_either() {
    let search = SearchPage::start(world()).await;
    let source = google(&browser(&[&search.upstream], 1), &search, true);
    let (city, sight) = (paris(), tower());
    let mut stream = source.pictures(&city, &sight);
    tokio::select! {
        _ = stream.next() => panic!("it cannot be that fast"),
        () = eventually("it is being started", || !processes(&search.upstream).is_empty()) => {}
    }
    drop(stream);
    eventually("nothing is left", || processes(&search.upstream).is_empty()).await;
}

#[tokio::test]
async fn a_browser_that_crashes_is_told_and_replaced() {
    let search = SearchPage::start(world()).await;
    let source = google(&browser(&[&search.upstream], 2), &search, true);
    let _held = source.hold();
    let (city, sight) = (paris(), tower());
    let mut stream = source.pictures(&city, &sight);
    assert!(stream.next().await.unwrap().is_ok());
    let profile = running(&search.upstream).await;
    // Neither its keeper nor one of its helpers.
    let is_main = |process: &&Process| !process.line.starts_with("sh ") && !process.line.contains(" --type=");
    let main = processes(&search.upstream).iter().find(is_main).unwrap().id.to_string();
    let killed = Command::new("kill").args(["-KILL", &main]).status().unwrap();
    assert!(killed.success());
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    eventually("its profile goes", || !profile.exists()).await;
    let mut another = source.pictures(&city, &sight);
    assert!(another.next().await.unwrap().is_ok());
}
