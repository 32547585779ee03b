//! Pictures for people to look at: what is there beside what was found.

use std::num::NonZeroUsize;
use std::sync::Arc;

use sightscan_dataset::{Dataset, Item, LabelledBox};
use sightscan_engine::annotate::annotate;
use sightscan_engine::{Limits, Model, decode::decode};
use sightscan_pictures::{Encoding, Picture, encode};
use sightscan_types::{Detection, Findings, PixelBox};
use sightscan_warehouse::models::{Seen, SeenBox};

use crate::error::{Error, Result};
use crate::evaluation::{Classes, SHOWN_CONFIDENCE, detections, sure};
use crate::learn::View;

/// Pictures on a sheet.
const PICTURES: usize = 12;
/// Pairs beside each other.
const ACROSS: usize = 3;
/// Sides of a picture in pixels.
const SIDE: usize = 256;

/// What a model finds in some pictures of a data set.
pub(crate) fn seen(model: &Arc<Model>, dataset: &Dataset, threads: NonZeroUsize) -> Result<Vec<Seen>> {
    let (some, known) = (some(dataset), Classes::new(&model.spec().classes, dataset)?);
    let named = |boxes: &[LabelledBox]| boxes.iter().map(|one| named(&some.classes, one)).collect();
    let mut all = Vec::new();
    detections(model, &some, threads, |item, analysis| {
        let (Ok(analysis), Ok(sha256)) = (analysis, item.id().parse()) else { return };
        let (there, found) = (named(item.labels.boxes()), named(&sure(&known.of_data(analysis))));
        all.push(Seen { sha256, width: analysis.width, height: analysis.height, there, found });
    })?;
    Ok(all)
}

fn named(classes: &[String], &LabelledBox { class, bounds, score }: &LabelledBox) -> SeenBox {
    let label = classes.get(class).cloned().unwrap_or_default();
    SeenBox { label, area: bounds, score: score.map(f64::from) }
}

/// Labelled pictures from all over a data set.
fn some(dataset: &Dataset) -> Dataset {
    let labelled: Vec<Item> = dataset.items.iter().filter(|item| item.is_labelled()).cloned().collect();
    let step = labelled.len().div_ceil(PICTURES).max(1);
    Dataset { classes: dataset.classes.clone(), items: labelled.into_iter().step_by(step).collect() }
}

/// A sheet of some pictures, as JPEG: of each pair the left one shows what is there, the right one what was found.
pub(crate) fn sheet(model: &Arc<Model>, dataset: &Dataset, threads: NonZeroUsize) -> Result<Vec<u8>> {
    let some = some(dataset);
    let mut pairs = Vec::new();
    detections(model, &some, threads, |item, found| {
        let Ok(found) = found else { return };
        let sure = found.findings.detections().iter().filter(|found| found.confidence >= SHOWN_CONFIDENCE);
        pairs.extend(pair(item, &some.classes, sure.cloned().collect()));
    })?;
    let rows = pairs.len().div_ceil(ACROSS).max(1);
    let (width, height) = (2 * ACROSS * SIDE, rows * SIDE);
    let mut rgb = vec![255; 3 * width * height];
    for (number, pair) in pairs.iter().enumerate() {
        let corner = (number % ACROSS * 2 * SIDE, number / ACROSS * SIDE);
        paste(&mut rgb, width, &pair[0], corner);
        paste(&mut rgb, width, &pair[1], (corner.0 + SIDE, corner.1));
    }
    let sheet = Picture { width: width as u32, height: height as u32, rgb };
    encode(&sheet, Encoding::Jpeg).map_err(|error| Error::Plot(error.to_string()))
}

/// A picture with what is there, and with what was found.
fn pair(item: &Item, classes: &[String], found: Vec<Detection>) -> Option<[Picture; 2]> {
    let bytes = item.picture.as_ref()?.read().ok()?;
    let picture = decode(&bytes, &Limits::default()).ok()?;
    let scale = SIDE as f64 / f64::from(picture.width.max(picture.height));
    let small = small(&picture, scale)?;
    let (width, height) = (f64::from(small.width), f64::from(small.height));
    let truths = item.labels.boxes().iter().map(|truth| Detection {
        label: classes.get(truth.class).cloned().unwrap_or_default(),
        confidence: 1.0,
        bounds: PixelBox {
            left: (truth.bounds.x * width) as f32,
            top: (truth.bounds.y * height) as f32,
            width: (truth.bounds.w * width) as f32,
            height: (truth.bounds.h * height) as f32,
        },
    });
    let shrink = |mut found: Detection| {
        let PixelBox { left, top, width, height } = found.bounds;
        let [left, top, width, height] = [left, top, width, height].map(|length| length * scale as f32);
        found.bounds = PixelBox { left, top, width, height };
        found
    };
    let truths = Findings::Detections(truths.collect());
    let found = Findings::Detections(found.into_iter().map(shrink).collect());
    Some([annotate(&small, &truths), annotate(&small, &found)])
}

fn small(picture: &Picture, scale: f64) -> Option<Picture> {
    let [width, height] = [picture.width, picture.height]
        .map(|side| ((f64::from(side) * scale).round() as usize).clamp(1, SIDE));
    let view = View { width: picture.width as usize, height: picture.height as usize, rgb: &picture.rgb };
    let rgb = view.scaled([0.0, 0.0, view.width as f64, view.height as f64], width, height).ok()?;
    Some(Picture { width: width as u32, height: height as u32, rgb })
}

fn paste(rgb: &mut [u8], across: usize, picture: &Picture, (left, top): (usize, usize)) {
    let width = 3 * picture.width as usize;
    for (row, line) in picture.rgb.chunks_exact(width).enumerate() {
        rgb[3 * ((top + row) * across + left)..][..width].copy_from_slice(line);
    }
}
