//! Medians, and work on many threads for a fixed time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

/// The middle one of these numbers; 0 for none.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// How many times a second these workers get their work done together, each on a thread of its own.
///
/// Every call of a worker gets a number of its own, and answers how many pieces it has done.
pub(crate) fn rate<W>(workers: &mut [W], seconds: f64) -> Result<f64>
where
    W: FnMut(usize) -> Result<usize> + Send,
{
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let limit = Duration::from_secs_f64(seconds);
    let done: Result<Vec<usize>> = std::thread::scope(|scope| {
        let run = |worker| scope.spawn(|| repeat(worker, &next, start, limit));
        let threads: Vec<_> = workers.iter_mut().map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a worker panicked")))
            .collect()
    });
    Ok(done?.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64())
}

fn repeat<W>(worker: &mut W, next: &AtomicUsize, start: Instant, limit: Duration) -> Result<usize>
where
    W: FnMut(usize) -> Result<usize>,
{
    let mut done = 0;
    while start.elapsed() < limit {
        done += worker(next.fetch_add(1, Ordering::Relaxed))?;
    }
    Ok(done)
}
