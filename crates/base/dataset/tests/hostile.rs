//! ZIP files and folders by people who mean harm.

use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sightscan_dataset::{Format, Limits, Source, ZipSource, import, open};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::{opened, png, read, sample, write_zip};

struct Packer(ZipWriter<fs_err::File>, PathBuf);

impl Packer {
    fn new(path: &Path) -> Self {
        Self(ZipWriter::new(fs_err::File::create(path).unwrap()), path.to_owned())
    }

    fn file(&mut self, name: &str, content: &[u8]) {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.0.start_file(name, options).unwrap();
        self.0.write_all(content).unwrap();
    }

    fn finish(self) -> PathBuf {
        self.0.finish().unwrap();
        self.1
    }
}

fn packed(folder: &Path, pack: impl FnOnce(&mut Packer)) -> PathBuf {
    let mut packer = Packer::new(&folder.join("hostile.zip"));
    pack(&mut packer);
    packer.finish()
}

fn faults(source: &dyn Source) -> String {
    source.problems().to_string()
}

#[test]
fn paths_that_lead_out_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = packed(folder.path(), |packer| {
        for name in
            ["../escape.txt", "/etc/cron.d/x", "a/../../b.txt", "C:\\x.txt", "..\\y.txt", "good/classes.txt"]
        {
            packer.file(name, b"x");
        }
    });
    let source = opened(&path);
    assert_eq!(source.paths(), ["good/classes.txt"]);
    assert_eq!(source.problems().total(), 5, "{}", faults(&*source));
    assert!(faults(&*source).contains("../escape.txt: the path leads out of the data set"));
    assert!(source.read("../escape.txt").is_err());
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn links_in_a_zip_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = packed(folder.path(), |packer| {
        packer.0.add_symlink("images/a.jpg", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        packer.file("classes.txt", b"a");
    });
    let source = opened(&path);
    assert_eq!(source.paths(), ["classes.txt"]);
    assert!(faults(&*source).contains("images/a.jpg: this is a link"), "{}", faults(&*source));
}

#[cfg(unix)]
#[test]
fn links_in_a_folder_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = tempfile::tempdir().unwrap();
    fs_err::write(secret.path().join("secret.txt"), "x").unwrap();
    let link = |name: &str, to: &Path| std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    link("classes.txt", &secret.path().join("secret.txt"));
    link("images", secret.path());
    link("loop", folder.path());
    fs_err::write(folder.path().join("real.txt"), "x").unwrap();
    let source = opened(folder.path());
    assert_eq!(source.paths(), ["real.txt"]);
    assert_eq!(source.problems().total(), 3, "{}", faults(&*source));
}

#[test]
fn a_bomb_is_refused_by_what_it_says_and_by_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = packed(folder.path(), |packer| {
        packer.file("labels/a.txt", &vec![b' '; 4 << 20]);
        packer.file("classes.txt", b"a");
    });
    assert!(fs_err::metadata(&path).unwrap().len() < 64 << 10, "it is a bomb");
    let refused = |limits: Limits| open(&path, limits).map(|_| ()).unwrap_err().to_string();
    assert!(
        refused(Limits { max_total_bytes: 1 << 20, ..Limits::default() }).contains("more than 1048576 bytes")
    );
    assert!(refused(Limits { max_files: 1, ..Limits::default() }).contains("more than 1 files"));
    let small = open(&path, Limits { max_file_bytes: 1 << 20, ..Limits::default() }).unwrap();
    assert!(small.read("labels/a.txt").unwrap_err().to_string().contains("labels/a.txt"));
    assert_eq!(small.read("classes.txt").unwrap(), b"a");
}

#[test]
fn a_file_that_is_larger_than_it_says_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let content = vec![b'a'; 1_000_003];
    let path = packed(folder.path(), |packer| packer.file("classes.txt", &content));
    let mut bytes = fs_err::read(&path).unwrap();
    let size = 1_000_003u32.to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
    }
    fs_err::write(&path, bytes).unwrap();
    // Refused as a whole or on reading, but never read in full.
    if let Ok(source) = ZipSource::open(&path, Limits::default()) {
        assert!(source.read("classes.txt").is_err());
    }
}

#[test]
fn what_is_no_zip_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    fs_err::write(&path, "no").unwrap();
    for path in [&path, &folder.path().join("missing.zip")] {
        let refused = open(path, Limits::default()).map(|_| ()).unwrap_err().to_string();
        assert!(
            refused.contains(&path.display().to_string()) && refused.contains("; name a folder or"),
            "{refused}"
        );
    }
}

#[test]
fn what_systems_leave_there_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = packed(folder.path(), |packer| {
        packer.file("__MACOSX/images/._a.png", b"x");
        packer.file("set/.DS_Store", b"x");
        packer.file("set/data.yaml", b"names: [a]");
        packer.file("set\\images\\a.png", &png(4, 4));
        packer.file("set\\labels\\a.txt", b"0 0.5 0.5 1 1");
    });
    let imported = read(Format::Yolo, &path);
    assert!(imported.problems.is_empty(), "{}", imported.problems);
    assert_eq!(imported.dataset.items[0].labels.boxes().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_to_a_zip_makes_an_import_panic(format in 0usize..4, place in 0.0..1.0f64, byte: u8, length in 0.0..1.0f64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let format = Format::ALL[format];
        write_zip(&sample(), format, &path);
        let mut bytes = fs_err::read(&path).unwrap();
        let at = (place * bytes.len() as f64) as usize;
        bytes[at] ^= byte;
        if length > 0.9 {
            bytes.truncate((length * bytes.len() as f64) as usize);
        }
        fs_err::write(&path, bytes).unwrap();
        if let Ok(source) = open(&path, Limits::default()) {
            for format in Format::ALL {
                import(format, source.clone()).ok();
            }
        }
    }
}
