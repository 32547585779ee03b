//! `sightscan detect`.

use sightscan_testkit::tiny::plain_picture;
use sightscan_types::PictureReport;

use crate::program::{failure_of, folder_with_model, output_with_input, sightscan, stdout_of};

#[test]
fn json_has_a_line_a_picture_in_the_order_of_the_arguments() {
    let (folder, model) = folder_with_model();
    for (name, red) in [("b.png", 51), ("a.png", 102), ("c.png", 204)] {
        fs_err::write(folder.path().join(name), plain_picture([red, 255, 204], 100, 50)).unwrap();
    }
    let mut command = sightscan(folder.path());
    let lines = stdout_of(
        command.args(["detect", "--json", "--model"]).arg(&model).args(["c.png", "a.png", "b.png"]),
    );
    let reports: Vec<PictureReport> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let widths: Vec<f32> =
        reports.iter().map(|report| report.findings.detections()[0].bounds.width.round()).collect();
    assert_eq!(widths, [80.0, 40.0, 20.0]);
    assert_eq!(reports[0].image, "c.png");
    assert_eq!((reports[0].width, reports[0].height), (100, 50));
    assert_eq!(reports[0].model, "colour_box");
    let first = &reports[0].findings.detections()[0];
    assert_eq!(first.label, "colour");
    assert!((first.confidence - 0.8).abs() < 0.01 && (first.bounds.height - 50.0).abs() < 0.5, "{first:?}");
}

#[test]
fn a_bad_file_is_reported_and_the_rest_goes_on() {
    let (folder, model) = folder_with_model();
    fs_err::write(folder.path().join("good.png"), plain_picture([128, 128, 255], 40, 40)).unwrap();
    fs_err::write(folder.path().join("text.jpg"), "not a picture").unwrap();
    let mut command = sightscan(folder.path());
    command.args(["detect", "--json", "--model"]).arg(&model).args(["missing.jpg", "text.jpg", "good.png"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(complaints.contains("missing.jpg") && complaints.contains("text.jpg"), "{complaints}");
}

#[test]
fn a_picture_on_standard_input_and_a_drawn_copy() {
    let (folder, model) = folder_with_model();
    let mut command = sightscan(folder.path());
    command.args(["detect", "--annotate", "drawn", "--model"]).arg(&model).arg("-");
    let output = output_with_input(&mut command, &plain_picture([200, 200, 255], 300, 200));
    assert!(output.status.success());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("300x200") && table.contains("colour"), "{table}");
    let drawn = fs_err::read(folder.path().join("drawn/stdin.jpg")).unwrap();
    let picture = sightscan_engine::decode::decode(&drawn, &sightscan_engine::Limits::default()).unwrap();
    assert_eq!((picture.width, picture.height), (300, 200));
}

#[test]
fn drawn_copies_replace_neither_each_other_nor_the_pictures() {
    let (folder, model) = folder_with_model();
    let picture = sightscan_engine::Picture { width: 40, height: 40, rgb: vec![200; 3 * 40 * 40] };
    let jpeg =
        sightscan_engine::annotate::encode(&picture, sightscan_engine::annotate::Encoding::Jpeg).unwrap();
    for place in ["a", "b"] {
        fs_err::create_dir(folder.path().join(place)).unwrap();
        fs_err::write(folder.path().join(place).join("x.jpg"), &jpeg).unwrap();
    }
    let detect = |drawn: &str| {
        let mut command = sightscan(folder.path());
        command.args(["detect", "--max-megapixels", "99999999999999999", "--annotate", drawn, "--model"]);
        command.arg(&model).args(["a", "b"]);
        command
    };
    stdout_of(&mut detect("drawn"));
    assert!(folder.path().join("drawn/x.jpg").is_file() && folder.path().join("drawn/x-2.jpg").is_file());
    let complaint = failure_of(&mut detect("b"));
    assert!(complaint.contains("is one of the pictures"), "{complaint}");
    assert_eq!(fs_err::read(folder.path().join("b/x.jpg")).unwrap(), jpeg);
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_do() {
    let (folder, model) = folder_with_model();
    fs_err::write(folder.path().join("a.png"), plain_picture([1, 2, 3], 8, 8)).unwrap();
    let model = model.to_str().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["detect", "--model", "nowhere", "a.png"], "sightscan model import"),
        (&["detect", "--model", "nowhere.onnx", "a.png"], "no such file"),
        (&["detect", "--model", model, "--only", "tower", "a.png"], "it knows colour"),
        (&["detect", "--model", model, "--confidence", "30", "a.png"], "between 0 and 1"),
        (&["detect", "--model", model, "--max", "0", "a.png"], "at least 1"),
        (&["detect", "--model", model, "--family", "yolov8", "a.png"], "another `family`"),
        (&["detect", "--model", model, "nothing-*.png"], "no file matches"),
    ];
    for (arguments, hint) in cases {
        let complaint = failure_of(sightscan(folder.path()).args(arguments));
        assert!(complaint.contains(hint), "{arguments:?}: {complaint}");
    }
}

/// A picture of the invented city by the size that the album has.
#[test]
fn without_a_model_the_one_that_comes_with_the_program_looks() {
    let folder = tempfile::tempdir().unwrap();
    let album = sightscan_dataset::Album::new().unwrap();
    let page = album.page(album.next_showing(sightscan_dataset::Landmark::Arch, 11).unwrap()).unwrap();
    fs_err::write(folder.path().join("scene.png"), page.file).unwrap();
    let told = stdout_of(sightscan(folder.path()).args(["detect", "--json", "scene.png"]));
    assert!(told.contains("\"model\":\"landmarks\"") && told.contains("\"label\":\"arch\""), "{told}");
    assert!(stdout_of(sightscan(folder.path()).args(["model", "show", "landmarks"])).contains("obelisk"));
}

#[test]
fn every_verb_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for verb in
        ["demo", "detect", "serve", "load", "model import", "model pull", "engine install", "completions"]
    {
        let help = stdout_of(sightscan(folder.path()).args(verb.split(' ')).arg("--help"));
        assert!(help.contains("Usage: sightscan"), "{verb}: {help}");
    }
}
