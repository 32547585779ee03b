//! `sightscan export` and `import`: labelled pictures between cities and other programs.

use std::path::{Path, PathBuf};

use crate::program::{failure_of, stdout_of};
use crate::roles::role;

/// The line that other programs write for a box in the middle of a picture.
const LINE: &str = "0 0.5 0.5 0.25 0.25\n";

/// Two labelled pictures in YOLO's format: one with a box, one with nothing.
fn labelled_pictures(data: &Path) -> PathBuf {
    let path = data.join("mine");
    for folder in ["images", "labels"] {
        fs_err::create_dir_all(path.join(folder)).unwrap();
    }
    fs_err::write(path.join("data.yaml"), "names: [Brandenburger Tor]\n").unwrap();
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for (name, line) in [("quadrants-restarts.jpg", LINE), ("quadrants-progressive.jpg", "")] {
        fs_err::copy(pictures.join(name), path.join("images").join(name)).unwrap();
        fs_err::write(path.join("labels").join(name).with_extension("txt"), line).unwrap();
    }
    path
}

#[test]
fn row_27_labels_go_in_and_out_of_cities_from_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    labelled_pictures(data);
    let run = |verb: &str, arguments: &[&str]| stdout_of(role(data, verb).args(arguments));
    let told = run("import", &["Berlin", "mine", "--licence", "CC0-1.0", "--author", "Ada", "--by", "ada"]);
    assert_eq!(told, "2 pictures, 2 of them new: 1 labelled, 1 negatives; 2 new labellings\n");
    let told = run("import", &["berlin", "mine", "--licence", "CC0-1.0"]);
    assert_eq!(told, "2 pictures, 0 of them new: 1 labelled, 1 negatives; 0 new labellings\n");
    for format in ["yolo", "coco", "voc", "label-studio"] {
        let zip = format!("{format}.zip");
        let told = run("export", &["Berlin", &zip, "--format", format, "--only", "human"]);
        assert_eq!(told, format!("2 pictures: 1 labelled, 1 negatives; classes: 1; written to {zip}\n"));
        let told = run("import", &["Rome", &zip]);
        assert!(told.starts_with("2 pictures") && !told.contains("quarantined"), "{told}");
    }
    run("export", &["ROME", "rome", "--split", "1,1"]);
    let labels = ["train", "val"].map(|split| data.join("rome/labels").join(split));
    let files = labels.iter().flat_map(|folder| fs_err::read_dir(folder).unwrap());
    let mut lines: Vec<String> =
        files.map(|file| fs_err::read_to_string(file.unwrap().path()).unwrap()).collect();
    lines.sort();
    assert_eq!(lines, ["", LINE]);
    let attribution = fs_err::read_to_string(data.join("rome/attribution.csv")).unwrap();
    assert!(attribution.contains(",mine/quadrants-restarts.jpg,,Ada,CC0-1.0,\n"), "{attribution}");
}

#[test]
fn what_is_wrong_with_an_exchange_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mine = labelled_pictures(data);
    fs_err::write(mine.join("images/quadrants-progressive.jpg"), "<html>").unwrap();
    let failure = |verb: &str, arguments: &[&str]| failure_of(role(data, verb).args(arguments));
    assert!(failure("export", &["Atlantis", "out"]).contains("there is no city `Atlantis`"));
    let output = role(data, "import").args(["Berlin", "mine"]).output().unwrap();
    let (told, problems) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(told.ends_with("; 1 quarantined for their licence; 1 problems\n"), "{told}");
    assert!(problems.contains("quadrants-progressive.jpg"), "{problems}");
    assert!(failure("export", &["Berlin", "mine"]).contains("is there already"));
    assert!(failure("import", &["Berlin", "nowhere.zip"]).contains("nowhere.zip"));
    let refused = role(data, "export").args(["Berlin", "out", "--format", "csv"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
