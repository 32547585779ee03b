//! Whole trainings.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sightscan_dataset::Picture;
use sightscan_engine::model::Overrides;
use sightscan_engine::{EngineChoice, Model};
use sightscan_pictures::{Limits, decode};
use sightscan_testkit::{data, scale};
use sightscan_train::{
    Augmentation, Config, Epoch, Error, Event, Examples, FitOrder, Items, OptimiserKind, Precision, Start,
    Trained, fit, read_set, read_weights,
};

use crate::squares::{SIDE, order, quick, squares};

fn quietly(order: &FitOrder<'_>) -> Result<Trained, Error> {
    fit(order, &mut |_| ControlFlow::Continue(()))
}

/// What does not depend on how fast the machine is.
fn timeless(history: &[Epoch]) -> Vec<Epoch> {
    history.iter().map(|epoch| Epoch { images_per_second: 0.0, ..epoch.clone() }).collect()
}

#[test]
fn squares_are_learnt_from_nothing() {
    let (train, validation) = (squares(0..96), squares(96..112));
    let folder = tempfile::tempdir().unwrap();
    let config = Config { epochs: 20, ..quick() };
    let items = Items::new(train.items);
    let trained = quietly(&order(&config, &items, &validation, folder.path())).unwrap();
    let report = trained.report.unwrap();
    assert!(report.map50.unwrap() > 0.9, "{report}");
    assert_eq!(trained.history.len(), 20);
    let model = Model::open(&trained.model, &Overrides::default(), EngineChoice::Rten).unwrap();
    assert_eq!(model.spec().classes, ["red", "green"]);
    for file in
        ["config.toml", "history.json", "metrics.json", "weights.safetensors", "checkpoint.safetensors"]
    {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}

#[test]
fn a_training_that_is_ended_goes_on_to_the_same_result() {
    let (train, validation) = (squares(0..20), squares(20..24));
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (config, items) = (quick(), Items::new(train.items));
    let at_once = quietly(&order(&config, &items, &validation, whole.path())).unwrap();
    let first = order(&config, &items, &validation, parts.path());
    let mut steps = 0;
    let ended = fit(&first, &mut |event| {
        steps += usize::from(matches!(event, Event::Step(_)));
        // In the middle of the third of four epochs, each of three steps.
        if steps == 8 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(ended, Err(Error::Ended)));
    assert!(matches!(quietly(&first), Err(Error::Begun(_))));
    let again = FitOrder { is_resumed: true, ..order(&config, &items, &validation, parts.path()) };
    let gone_on = quietly(&again).unwrap();
    assert_eq!(timeless(&at_once.history), timeless(&gone_on.history));
    let weights = |folder: &Path| fs_err::read(folder.join("weights.safetensors")).unwrap();
    assert!(weights(whole.path()) == weights(parts.path()));
}

#[test]
fn a_trained_network_is_where_another_training_starts() {
    let (train, validation) = (squares(0..16), squares(16..20));
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (config, items) = (Config { epochs: 1, ..quick() }, Items::new(train.items));
    quietly(&order(&config, &items, &validation, first.path())).unwrap();
    let learnt = read_weights(&first.path().join("weights.safetensors")).unwrap();
    assert_eq!(learnt.classes, validation.classes);
    let start = Start::From(learnt);
    let half =
        FitOrder { start, precision: Precision::Half, ..order(&config, &items, &validation, second.path()) };
    let halved = quietly(&half).unwrap();
    let size = |path: &Path| fs_err::metadata(path).unwrap().len();
    let whole = size(&second.path().join("weights.safetensors"));
    assert!(size(&halved.model) < whole * 7 / 10, "weights of 16 bits");
    Model::open(&halved.model, &Overrides::default(), EngineChoice::Rten).unwrap();
}

/// The square of this number as a file of another format.
fn reencoded(number: u32, format: image::ImageFormat) -> Vec<u8> {
    let item = squares(number..number + 1).items.remove(0);
    let picture = decode(&item.picture.unwrap().read().unwrap(), &Limits::default()).unwrap();
    let picture = image::RgbImage::from_raw(picture.width, picture.height, picture.rgb).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG without its first segment, which says `JFIF`: some cameras and editors write none.
fn without_jfif(mut jpeg: Vec<u8>) -> Vec<u8> {
    assert_eq!(&jpeg[6..10], b"JFIF");
    let length = usize::from(u16::from_be_bytes([jpeg[4], jpeg[5]]));
    jpeg.drain(2..4 + length);
    jpeg
}

#[test]
fn w_c42_webp_gif_and_jpegs_without_a_marker_are_learnt_from() {
    use image::ImageFormat::{Gif, Jpeg, WebP};

    let mut train = squares(0..4);
    let files = [reencoded(0, WebP), reencoded(1, Gif), reencoded(2, Jpeg), without_jfif(reencoded(3, Jpeg))];
    for (item, file) in train.items.iter_mut().zip(files) {
        item.picture = Some(Picture::bytes(file));
    }
    let (originals, items) = (Items::new(squares(0..4).items), Items::new(train.items));
    for number in 0..4 {
        let [original, found] =
            [&originals, &items].map(|items| items.example(number, SIDE as usize, 0).unwrap());
        let apart = original.rgb.iter().zip(&found.rgb).map(|(one, other)| f64::from(one.abs_diff(*other)));
        assert_eq!(original.rgb.len(), found.rgb.len());
        assert!(apart.sum::<f64>() / (original.rgb.len() as f64) < 8.0, "picture {number}");
        assert_eq!(original.boxes, found.boxes);
    }
}

#[test]
fn w_p6_each_picture_is_opened_once_however_long_the_training_is() {
    let (mut train, validation) = (squares(0..12), squares(12..14));
    let opened = Arc::new(AtomicUsize::new(0));
    for item in &mut train.items {
        let (picture, opened) = (item.picture.take().unwrap(), Arc::clone(&opened));
        item.picture = Some(Picture::new(move || {
            opened.fetch_add(1, Ordering::Relaxed);
            picture.read()
        }));
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, items) = (Config { epochs: 3, ..quick() }, Items::new(train.items));
    quietly(&order(&config, &items, &validation, folder.path())).unwrap();
    // Threads may want the same picture before one has it; but not anew in each of three epochs.
    let opened = opened.load(Ordering::Relaxed);
    assert!((12..36).contains(&opened), "{opened}");
}

#[test]
fn pictures_that_cannot_be_read_are_told_once_and_left_out() {
    let mut train = squares(0..10);
    train.items[3].picture = Some(sightscan_dataset::Picture::bytes(*b"no picture"));
    let folder = tempfile::tempdir().unwrap();
    let (config, items) = (Config { epochs: 2, ..quick() }, Items::new(train.items));
    let config = Config { augmentation: Augmentation::NONE, ..config };
    let validation = squares(10..12);
    let mut problems = Vec::new();
    let trained = fit(&order(&config, &items, &validation, folder.path()), &mut |event| {
        if let Event::Problem(why) = event {
            problems.push(why);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(trained.unwrap().history.len(), 2);
    assert!(problems.len() == 1 && problems[0].starts_with("003.png: "), "{problems:?}");
}

#[test]
fn an_epoch_without_a_picture_ends_the_training_and_says_why() {
    let mut train = squares(0..3);
    train
        .items
        .iter_mut()
        .for_each(|item| item.picture = Some(sightscan_dataset::Picture::bytes(*b"nothing")));
    let folder = tempfile::tempdir().unwrap();
    let (config, items, validation) = (quick(), Items::new(train.items), squares(3..4));
    let mut problems = 0;
    let ended = fit(&order(&config, &items, &validation, folder.path()), &mut |event| {
        problems += usize::from(matches!(event, Event::Problem(_)));
        ControlFlow::Continue(())
    });
    assert!(matches!(ended, Err(Error::NoPictures(_))), "{ended:?}");
    assert_eq!(problems, 3);
}

#[test]
fn a_loss_that_is_no_number_ends_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let (config, validation) = (Config { rate: 1e30, ..quick() }, squares(20..21));
    let items = Items::new(squares(0..20).items);
    let ended = quietly(&order(&config, &items, &validation, folder.path()));
    assert!(matches!(ended, Err(Error::Diverged)), "{ended:?}");
}

#[test]
fn a_training_whose_judge_knows_other_classes_is_refused_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (config, items, validation) = (quick(), Items::new(squares(0..2).items), squares(2..3));
    let others = sightscan_dataset::Dataset { classes: vec!["blue".into(), "grey".into()], ..squares(2..3) };
    let out = folder.path().join("run");
    let refused = quietly(&FitOrder { validation: &others, ..order(&config, &items, &validation, &out) });
    assert!(matches!(refused, Err(Error::NothingInCommon { .. })), "{refused:?}");
    assert!(!out.exists());
}

#[test]
fn a_training_goes_on_with_its_own_classes_only() {
    let folder = tempfile::tempdir().unwrap();
    let (config, items) = (Config { epochs: 1, ..quick() }, Items::new(squares(0..8).items));
    let validation = squares(8..9);
    quietly(&order(&config, &items, &validation, folder.path())).unwrap();
    let classes = ["green".to_owned(), "red".to_owned()];
    let order = FitOrder {
        is_resumed: true,
        classes: &classes,
        ..order(&config, &items, &validation, folder.path())
    };
    let refused = quietly(&order);
    assert!(matches!(&refused, Err(Error::OtherClasses(classes)) if classes == "red, green"), "{refused:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (items, validation) = (Items::new(squares(0..2).items), squares(2..3));
    let folder = tempfile::tempdir().unwrap();
    let told = |config: &Config, items: &Items| {
        quietly(&order(config, items, &validation, folder.path())).unwrap_err().to_string()
    };
    assert!(told(&Config { size: 100, ..quick() }, &items).contains("96 or 128"));
    assert!(told(&Config { epochs: 0, ..quick() }, &items).contains("epochs"));
    let shrunk = Augmentation { scale: 1.0, ..Augmentation::NONE };
    assert!(told(&Config { augmentation: shrunk, ..quick() }, &items).contains("scale"));
    let often = Augmentation { flip: 1.5, ..Augmentation::NONE };
    assert!(told(&Config { augmentation: often, ..quick() }, &items).contains("flip"));
    assert!(told(&quick(), &Items::new([])).contains("no labelled pictures"));
}

/// The overfit test: what a network cannot learn by heart, it cannot learn.
#[test]
fn eight_sights_are_learnt_by_heart() {
    let (Some(sights), Some(start)) = (data("sights"), data("models/yolov5n.pt")) else { return };
    let (mut set, _) = read_set(&sights, None).unwrap();
    set.items.retain(|item| item.is_labelled());
    // Eight pictures of different sights, half of them in the quick tier.
    let pictures = if scale() < 1.0 { 4 } else { 8 };
    set.items = set.items.into_iter().step_by(20).take(pictures).collect();
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        epochs: 10,
        batch: 8,
        size: 128,
        class_loss: 4.0,
        optimiser: OptimiserKind::AdamW,
        rate: 0.002,
        pictures_per_update: 8,
        augmentation: Augmentation::NONE,
        ..Config::default()
    };
    // Each many times an epoch: judging and writing down takes longer than to learn from eight small pictures.
    let many = std::iter::repeat_n(&set.items, 20).flatten().cloned();
    let items = Items::new(many);
    let start = Start::From(read_weights(&start).unwrap());
    let order = FitOrder { start, ..order(&config, &items, &set, folder.path()) };
    let report = quietly(&order).unwrap().report.unwrap();
    assert!(report.map50.unwrap() >= 0.95, "{report}");
}
