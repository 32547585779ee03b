//! The library of ONNX Runtime, really obtained through pip, and really used.

use std::process::Command;
use std::sync::Arc;

use sightscan_engine::model::folder::DATA_VARIABLE;
use sightscan_engine::runtime::install::{self, InstallError, VERSION};
use sightscan_engine::runtime::{self, TensorView, available_threads, onnxruntime};
use sightscan_engine::{EngineChoice, RuntimeKind};

use crate::tiny;

/// Needs a package index or pip's cache; takes a few seconds, most of them to unpack.
#[test]
fn network_the_installed_library_is_found_and_computes() {
    let data = tempfile::tempdir().unwrap();
    let steps = std::cell::RefCell::new(Vec::new());
    let installed = match install::install(data.path(), |step| steps.borrow_mut().push(step.to_owned())) {
        Err(error @ InstallError::Offline { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            return;
        }
        outcome => outcome.unwrap(),
    };
    assert_eq!(installed.path, data.path().join(format!("lib/libonnxruntime.so.{VERSION}")));
    assert_eq!(installed.version, VERSION);
    assert_eq!(steps.borrow().len(), 3);
    assert_eq!(fs_err::read_dir(data.path().join("lib")).unwrap().count(), 1, "nothing else is left");

    // A process loads one library in its life, so another one must show that this one is found.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "install::finds_the_library_of_its_data_folder",
        "--include-ignored",
        "--nocapture",
    ]);
    child.env(DATA_VARIABLE, data.path()).env_remove(onnxruntime::PATH_VARIABLE);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn finds_the_library_of_its_data_folder() {
    let library = onnxruntime::library().unwrap();
    assert!(library.path.starts_with(std::env::var_os(DATA_VARIABLE).unwrap()), "{library:?}");
    assert_eq!(library.version, VERSION);

    let program =
        runtime::compile(EngineChoice::Auto, Arc::from(tiny::classifier(&["a", "b", "c"]))).unwrap();
    assert_eq!(program.runtime(), RuntimeKind::OnnxRuntime);
    let mut network = program.instance(available_threads()).unwrap();
    let mut answer = Vec::new();
    let input = TensorView { shape: &[1, 3, 32, 32], data: &[0.5; 3 * 32 * 32] };
    network.run(input, &mut |outputs| answer = outputs[0].data.to_vec()).unwrap();
    assert_eq!(answer, [0.5; 3]);
}
