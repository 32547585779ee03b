//! `sightscan train`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{failure_of, sightscan, stdout_of};

/// A training of a few seconds from pictures of an invented city.
fn training(data: &Path, out: &str) -> Command {
    let mut command = sightscan(data);
    command.args(["train", "--scenes", "tower,wheel", "--weights", "none", "--size", "32", "--epochs", "3"]);
    command.args(["--pictures", "12", "--batch", "4", "--out", out]);
    command
}

#[test]
fn a_training_that_is_killed_goes_on_to_the_same_detector() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let said = stdout_of(&mut training(data, "whole"));
    assert!(!said.contains("windmill") && said.contains("tower") && said.contains("model.onnx"), "{said}");
    let mut child = training(data, "parts").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("epoch   1: ")));
    child.kill().unwrap();
    child.wait().unwrap();
    stdout_of(training(data, "parts").arg("--resume"));
    let weights = |out: &str| fs_err::read(data.join(out).join("weights.safetensors")).unwrap();
    assert!(weights("whole") == weights("parts"));
    for file in [
        "config.toml",
        "history.json",
        "metrics.json",
        "curves.svg",
        "precision_recall.svg",
        "confusion.svg",
        "validation.jpg",
    ] {
        assert!(data.join("parts").join(file).metadata().unwrap().len() > 100, "{file}");
    }
}

#[test]
fn what_cannot_be_trained_is_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let told = |arguments: &[&str]| {
        failure_of(sightscan(folder.path()).args(["train", "--out", "run"]).args(arguments))
    };
    let none = ["--weights", "none"];
    assert!(told(&[&none[..], &["--scenes", "tower", "--size", "100"]].concat()).contains("use 96 or 128"));
    // Where it was built with them, another processor may be there.
    if cfg!(not(feature = "gpu")) {
        let gpu = told(&[&none[..], &["--scenes", "tower", "--size", "32", "--device", "gpu"]].concat());
        assert!(gpu.contains("--features gpu") && gpu.contains("--device cpu"), "{gpu}");
    }
    assert!(told(&[&none[..], &["--data", "nowhere"]].concat()).contains("nowhere"));
    assert!(
        told(&["--weights", "weights.txt", "--scenes", "tower"]).contains("there is no model `weights.txt`")
    );
    assert!(!folder.path().join("run").exists());
}
