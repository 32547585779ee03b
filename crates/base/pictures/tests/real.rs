use std::path::PathBuf;

use sightscan_pictures::{
    Encoding, Format, Limits, Picture, decode, encode, hamming_distance, inspect, perceptual_hash,
    strip_metadata, thumbnail,
};

/// Further apart than copies of one picture, nearer than two pictures.
const COPIES: u32 = 6;

/// All real pictures of a folder, in the order of their names.
fn files(folder: &str) -> Option<Vec<PathBuf>> {
    let endings = ["jpeg", "jpg", "png"];
    let folders: Option<Vec<_>> =
        endings.into_iter().map(|ending| sightscan_testkit::pictures(folder, ending)).collect();
    Some(folders?.concat())
}

fn decoded(bytes: &[u8]) -> Picture {
    decode(bytes, &Limits::default()).unwrap()
}

#[test]
fn real_pictures_are_stripped_without_loss() {
    for folder in ["pictures", "iweblens"] {
        let Some(files) = files(folder) else { return };
        assert!(files.len() >= 7, "{folder}");
        for path in files {
            let bytes = fs_err::read(&path).unwrap();
            let stripped = strip_metadata(&bytes).unwrap();
            assert!(stripped.len() <= bytes.len() + 36, "{}", path.display());
            assert_eq!(decoded(&stripped), decoded(&bytes), "{}", path.display());
            assert_eq!(strip_metadata(&stripped).unwrap(), stripped, "{}", path.display());
        }
    }
}

#[test]
fn copies_are_near_and_other_pictures_far() {
    let Some(files) = files("pictures") else { return };
    let pictures: Vec<Picture> = files.iter().map(|path| decoded(&fs_err::read(path).unwrap())).collect();
    let hashes: Vec<u64> = pictures.iter().map(perceptual_hash).collect();
    for ((path, picture), &hash) in files.iter().zip(&pictures).zip(&hashes) {
        for copy in [thumbnail(picture, 320), thumbnail(picture, 128)] {
            let distance = hamming_distance(hash, perceptual_hash(&decoded(&copy.unwrap())));
            assert!(distance <= COPIES, "{} and its copy: {distance}", path.display());
        }
    }
    for (index, &one) in hashes.iter().enumerate() {
        for &other in &hashes[..index] {
            assert!(hamming_distance(one, other) > 2 * COPIES, "{}", files[index].display());
        }
    }
}

#[test]
fn a_recompressed_copy_is_near() {
    let Some(path) = sightscan_testkit::data("pictures/fish.png") else { return };
    let inspection = inspect(&fs_err::read(path).unwrap(), &Limits::default()).unwrap();
    assert_eq!(inspection.format, Format::Png);
    let copy = decoded(&encode(&inspection.picture, Encoding::Jpeg).unwrap());
    assert!(hamming_distance(perceptual_hash(&inspection.picture), perceptual_hash(&copy)) <= 2);
}
