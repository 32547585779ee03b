//! A training step, ours and PyTorch's in turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use sightscan_nn::{
    Architecture, Batch, Device, LossWeights, Optimiser, Schedule, Settings, Target, Trainer,
};

use crate::say;
use crate::statistics::median;

/// The same network in PyTorch.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pytorch_training.py");
/// Steps of a round that do not count: memory is still being had.
const WARM_UP: usize = 2;

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct Training {
    /// A Python that has PyTorch; without it only ours is measured.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Pictures of a step.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Side of the pictures in pixels.
    #[arg(long, default_value_t = 320)]
    size: usize,
    /// Classes.
    #[arg(long, default_value_t = 5)]
    classes: usize,
    /// Steps of a round.
    #[arg(long, default_value_t = 6)]
    steps: usize,
    /// Rounds; each system runs once a round.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Prints images a second of each, and their ratio.
pub(crate) fn run(training: &Training) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..training.rounds {
        ours.extend(training.ours()?.into_iter().skip(WARM_UP));
        if let Some(python) = &training.python {
            theirs.extend(training.theirs(python)?.into_iter().skip(WARM_UP));
        }
    }
    let rate = |seconds: &[f64]| training.batch as f64 / median(seconds);
    say(&format!("ours {:.1} images/s", rate(&ours)))?;
    if theirs.is_empty() {
        return Ok(());
    }
    say(&format!("PyTorch {:.1} images/s; ours / PyTorch {:.2}", rate(&theirs), rate(&ours) / rate(&theirs)))
}

impl Training {
    /// Seconds of each step.
    fn ours(&self) -> Result<Vec<f64>> {
        let settings = Settings {
            optimiser: Optimiser::Sgd { momentum: 0.937 },
            schedule: Schedule { rate: 0.01, last: 1.0, warm_up: 0, steps: self.steps },
            weight_decay: 5e-4,
            accumulate: 1,
            clip: None,
            loss: LossWeights::default(),
            is_backbone_frozen: false,
        };
        let mut trainer = Trainer::new(Architecture::nano(self.classes), None, settings, 0, &Device::flex())?;
        let mut steps = Vec::new();
        for _ in 0..self.steps {
            let (batch, begin) = (self.pictures(), Instant::now());
            trainer.learn(batch)?;
            steps.push(begin.elapsed().as_secs_f64());
        }
        Ok(steps)
    }

    fn pictures(&self) -> Batch {
        let mut chance = fastrand::Rng::with_seed(0);
        let pixels = (0..self.batch * 3 * self.size * self.size).map(|_| chance.f32()).collect();
        let target = |picture| Target { picture, class: 0, bounds: [0.5, 0.5, 0.4, 0.6] };
        Batch { pixels, size: [self.size; 2], targets: (0..self.batch).map(target).collect() }
    }

    fn theirs(&self, python: &Path) -> Result<Vec<f64>> {
        let numbers = [self.batch, self.size, self.classes, self.steps].map(|number| number.to_string());
        let output = Command::new(python).arg(SCRIPT).args(numbers).output()?;
        ensure!(output.status.success(), "PyTorch: {}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout)?;
        lines.lines().map(|line| line.parse().context("PyTorch printed no number")).collect()
    }
}
