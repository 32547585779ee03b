//! Pictures that all look different, in files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use sightscan_pictures::{Encoding, Limits, Picture, encode, inspect, perceptual_hash};
use sightscan_types::Sha256;
use tempfile::TempDir;

/// Pictures of one sight.
pub(crate) const PER_SIGHT: usize = 100;
/// What a picture is.
pub(crate) const DESCRIPTION: &str = "1024x768 pixels, JPEG, patches of colour with the noise of a photo";

const WIDTH: usize = 1024;
const HEIGHT: usize = 768;
/// Pixels of a patch of one colour, a side.
const PATCH: usize = 64;
/// Grey levels that the noise of a photo adds; without it pictures would be decoded much faster than photos are.
const NOISE: u8 = 12;

/// Pictures in a folder, `0.jpg` to the last.
pub(crate) struct Collection {
    /// The folder.
    pub(crate) folder: TempDir,
    /// How many there are.
    pub(crate) pictures: usize,
}

impl Collection {
    /// Makes them, on all cores.
    pub(crate) fn make(pictures: usize) -> Result<Self> {
        let collection = Self { folder: tempfile::tempdir()?, pictures };
        let threads = std::thread::available_parallelism()?.get();
        std::thread::scope(|scope| {
            let share = |first| {
                let mut numbers = (first..pictures).step_by(threads);
                let collection = &collection;
                scope.spawn(move || numbers.try_for_each(|number| collection.paint(number)))
            };
            let threads: Vec<_> = (0..threads).map(share).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a painter panicked")))
        })?;
        Ok(collection)
    }

    /// The file of a picture.
    pub(crate) fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("{number}.jpg"))
    }

    /// Writes the lists of sights and of addresses for the first so many pictures; gives how many sights they are of.
    pub(crate) fn write_lists(&self, folder: &Path, address: &str, pictures: usize) -> Result<usize> {
        let sights = pictures.div_ceil(PER_SIGHT);
        let names: String = (0..sights).map(|sight| format!("Sight {sight}\n")).collect();
        fs_err::write(folder.join("sights.csv"), names)?;
        let mut list = String::from("url,sight,licence,author\n");
        for number in 0..pictures {
            writeln!(list, "{address}/{number}.jpg,Sight {},CC0-1.0,Nobody", number / PER_SIGHT)?;
        }
        fs_err::write(folder.join("pictures.csv"), list)?;
        Ok(sights)
    }

    fn paint(&self, number: usize) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let patches: Vec<[u8; 3]> = (0..WIDTH / PATCH * (HEIGHT / PATCH))
            .map(|_| [random.u8(..), random.u8(..), random.u8(..)])
            .collect();
        let patch = |at: usize| patches[at / WIDTH / PATCH * (WIDTH / PATCH) + at % WIDTH / PATCH];
        let rgb: Vec<u8> = (0..WIDTH * HEIGHT)
            .flat_map(|at| {
                let noise = random.u8(..NOISE);
                patch(at).map(|level| level.saturating_add(noise))
            })
            .collect();
        let picture = Picture { width: WIDTH as u32, height: HEIGHT as u32, rgb };
        Ok(fs_err::write(self.path(number), encode(&picture, Encoding::Jpeg)?)?)
    }
}

/// What a crawl has to find out about a picture, and nothing else.
pub(crate) fn look_at(path: &Path) -> Result<()> {
    let bytes = fs_err::read(path)?;
    let inspection = inspect(&bytes, &Limits::default())?;
    let found = (Sha256::of(&bytes), perceptual_hash(&inspection.picture));
    ensure!(std::hint::black_box(found).0 != Sha256::of(b""), "the file is empty");
    Ok(())
}
