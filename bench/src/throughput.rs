//! The server against the same pipeline in process and against bare inference.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context, Result};
use sightscan_engine::runtime::{TensorView, available_threads};
use sightscan_engine::{Detector, Limits, Model};
use sightscan_serve::Config;
use tokio::net::TcpListener;

use crate::client::{Client, request};
use crate::say;
use crate::statistics::{median, rate};
use crate::subject::{Subject, course_body};

/// Something that answers how many pictures a second it does.
type System<'a> = (String, Box<dyn FnMut(f64) -> Result<f64> + 'a>);

/// Runs all systems in turns and prints their medians and ratios.
pub(crate) fn run(subject: &Subject, seconds: f64, rounds: usize, connections: usize) -> Result<()> {
    let (model, pictures) = (subject.model()?, subject.pictures()?);
    say(&format!("{} on {}, {} threads", model.spec().name, model.program().runtime(), available_threads()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let address = runtime.block_on(start_server(&model))?;

    let mut systems: Vec<System<'_>> = Vec::new();
    for (instances, threads) in splits() {
        systems.push((format!("inference {instances}x{threads}"), inference(&model, instances, threads)?));
        systems.push((
            format!("pipeline {instances}x{threads}"),
            pipeline(&model, &pictures, instances, threads)?,
        ));
    }
    systems.push((format!("serve, {connections} connections"), server(address, &pictures, connections)?));

    let mut rates = vec![Vec::new(); systems.len()];
    for _ in 0..rounds {
        for ((_, system), rates) in systems.iter_mut().zip(&mut rates) {
            rates.push(system(seconds)?);
        }
    }
    report(&systems, &rates)
}

/// Every way to share the threads out: instances, and threads for each.
pub(crate) fn splits() -> Vec<(usize, NonZeroUsize)> {
    let threads = available_threads().get();
    let splits = (1..=threads).filter(|instances| threads.is_multiple_of(*instances));
    splits.filter_map(|instances| Some((instances, NonZeroUsize::new(threads / instances)?))).collect()
}

async fn start_server(model: &Arc<Model>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let handle = sightscan_serve::start(Config::default(), vec![Arc::clone(model)], listener)?;
    while !handle.reasons().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let address = handle.address();
    // The server lives as long as the process.
    std::mem::forget(handle);
    Ok(address)
}

type Run<'a> = Box<dyn FnMut(f64) -> Result<f64> + 'a>;

fn inference(model: &Arc<Model>, instances: usize, threads: NonZeroUsize) -> Result<Run<'static>> {
    let shape = model.spec().input.shape();
    let tensor: Arc<[f32]> = vec![0.5; shape.iter().product()].into();
    let networks: Result<Vec<_>, _> = (0..instances).map(|_| model.program().instance(threads)).collect();
    let worker = |mut network: Box<dyn sightscan_engine::runtime::Network>| {
        let tensor = Arc::clone(&tensor);
        move |_: usize| {
            network.run(TensorView { shape: &shape, data: &tensor }, &mut |_| {})?;
            Ok(1)
        }
    };
    let mut workers: Vec<_> = networks?.into_iter().map(worker).collect();
    Ok(Box::new(move |seconds| rate(&mut workers, seconds)))
}

fn pipeline<'a>(
    model: &Arc<Model>,
    pictures: &'a [Vec<u8>],
    instances: usize,
    threads: NonZeroUsize,
) -> Result<Run<'a>> {
    let detectors: Result<Vec<_>, _> =
        (0..instances).map(|_| Detector::new(Arc::clone(model), threads)).collect();
    let worker = |mut detector: Detector| {
        move |index: usize| {
            detector.detect(&pictures[index % pictures.len()], &Limits::default(), &Subject::options())?;
            Ok(1)
        }
    };
    let mut workers: Vec<_> = detectors?.into_iter().map(worker).collect();
    Ok(Box::new(move |seconds| rate(&mut workers, seconds)))
}

fn server(address: SocketAddr, pictures: &[Vec<u8>], connections: usize) -> Result<Run<'static>> {
    let requests: Arc<[Vec<u8>]> = pictures.iter().map(|picture| request(&course_body(picture))).collect();
    let clients: Result<Vec<_>> = (0..connections).map(|_| Client::connect(address)).collect();
    let worker = |mut client: Client| {
        let requests = Arc::clone(&requests);
        move |index: usize| client.exchange(&requests[index % requests.len()]).map(|_| 1)
    };
    let mut workers: Vec<_> = clients?.into_iter().map(worker).collect();
    Ok(Box::new(move |seconds| rate(&mut workers, seconds)))
}

fn report(systems: &[System<'_>], rates: &[Vec<f64>]) -> Result<()> {
    let medians: Vec<(&str, f64)> =
        systems.iter().zip(rates).map(|((name, _), rates)| (name.as_str(), median(rates))).collect();
    for (name, rate) in &medians {
        say(&format!("{name:<28} {rate:>7.2} pictures/s"))?;
    }
    let best = |kind: &str| {
        medians.iter().filter(|(name, _)| name.starts_with(kind)).map(|(_, rate)| *rate).reduce(f64::max)
    };
    let served = best("serve").context("nothing was served")?;
    for kind in ["pipeline", "inference"] {
        let other = best(kind).context("nothing to compare with")?;
        say(&format!("serve / best {kind:<17} {:>7.1} %", 100.0 * served / other))?;
    }
    Ok(())
}
