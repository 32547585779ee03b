//! What the flags of `train` become.

use std::path::{Path, PathBuf};

use clap::Parser;
use sightscan_dataset::{Dataset, FolderSink, Format, Labels, Split, export};
use sightscan_train::{Config, Error, Flags, OptimiserKind, Sets, Start};

use crate::squares::squares;

/// As the program reads them.
#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    flags: Flags,
}

fn parsed(arguments: &[&str]) -> Result<Flags, String> {
    let parsed = Program::try_parse_from(["train"].iter().chain(arguments));
    parsed.map(|program| program.flags).map_err(|error| error.to_string())
}

fn flags(arguments: &[&str]) -> Flags {
    parsed(&[&["--weights", "none", "--out", "run"], arguments].concat()).unwrap()
}

/// A folder of labelled squares in the form of YOLO.
fn folder(root: &Path, name: &str, set: &Dataset) -> PathBuf {
    let path = root.join(name);
    export(set, Format::Yolo, FolderSink::create(&path).unwrap()).unwrap();
    path
}

fn sets(arguments: &[&str]) -> Result<Sets, Error> {
    flags(arguments).sets(&Config::default())
}

fn counts(sets: &Sets) -> (usize, usize) {
    (sets.examples.count(), sets.validation.items.len())
}

#[test]
fn settings_are_those_of_the_file_or_of_what_goes_on_and_flags_count_more() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("settings.toml");
    fs_err::write(&file, "epochs = 7\nbatch = 3\noptimiser = \"adamw\"\nseed = 9\n").unwrap();
    let with =
        |more: &[&str]| flags(&[&["--data", "x", "--settings", file.to_str().unwrap()], more].concat());
    let config = with(&["--epochs", "8", "--size", "96", "--freeze"]).config().unwrap();
    assert_eq!((config.epochs, config.batch, config.size, config.seed), (8, 3, 96, 9));
    assert!(config.freeze_backbone && config.optimiser == OptimiserKind::AdamW);
    assert_eq!(flags(&["--data", "x"]).config().unwrap(), Config::default());
    fs_err::rename(&file, root.path().join("config.toml")).unwrap();
    let out = root.path().to_str().unwrap();
    let goes_on =
        parsed(&["--data", "x", "--weights", "none", "--out", out, "--resume", "--seed", "1"]).unwrap();
    let config = goes_on.config().unwrap();
    assert_eq!((config.epochs, config.seed), (7, 1));
    fs_err::write(root.path().join("config.toml"), "epoch = 7\n").unwrap();
    let error = goes_on.config().unwrap_err().to_string();
    assert!(error.contains("config.toml") && error.contains("epoch"), "{error}");
}

#[test]
fn a_city_is_trained_by_the_configuration_and_all_else_by_flags() {
    assert_eq!(
        parsed(&["Berlin", "--epochs", "3", "--min-images", "5"]).unwrap().city.as_deref(),
        Some("Berlin")
    );
    for mixed in [&["Berlin", "--data", "x"][..], &["Berlin", "--size", "320"], &["--data", "x"], &[]] {
        parsed(mixed).unwrap_err();
    }
    let error = parsed(&["--data", "x", "--weights", "none", "--out", "y", "--min-images", "5"]).unwrap_err();
    assert!(error.contains("--min-images"), "{error}");
    assert!(matches!(flags(&["--data", "x"]).base().unwrap().start, Start::Nothing(_)));
}

#[test]
fn pictures_to_judge_by_are_listed_or_elsewhere_or_marked_or_a_fifth() {
    let root = tempfile::tempdir().unwrap();
    let all = folder(root.path(), "all", &squares(0..20));
    let all = all.to_str().unwrap();
    let list = root.path().join("val.txt");
    fs_err::write(&list, "images/003.jpg\n007\n\nunknown.png\n").unwrap();
    let listed = sets(&["--data", all, "--val", list.to_str().unwrap()]).unwrap();
    assert_eq!(counts(&listed), (18, 2));
    let mut names: Vec<_> = listed.validation.items.iter().map(|item| item.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["003.png", "007.png"]);
    fs_err::write(&list, "unknown.png\n").unwrap();
    let none = sets(&["--data", all, "--val", list.to_str().unwrap()]).err().unwrap();
    assert!(matches!(none, Error::NoneNamed(_)), "{none}");

    let other = folder(root.path(), "other", &squares(30..33));
    assert_eq!(counts(&sets(&["--data", all, "--val", other.to_str().unwrap()]).unwrap()), (20, 3));
    let fifth = sets(&["--data", all]).unwrap();
    assert_eq!(fifth.classes, ["red", "green"]);
    let (train, validation) = counts(&fifth);
    assert!(train + validation == 20 && (2..=6).contains(&validation), "{train} and {validation}");

    let mut marked = squares(0..10);
    for (number, item) in marked.items.iter_mut().enumerate() {
        let split =
            [Split::Train, Split::Validation, Split::Test][usize::from(number > 5) + usize::from(number > 7)];
        item.split = Some(split);
    }
    let marked = folder(root.path(), "marked", &marked);
    assert_eq!(
        counts(&sets(&["--data", marked.to_str().unwrap()]).unwrap()),
        (6, 2),
        "what is for testing is left out"
    );
}

#[test]
fn pictures_to_judge_by_that_nobody_has_labelled_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let all = folder(root.path(), "all", &squares(0..4));
    let mut unlabelled = squares(4..6);
    unlabelled.items.iter_mut().for_each(|item| item.labels = Labels::Unlabelled);
    let unlabelled = folder(root.path(), "unlabelled", &unlabelled);
    let refused =
        sets(&["--data", all.to_str().unwrap(), "--val", unlabelled.to_str().unwrap()]).err().unwrap();
    assert!(matches!(refused, Error::NothingToJudgeBy(_)), "{refused}");
}
