//! Whether a batch of pictures is computed faster than one after the other.

use std::num::NonZeroUsize;

use anyhow::Result;
use sightscan_engine::runtime::{Network, TensorView};

use crate::say;
use crate::statistics::{median, rate};
use crate::subject::Subject;
use crate::throughput::splits;

/// The batch sizes.
const SIZES: [usize; 4] = [1, 2, 4, 8];

/// Runs every cell in turns and prints pictures a second.
pub(crate) fn run(subject: &Subject, seconds: f64, rounds: usize) -> Result<()> {
    let model = subject.model()?;
    say(&format!("{} on {}: pictures a second", model.spec().name, model.program().runtime()))?;
    for (instances, threads) in splits() {
        let networks: Result<Vec<_>, _> = (0..instances).map(|_| model.program().instance(threads)).collect();
        let mut networks = networks?;
        let mut rates = [const { Vec::new() }; SIZES.len()];
        for _ in 0..rounds {
            for (size, rates) in SIZES.iter().zip(&mut rates) {
                rates.push(cell(&mut networks, model.spec().input.shape(), *size, seconds)?);
            }
        }
        report(instances, threads, &rates)?;
    }
    Ok(())
}

fn cell(
    networks: &mut [Box<dyn Network>],
    [_, channels, height, width]: [usize; 4],
    batch: usize,
    seconds: f64,
) -> Result<f64> {
    let shape = [batch, channels, height, width];
    let tensor = vec![0.5; shape.iter().product()];
    let worker = |network| run_batch(network, shape, &tensor);
    let mut workers: Vec<_> = networks.iter_mut().map(worker).collect();
    rate(&mut workers, seconds)
}

fn run_batch<'a>(
    network: &'a mut Box<dyn Network>,
    shape: [usize; 4],
    tensor: &'a [f32],
) -> impl FnMut(usize) -> Result<usize> + Send + 'a {
    move |_| {
        network.run(TensorView { shape: &shape, data: tensor }, &mut |_| {})?;
        Ok(shape[0])
    }
}

fn report(instances: usize, threads: NonZeroUsize, rates: &[Vec<f64>]) -> Result<()> {
    let single = median(&rates[0]);
    for (size, rates) in SIZES.iter().zip(rates) {
        let rate = median(rates);
        say(&format!(
            "{instances} x {threads} threads, batch {size}: {rate:>6.2}  ({:>5.1} % of batch 1)",
            100.0 * rate / single
        ))?;
    }
    Ok(())
}
