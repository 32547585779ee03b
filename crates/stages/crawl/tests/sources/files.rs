//! Pictures in folders and archives, and addresses in files.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sightscan_crawl::sources::{Addresses, Folder, FolderConfig};
use sightscan_crawl::{Candidate, Picture};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{address, gate, named, pictures};

/// A folder with these files, which hold their names.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, name).unwrap();
    }
    folder
}

fn archive(folder: &TempDir, files: &[(&str, &[u8])]) -> std::path::PathBuf {
    let path = folder.path().join("pictures.zip");
    let mut writer = ZipWriter::new(fs_err::File::create(&path).unwrap());
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn of(path: &Path) -> Folder {
    Folder::new(FolderConfig { max_bytes: 1_000_000, ..FolderConfig::new(path.to_owned()) })
}

/// The names of files, and what is in them.
fn contents(candidates: &[Candidate], root: &Path) -> Vec<(String, String)> {
    let prefix = format!("{}/", root.display());
    let content = |candidate: &Candidate| match &candidate.picture {
        Picture::Here(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Picture::At(url) => panic!("{url} is no file"),
    };
    let name = |candidate: &Candidate| candidate.source.strip_prefix(&prefix).unwrap().to_owned();
    candidates.iter().map(|candidate| (name(candidate), content(candidate))).collect()
}

#[tokio::test]
async fn a_folder_has_the_pictures_of_a_sight_in_order() {
    let folder = folder(&[
        "Brandenburg Gate/2.jpg",
        "Brandenburg Gate/1.png",
        "Brandenburg Gate/notes.txt",
        "Brandenburg Gate/.hidden.jpg",
        "Tower/1.jpg",
        "brandenburg_gate_7.webp",
        "deep/er/Q82425/3.jpeg",
    ]);
    let candidates = pictures(&of(folder.path()), &gate()).await;
    let names = [
        "Brandenburg Gate/1.png",
        "Brandenburg Gate/2.jpg",
        "brandenburg_gate_7.webp",
        "deep/er/Q82425/3.jpeg",
    ];
    assert_eq!(contents(&candidates, folder.path()), names.map(|name| (name.to_owned(), name.to_owned())));
    assert_eq!((&candidates[0].licence, &candidates[0].author), (&None, &None));
}

#[tokio::test]
async fn the_settings_say_licence_and_author() {
    let folder = folder(&["Brandenburg Gate/1.jpg"]);
    let mut config = FolderConfig::new(folder.path().to_owned());
    (config.licence, config.author) = (Some("CC BY 4.0".to_owned()), Some("Ann".to_owned()));
    let [candidate] = &pictures(&Folder::new(config), &gate()).await[..] else { panic!("not one") };
    assert_eq!(candidate.licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(candidate.licence_url.as_deref(), Some("https://creativecommons.org/licenses/by/4.0/"));
    assert_eq!(candidate.author.as_deref(), Some("Ann"));
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_not_followed() {
    let outside = folder(&["secret.jpg"]);
    let folder = folder(&["Brandenburg Gate/1.jpg"]);
    let gate_folder = folder.path().join("Brandenburg Gate");
    std::os::unix::fs::symlink(outside.path().join("secret.jpg"), gate_folder.join("2.jpg")).unwrap();
    std::os::unix::fs::symlink(folder.path(), gate_folder.join("circle")).unwrap();
    assert_eq!(pictures(&of(folder.path()), &gate()).await.len(), 1);
}

#[tokio::test]
async fn an_archive_has_pictures_too() {
    let folder = folder(&[]);
    let files: [(&str, &[u8]); 4] = [
        ("all/Brandenburg Gate/1.jpg", b"one"),
        ("all/Tower/1.jpg", b"other"),
        ("__MACOSX/all/Brandenburg Gate/1.jpg", b"attributes"),
        ("../Brandenburg Gate/2.jpg", b"two"),
    ];
    let path = archive(&folder, &files);
    let candidates = pictures(&of(&path), &gate()).await;
    let read: Vec<_> = contents(&candidates, &path).into_iter().map(|(_, content)| content).collect();
    assert_eq!(read, ["one"], "paths that lead out are passed over");
    let files: Vec<_> =
        fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["pictures.zip"], "nothing is unpacked to the disk");
}

#[tokio::test]
async fn bombs_and_large_files_are_passed_over() {
    let folder = folder(&[]);
    let (bomb, noise) = (vec![0; 900_000], noise(1_000_001));
    let files: [(&str, &[u8]); 3] =
        [("Q82425/1.jpg", &bomb), ("Q82425/2.jpg", &noise), ("Q82425/3.jpg", &noise[..1000])];
    let path = archive(&folder, &files);
    let candidates = pictures(&of(&path), &gate()).await;
    let [Candidate { picture: Picture::Here(bytes), .. }] = &candidates[..] else { panic!("{candidates:?}") };
    assert_eq!(bytes.len(), 1000);
}

#[tokio::test]
async fn an_archive_that_lies_about_sizes_is_not_believed() {
    let folder = folder(&[]);
    let noise = noise(1_500_000);
    let path = archive(&folder, &[("Q82425/1.jpg", &noise)]);
    let mut bytes = fs_err::read(&path).unwrap();
    let size = 1_500_000_u32.to_le_bytes();
    let lie = 5_000_u32.to_le_bytes();
    while let Some(at) = bytes.windows(4).position(|window| window == size) {
        bytes[at..at + 4].copy_from_slice(&lie);
    }
    fs_err::write(&path, bytes).unwrap();
    assert_eq!(pictures(&of(&path), &gate()).await, []);
}

/// Bytes that cannot be packed.
fn noise(count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(count).collect()
}

#[tokio::test]
async fn what_is_no_archive_is_told() {
    let folder = folder(&["pictures.zip"]);
    for (path, word) in [("pictures.zip", "a folder or a ZIP file"), ("missing", "missing")] {
        let (_, error) = named(&of(&folder.path().join(path)), &gate()).await;
        let error = error.unwrap();
        assert!(!error.is_transient() && error.to_string().contains(word), "{error}");
    }
}

async fn of_list(text: &str) -> Result<Vec<Candidate>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("addresses.csv");
    fs_err::write(&path, text).unwrap();
    let (candidates, error) = named(&Addresses::new(path), &gate()).await;
    error.map_or(Ok(candidates), |error| Err(error.to_string()))
}

#[tokio::test]
async fn addresses_are_read_from_a_text_file() {
    let text = "# mine\nhttps://example.org/1.jpg\r\n\nhttps://example.org/2.jpg\n";
    let candidates = of_list(text).await.unwrap();
    let addresses: Vec<_> = candidates.iter().map(address).collect();
    assert_eq!(addresses, ["https://example.org/1.jpg", "https://example.org/2.jpg"]);
    assert_eq!(candidates[0].licence, None);
}

#[tokio::test]
async fn columns_say_sight_licence_and_author() {
    let text = "author,license,url,sight\n\"Ann, B.\",cc by 4.0,https://example.org/1.jpg,BRANDENBURG-GATE\n\
                ,,https://example.org/2.jpg,Tower\n,GFDL,https://example.org/3.jpg,\n";
    let candidates = of_list(text).await.unwrap();
    let [first, last] = &candidates[..] else { panic!("{candidates:?}") };
    assert_eq!(first.licence.as_deref(), Some("CC-BY-4.0"));
    assert_eq!(first.author.as_deref(), Some("Ann, B."));
    assert_eq!((last.source.as_str(), last.licence.as_deref()), ("https://example.org/3.jpg", Some("GFDL")));
    let plain =
        of_list("https://example.org/1.jpg,Brandenburg Gate,CC0,Ann,https://example.org/gate").await.unwrap();
    assert_eq!(plain[0].page_url.as_deref(), Some("https://example.org/gate"));
    assert_eq!(plain[0].licence.as_deref(), Some("CC0-1.0"));
}

#[tokio::test]
async fn a_list_that_has_changed_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("addresses.txt");
    let source = Addresses::new(path.clone());
    for (second, name) in [1, 2].into_iter().zip(["1.jpg", "2.jpg"]) {
        fs_err::write(&path, format!("https://example.org/{name}")).unwrap();
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        fs_err::File::options().write(true).open(&path).unwrap().file().set_modified(written).unwrap();
        for _ in 0..2 {
            let (candidates, _) = named(&source, &gate()).await;
            assert!(address(&candidates[0]).ends_with(name), "{candidates:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_address_is_told_with_its_place() {
    for text in ["https://example.org/1.jpg\nfile:///etc/passwd", "https://example.org/1.jpg\ngate.jpg"] {
        let error = of_list(text).await.unwrap_err();
        assert!(error.contains("entry 2"), "{error}");
    }
}
