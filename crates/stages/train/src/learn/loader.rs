//! Batches, made on threads of their own while the network learns from the ones before.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use fastrand::Rng;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sightscan_nn::Batch;

use super::augment::{Augmentation, Seen, seen};
use super::example::Examples;

/// Batches that wait to be learnt from, at most.
const AHEAD: usize = 2;

/// What is made of examples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Side of the pictures in pixels.
    pub(super) side: usize,
    /// Pictures of a batch.
    pub(super) batch: usize,
    pub(super) augmentation: Augmentation,
    /// Decides all that is left to chance, with the number of the epoch.
    pub(super) seed: u64,
}

/// The batches of an epoch, in order. Examples that cannot be read are told to `problem` and left out.
pub(super) fn batches<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    examples: &'env dyn Examples,
    plan: Plan,
    epoch: usize,
    problem: impl Fn(String) + Send + 'scope,
) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(AHEAD);
    // Threads of their own: a product of matrices would otherwise wait for a picture.
    let threads = ThreadPoolBuilder::new().thread_name(|number| format!("loader-{number}")).build();
    scope.spawn(move || {
        let threads = match threads {
            Ok(threads) => threads,
            Err(error) => return problem(format!("no threads can be started for pictures: {error}")),
        };
        let mut order: Vec<usize> = (0..examples.count()).collect();
        chance(plan.seed, epoch, u64::MAX).shuffle(&mut order);
        for numbers in order.chunks(plan.batch) {
            let batch = plan.batch(&threads, examples, numbers, epoch, &problem);
            // Nobody learns any more.
            if !batch.pixels.is_empty() && sender.send(batch).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Chance that is the same in every run.
fn chance(seed: u64, epoch: usize, number: u64) -> Rng {
    let mut mixed = Rng::with_seed(seed);
    let mut mixed = Rng::with_seed(mixed.u64(..) ^ epoch as u64);
    Rng::with_seed(mixed.u64(..) ^ number)
}

impl Plan {
    fn batch(
        &self,
        threads: &ThreadPool,
        examples: &dyn Examples,
        numbers: &[usize],
        epoch: usize,
        problem: &dyn Fn(String),
    ) -> Batch {
        let mut batch = Batch { size: [self.side; 2], ..Batch::default() };
        let seen = || numbers.par_iter().map(|number| self.seen(examples, *number, epoch));
        let all: Vec<_> = threads.install(|| seen().collect());
        for seen in all {
            match seen {
                Ok(seen) => add(&mut batch, seen, self.side),
                Err(why) => problem(why),
            }
        }
        batch
    }

    fn seen(&self, examples: &dyn Examples, number: usize, epoch: usize) -> Result<Seen, String> {
        let mut chance = chance(self.seed, epoch, number as u64);
        let others = if chance.f64() < self.augmentation.mosaic { 3 } else { 0 };
        let mut four = vec![examples.example(number, self.side, chance.u64(..))?];
        for _ in 0..others {
            four.push(examples.example(chance.usize(..examples.count()), self.side, chance.u64(..))?);
        }
        seen(&four, self.side, &self.augmentation, &mut chance)
    }
}

/// Adds a picture to a batch: its channels one after another.
fn add(batch: &mut Batch, seen: Seen, side: usize) {
    let picture = batch.pixels.len() / (3 * side * side);
    for channel in 0..3 {
        let pixels = seen.rgb.iter().skip(channel).step_by(3);
        batch.pixels.extend(pixels.map(|value| f32::from(*value) / 255.0));
    }
    batch.targets.extend(seen.targets.into_iter().map(|target| sightscan_nn::Target { picture, ..target }));
}
