//! The real pictures, models and reference answers that tests read but that cannot be redistributed.

use std::path::{Path, PathBuf};

/// The path of a file or folder of the real data (`../shared/data` beside the repository), or `None` where
/// a developer does not have it; the test then says that it is skipped.
///
/// # Panics
/// Where the variable `CI` is set and the data is missing: a silent skip there would hide a failure.
pub fn data(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the test data {relative} is missing: put the data folder at ../shared/data beside the repository"
    );
    skipped(&format!("the test data {relative} is not at ../shared/data beside the repository"));
    None
}

/// The interpreter that has the libraries of other implementations, or `None` where a developer has none; the test then
/// says that it is skipped.
///
/// # Panics
/// Where the variable `CI` is set and there is none.
pub fn python() -> Option<PathBuf> {
    let found = std::env::var_os("SIGHTSCAN_TEST_PYTHON").map(PathBuf::from);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "SIGHTSCAN_TEST_PYTHON is not set; run scripts/test");
        skipped("SIGHTSCAN_TEST_PYTHON is not set; run scripts/test");
    }
    found
}

/// A script that asks another implementation.
pub fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("references").join(name)
}

#[expect(clippy::print_stderr, reason = "the person who runs the tests must see what was not tested")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// All files with this ending in a folder of the real data, sorted by name.
pub fn pictures(relative: &str, ending: &str) -> Option<Vec<PathBuf>> {
    let folder = data(relative)?;
    let mut files: Vec<PathBuf> = fs_err::read_dir(folder)
        .expect("the data folder is readable")
        .map(|entry| entry.expect("the data folder is readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    Some(files)
}

/// The share of an issue's figures that this run repeats: `SIGHTSCAN_TEST_SCALE`, 0.1 unless set.
pub fn scale() -> f64 {
    std::env::var("SIGHTSCAN_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(0.1)
}
