//! `sightscan model …` and `sightscan engine list`.

use sightscan_testkit::tiny::plain_picture;

use crate::program::{failure_of, folder_with_model, sightscan, stdout_of};

#[test]
fn an_imported_model_is_known_by_name_version_and_export() {
    let (folder, model) = folder_with_model();
    let data = folder.path();
    fs_err::write(data.join("a.png"), plain_picture([128, 64, 255], 64, 64)).unwrap();
    let imported = stdout_of(sightscan(data).args(["model", "import", "--name", "street"]).arg(&model));
    assert!(imported.starts_with("street@1 imported"), "{imported}");
    let again = stdout_of(sightscan(data).args(["model", "import", "--name", "street"]).arg(&model));
    assert!(again.contains("imported before"), "{again}");
    assert!(stdout_of(sightscan(data).args(["model", "list"])).contains("street@1"));
    assert!(stdout_of(sightscan(data).args(["model", "show", "street@1"])).contains("family = \"yolov5\""));

    stdout_of(sightscan(data).args(["model", "export", "street", "--out", "elsewhere.onnx"]));
    let answers = [&["--model", "street"][..], &["--model", "street@1"], &["--model", "elsewhere.onnx"], &[]]
        .map(|reference| {
            let line = stdout_of(sightscan(data).args(["detect", "--json"]).args(reference).arg("a.png"));
            serde_json::from_str::<serde_json::Value>(&line).unwrap()["detections"].clone()
        });
    assert!(
        answers.iter().all(|answer| *answer == answers[0]) && answers[0].as_array().unwrap().len() == 1,
        "{answers:?}"
    );
    assert!(failure_of(sightscan(data).args(["detect", "--model", "stret", "a.png"])).contains("street"));
}

#[test]
fn engines_are_listed_with_their_versions() {
    let folder = tempfile::tempdir().unwrap();
    let list = stdout_of(sightscan(folder.path()).args(["engine", "list"]));
    assert!(list.contains("rten") && list.contains("onnxruntime"), "{list}");
}
