//! The rules of `deploy/`: what is built, started and opened there is checked where no container engine and no cloud is.

mod cloud;
mod compose;
mod dockerfile;
mod kubernetes;
mod scripts;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Roles that have an image: the last stages of the Dockerfile.
const ROLES: &[&str] =
    &["api", "serve", "worker-detect", "worker-jobs", "worker-train", "scheduler", "up", "course"];

/// The version of the program, which is the tag of its images.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs_err::read_to_string(root().join(path)).unwrap()
}

/// Every document of a YAML file.
fn documents<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = fs_err::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The files that belong to the repository, by their paths in it.
fn tracked() -> Vec<String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = list.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The interpreter with the checkers of `scripts/requirements.txt`, or `None` where a developer has none.
fn python() -> Option<PathBuf> {
    let found = std::env::var_os("SIGHTSCAN_TEST_PYTHON").map(PathBuf::from);
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "SIGHTSCAN_TEST_PYTHON is not set; run scripts/test"
    );
    found
}

/// Fails with what a checker says.
fn must_agree(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}:\n{told}");
}

/// The parts of a value at any depth that have this key.
fn under<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let children: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let deeper = children.into_iter().flat_map(|child| under(child, key));
    value.get(key).into_iter().chain(deeper).collect()
}

/// Whether an image's tag says which version it is: `17`, `latest` and none do not.
fn is_pinned(image: &str) -> bool {
    let (_, tag) = image.rsplit_once('/').unwrap_or(("", image)).1.split_once(':').unwrap_or(("", ""));
    let is_version = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() > 1 && parts.iter().all(|part| part.parse::<u64>().is_ok())
    };
    let is_day = |word: &str| word.starts_with("20") && word.contains('T');
    image.contains("@sha256:") || tag.split('-').any(is_version) || tag.split('.').any(is_day)
}

#[test]
fn w_s17_tags_that_say_no_version_are_told_apart() {
    for good in [
        "debian:12.11-slim",
        "rust:1.95.0-slim-bookworm",
        "minio/minio:RELEASE.2025-04-22T22-12-26Z",
        "host:5000/a@sha256:0",
    ] {
        assert!(is_pinned(good), "{good}");
    }
    for bad in ["ubuntu", "postgres:latest", "python:3", "node:lts", "nvcr.io/nvidia/pytorch", "host:5000/a"]
    {
        assert!(!is_pinned(bad), "{bad}");
    }
}
