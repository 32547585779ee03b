//! What a network learns, and that a training which is gone on with is the same.

use sightscan_nn::{
    Architecture, Batch, Device, LossWeights, Optimiser, Schedule, Settings, Target, Trainer,
};

const SIZE: usize = 64;

fn settings(optimiser: Optimiser) -> Settings {
    Settings {
        optimiser,
        schedule: Schedule { rate: 0.01, last: 0.2, warm_up: 3, steps: 60 },
        weight_decay: 5e-4,
        accumulate: 1,
        clip: Some(10.0),
        loss: LossWeights::default(),
        is_backbone_frozen: false,
    }
}

fn trainer(optimiser: Optimiser) -> Trainer {
    let architecture = Architecture { width: 0.125, ..Architecture::nano(2) };
    Trainer::new(architecture, None, settings(optimiser), 7, &Device::flex()).unwrap()
}

/// A red square at the left in the first picture, a green one at the right in the second.
fn batch() -> Batch {
    let mut pixels = vec![0.4; 2 * 3 * SIZE * SIZE];
    for (picture, channel, left) in [(0, 0, 8), (1, 1, 32)] {
        for row in 20..44 {
            let start = ((picture * 3 + channel) * SIZE + row) * SIZE + left;
            pixels[start..start + 24].fill(1.0);
        }
    }
    let target = |picture, x| Target { picture, class: picture, bounds: [x, 0.5, 0.375, 0.375] };
    Batch { pixels, size: [SIZE; 2], targets: vec![target(0, 20.0 / 64.0), target(1, 44.0 / 64.0)] }
}

#[test]
fn a_network_learns_with_either_optimiser() {
    for (optimiser, left) in [(Optimiser::Sgd { momentum: 0.9 }, 0.8), (Optimiser::AdamW, 0.5)] {
        let mut trainer = trainer(optimiser);
        let losses: Vec<f64> = (0..40).map(|_| trainer.learn(batch()).unwrap().total()).collect();
        assert!(losses[39] < left * losses[0], "{optimiser:?}: {losses:?}");
    }
}

#[test]
fn a_training_that_is_gone_on_with_is_the_same() {
    let sgd = Optimiser::Sgd { momentum: 0.9 };
    let mut whole = trainer(sgd);
    for _ in 0..3 {
        whole.learn(batch()).unwrap();
    }
    let checkpoint = whole.checkpoint("so far").unwrap();
    let mut again = trainer(sgd);
    again.learn(batch()).unwrap();
    assert_eq!(again.resume(&checkpoint).unwrap(), "so far");
    assert_eq!(again.rate(), whole.rate());
    for _ in 0..3 {
        let (one, other) = (whole.learn(batch()).unwrap(), again.learn(batch()).unwrap());
        assert_eq!(one, other);
    }
    assert_eq!(whole.average(), again.average());
}

#[test]
fn batches_together_change_as_much_as_one() {
    let sgd = Optimiser::Sgd { momentum: 0.9 };
    let twice = Settings { accumulate: 2, ..settings(sgd) };
    let architecture = Architecture { width: 0.125, ..Architecture::nano(2) };
    let mut trainer = Trainer::new(architecture, None, twice, 7, &Device::flex()).unwrap();
    let (before, rate) = (trainer.average().clone(), trainer.rate());
    trainer.learn(batch()).unwrap();
    assert_eq!((trainer.average(), trainer.rate()), (&before, rate));
    trainer.learn(batch()).unwrap();
    assert!(trainer.rate() > rate);
    assert_ne!(trainer.average(), &before);
}

#[test]
fn a_frozen_backbone_stays_as_it_is() {
    let frozen = Settings { is_backbone_frozen: true, ..settings(Optimiser::Sgd { momentum: 0.9 }) };
    let architecture = Architecture { width: 0.125, ..Architecture::nano(2) };
    let mut trainer = Trainer::new(architecture, None, frozen, 7, &Device::flex()).unwrap();
    let before = trainer.average().clone();
    trainer.learn(batch()).unwrap();
    let changed: Vec<&str> = before
        .iter()
        .zip(trainer.average().iter())
        .filter(|(one, other)| one != other)
        .map(|(one, _)| one.0)
        .collect();
    let number = |name: &str| name.split('.').nth(1).unwrap().parse::<usize>().unwrap();
    assert!(!changed.is_empty() && changed.iter().all(|name| number(name) >= 10), "{changed:?}");
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let mut trainer = trainer(Optimiser::AdamW);
    assert!(trainer.resume(b"no checkpoint").is_err());
    let other = Architecture { width: 0.25, ..Architecture::nano(2) };
    let other = Trainer::new(other, None, settings(Optimiser::AdamW), 7, &Device::flex()).unwrap();
    assert!(trainer.resume(&other.checkpoint("so far").unwrap()).is_err());
}
