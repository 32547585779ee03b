//! Pools of real processes, and of machines.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod ec2;
#[cfg(feature = "cloud")]
mod kubernetes;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sightscan_fleet::{Driver, Error, PoolConfig, ProcessDriver, Program, State};

/// A program that waits to be ended, and ends once it is not busy. Files beside its report say when it hears signals
/// and how long it is busy. None outlives its folder.
fn waiting() -> Program {
    let script = r#"trap 'while [ -e "$1.busy" ]; do sleep 0.02; done; exit 0' TERM
        : > "$1.ready"
        while [ -d "${1%/*}" ]; do sleep 0.05; done"#;
    let arguments = ["-c", script, "worker"].map(Into::into).to_vec();
    Program { file: "/bin/sh".into(), arguments, without: Vec::new() }
}

fn driver(folder: &Path) -> ProcessDriver {
    ProcessDriver::new(&PoolConfig::default(), waiting(), folder).unwrap()
}

async fn until(driver: &ProcessDriver, count: usize) {
    let begun = Instant::now();
    while driver.members().await.unwrap().len() != count {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", driver.members().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until these workers hear what is said to them.
async fn ready(folder: &Path, ids: &[String]) {
    let begun = Instant::now();
    while !ids.iter().all(|id| folder.join(format!("{id}.ready")).exists()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{ids:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn pid_of(folder: &Path, id: &str) -> u32 {
    let report: serde_json::Value = serde_json::from_slice(&fs_err::read(folder.join(id)).unwrap()).unwrap();
    u32::try_from(report["pid"].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn workers_are_known_to_whoever_comes_later_and_end_when_they_are_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let first = driver(folder.path());
    first.start(3).await.unwrap();
    let members = first.members().await.unwrap();
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|member| member.state == State::Starting));
    // Another controller, or this one after a crash.
    let second = driver(folder.path());
    assert_eq!(second.members().await.unwrap(), members);
    let ids: Vec<String> = members.iter().map(|member| member.id.clone()).collect();
    ready(folder.path(), &ids).await;
    let busy: Vec<_> = ids[..2].iter().map(|id| folder.path().join(format!("{id}.busy"))).collect();
    for path in &busy {
        fs_err::write(path, "").unwrap();
    }
    second.drain(&ids[..2]).await.unwrap();
    let states: Vec<State> = second.members().await.unwrap().iter().map(|member| member.state).collect();
    assert_eq!(
        states.iter().filter(|&&state| state == State::Draining).count(),
        2,
        "they finish what they have"
    );
    for path in &busy {
        fs_err::remove_file(path).unwrap();
    }
    until(&first, 1).await;
    first.drain(&ids).await.unwrap();
    until(&first, 0).await;
}

#[tokio::test]
async fn a_worker_that_was_killed_is_none_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let driver = driver(folder.path());
    driver.start(2).await.unwrap();
    let members = driver.members().await.unwrap();
    let pid = pid_of(folder.path(), &members[0].id);
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    until(&driver, 1).await;
    assert_eq!(driver.members().await.unwrap()[0].id, members[1].id);
    driver.drain(&[members[1].id.clone()]).await.unwrap();
    until(&driver, 0).await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed_and_one_that_is_heard_of_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let silence = Duration::from_secs(1);
    let driver = driver(folder.path()).with_silence(silence);
    driver.start(2).await.unwrap();
    let (hangs, lives) = (0, 1);
    let ids: Vec<String> = driver.members().await.unwrap().into_iter().map(|member| member.id).collect();
    let report = |id: &str| fs_err::read_to_string(folder.path().join(id)).unwrap();
    // Both are busy, and one of them hears nothing any more.
    for id in &ids {
        fs_err::write(folder.path().join(id), report(id).replace("starting", "busy")).unwrap();
    }
    assert!(
        Command::new("kill")
            .args(["-STOP", &pid_of(folder.path(), &ids[hangs]).to_string()])
            .status()
            .unwrap()
            .success()
    );
    let begun = Instant::now();
    loop {
        fs_err::write(folder.path().join(&ids[lives]), report(&ids[lives])).unwrap();
        let heard = Instant::now();
        if driver.members().await.unwrap().len() == 1 {
            break;
        }
        let mut overdue = driver.overdue();
        assert!(begun.elapsed() < Duration::from_secs(60), "{overdue:?}");
        // Unless this process stood still, and nobody was heard of.
        assert!(!overdue.contains(&ids[lives]) || heard.elapsed() > silence);
        overdue.retain(|id| *id == ids[hangs]);
        driver.drain(&overdue).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= silence, "not before");
    assert_eq!(driver.members().await.unwrap()[0].id, ids[lives]);
    driver.drain(&ids).await.unwrap();
    until(&driver, 0).await;
}

#[tokio::test]
async fn a_limit_holds_or_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("test-{}", std::process::id());
    let config =
        PoolConfig { name: name.clone(), cpus: Some(0.25), memory_mb: Some(64), ..PoolConfig::default() };
    let busy = Program {
        arguments: ["-c", "while true; do :; done", "worker"].map(Into::into).to_vec(),
        ..waiting()
    };
    let driver = match ProcessDriver::new(&config, busy, folder.path()) {
        Ok(driver) => driver,
        // Where control groups cannot be made nothing is started that is not limited.
        Err(error) => {
            assert!(matches!(&error, Error::NoLimits { .. }) && error.to_string().contains(&name), "{error}");
            return;
        }
    };
    driver.start(1).await.unwrap();
    let id = driver.members().await.unwrap()[0].id.clone();
    let pid = pid_of(folder.path(), &id);
    let groups = fs_err::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mine = format!("sightscan-{name}/{id}");
    assert!(groups.contains(&mine), "{groups}");
    // Where the kernel keeps the limit of memory: version 1, or 2.
    let root = std::path::Path::new("/sys/fs/cgroup");
    let files =
        [root.join("memory").join(&mine).join("memory.limit_in_bytes"), root.join(&mine).join("memory.max")];
    let memory = files.iter().find_map(|file| fs_err::read_to_string(file).ok()).unwrap();
    assert_eq!(memory.trim(), (64 << 20).to_string());
    // The kernel counts in 100 ms: of two seconds it gives half a one.
    let used = || cpu_seconds(pid);
    let (before, begun) = (used(), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let share = (used() - before) / begun.elapsed().as_secs_f64();
    assert!(share < 0.4, "{share} of a processor, with a limit of 0.25");
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    until(&driver, 0).await;
}

/// Seconds of processor time of a process (fields 14 and 15 of `/proc/PID/stat`, in hundredths).
fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
