//! Pictures that are easy to learn: red and green squares on grey.

use std::num::NonZeroUsize;
use std::path::Path;

use sightscan_dataset::{Attribution, Dataset, Item, LabelledBox, Labels, Picture};
use sightscan_nn::Architecture;
use sightscan_pictures::{Encoding, Picture as Pixels, encode};
use sightscan_train::{Augmentation, Config, FitOrder, OptimiserKind, Precision, Processor, Start};
use sightscan_types::RelativeBox;

/// Side of the pictures in pixels.
pub(crate) const SIDE: u32 = 64;

/// The square of a picture: its class, left and top corner, and side in pixels.
fn square(number: u32) -> (usize, u32, u32, u32) {
    let side = 18 + number * 7 % 15;
    ((number % 2) as usize, number * 13 % (SIDE - side), number * 29 % (SIDE - side), side)
}

fn item(number: u32) -> Item {
    let (class, left, top, side) = square(number);
    let inside = |x: u32, y: u32| (left..left + side).contains(&x) && (top..top + side).contains(&y);
    let colour = |x, y| match (inside(x, y), class) {
        (true, 0) => [220, 30, 30],
        (true, _) => [30, 200, 40],
        (false, _) => [110, 110, 120],
    };
    let rgb = (0..SIDE).flat_map(|y| (0..SIDE).flat_map(move |x| colour(x, y))).collect();
    let bytes = encode(&Pixels { width: SIDE, height: SIDE, rgb }, Encoding::Png).unwrap();
    let part = |pixels: u32| f64::from(pixels) / f64::from(SIDE);
    let bounds = RelativeBox { x: part(left), y: part(top), w: part(side), h: part(side) };
    Item {
        name: format!("{number:03}.png"),
        picture: Some(Picture::bytes(bytes)),
        width: SIDE,
        height: SIDE,
        split: None,
        labels: Labels::Annotated(vec![LabelledBox { class, bounds, score: None }]),
        attribution: Attribution::default(),
    }
}

/// These pictures, each with a square.
pub(crate) fn squares(numbers: std::ops::Range<u32>) -> Dataset {
    Dataset { classes: vec!["red".into(), "green".into()], items: numbers.map(item).collect() }
}

/// Settings under which squares are learnt in seconds.
pub(crate) fn quick() -> Config {
    Config {
        epochs: 4,
        batch: 8,
        size: 64,
        optimiser: OptimiserKind::AdamW,
        rate: 0.005,
        pictures_per_update: 8,
        warm_up: 1.0,
        // Two classes of 80 would hardly count.
        class_loss: 8.0,
        augmentation: Augmentation { mosaic: 0.2, scale: 0.2, ..Augmentation::default() },
        ..Config::default()
    }
}

/// A training from nothing, of the smallest network.
pub(crate) fn order<'a>(
    config: &'a Config,
    examples: &'a dyn sightscan_train::Examples,
    validation: &'a Dataset,
    out: &'a Path,
) -> FitOrder<'a> {
    FitOrder {
        config,
        classes: &validation.classes,
        examples,
        validation,
        start: Start::Nothing(Architecture { width: 0.125, ..Architecture::nano(2) }),
        out,
        is_resumed: false,
        threads: NonZeroUsize::new(2).unwrap(),
        processor: Processor::Cpu,
        precision: Precision::Single,
        metadata: &[],
    }
}
