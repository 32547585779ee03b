//! What a detector has learnt, seen in pictures that no training has seen.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sightscan_dataset::{Dataset, Landmark};
use sightscan_engine::annotate::Copies;
use sightscan_engine::model::{Overrides, shipped};
use sightscan_engine::pictures::PictureFile;
use sightscan_engine::runtime::available_threads;
use sightscan_engine::{EngineChoice, Limits, Model, Options, many};
use sightscan_train::{Report, drawn_set, evaluate};

use crate::error::{Error, Result};

/// Side of the pictures in pixels.
pub(super) const SIDE: u32 = 192;
/// The scenes that are looked at: neither the album has them nor any training.
const SCENES: Range<u64> = 1_000_000..1_000_160;
/// So many of them are shown.
const SHOWN: usize = 8;

/// How well two detectors find the landmarks.
pub(super) struct Proof {
    shipped: Report,
    taught: Report,
    /// The folder with the pictures that are shown.
    folder: PathBuf,
}

/// Compares the detector with the one that comes with the program, and draws into the folder what it finds.
pub(super) fn prove(taught: Arc<Model>, folder: &Path) -> Result<Proof> {
    let scenes = drawn_set(&Landmark::ALL, SCENES, SIDE)?;
    let shipped = Model::from_source(shipped::source(Overrides::default())?, EngineChoice::default())?;
    let judged = |model: &Arc<Model>| evaluate(model, &scenes, available_threads(), |_, _| {});
    let proof = Proof { shipped: judged(&shipped)?, taught: judged(&taught)?, folder: folder.to_owned() };
    draw(&taught, &scenes, folder)?;
    Ok(proof)
}

/// Writes some scenes as files, and copies of them with what is found beside them.
fn draw(model: &Arc<Model>, scenes: &Dataset, folder: &Path) -> Result<()> {
    fs_err::create_dir_all(folder)?;
    let mut files = Vec::new();
    for item in scenes.items.iter().filter(|item| !item.is_negative()).take(SHOWN) {
        let Some(picture) = &item.picture else { continue };
        let path = folder.join(&item.name);
        fs_err::write(&path, picture.read()?)?;
        files.push(PictureFile::Path(path));
    }
    let mut copies = Copies::new(&folder.join("found"), &files)?;
    let settings = (&Limits::default(), &Options::default());
    let mut drawn = Ok(());
    many::detect_all(model, &files, available_threads(), settings, |file, outcome| {
        let one = outcome.map_err(Error::from);
        drawn = one.and_then(|(picture, analysis)| Ok(copies.write(file, &picture, &analysis)?));
        if drawn.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    drawn
}

impl Proof {
    /// A table for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let row = |label: &str, before: Option<f64>, after: Option<f64>| {
            let number =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
            format!("  {label:<10} {:>9} {:>9}", number(before), number(after))
        };
        let head = format!(
            "  {:<10} {:>9} {:>9}   average precision at an overlap of 0.5",
            "",
            shipped::NAME,
            "taught"
        );
        let classes = self.shipped.classes.iter().zip(&self.taught.classes);
        let classes = classes.map(|(before, after)| {
            let knows = !self.shipped.unknown.contains(&before.label);
            row(&before.label, before.ap50.filter(|_| knows), after.ap50)
        });
        let shown = format!("What it finds is drawn in {}", self.folder.join("found").display());
        std::iter::once(head).chain(classes).chain([shown]).collect()
    }
}
