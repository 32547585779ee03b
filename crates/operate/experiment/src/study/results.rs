//! What the repeats of an experiment amount to.

use serde::Serialize;

use super::{Folder, Matrix, Measured, Result};

/// Two-sided 95 % points of Student's t by degrees of freedom from 1 to 30
/// (NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2).
const STUDENT_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// That of the normal distribution.
const NORMAL_95: f64 = 1.960;

/// A value over the repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Half the width of the 95 % confidence interval of the mean (Student's t); none with one repeat.
    pub half_width_95: Option<f64>,
}

/// The repeats of so many workers and threads. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Workers.
    pub workers: usize,
    /// Client threads.
    pub threads: usize,
    /// Mean response time.
    pub mean_s: Spread,
    /// Median.
    pub p50_s: Spread,
    /// 95th percentile.
    pub p95_s: Spread,
    /// 99th percentile.
    pub p99_s: Spread,
    /// Answered requests a second.
    pub throughput: Spread,
    /// Requests that failed, over all repeats.
    pub failed: u64,
}

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// The runs.
    pub runs: Vec<Measured>,
    /// Their repeats together, by workers and then by threads.
    pub points: Vec<Point>,
}

impl Spread {
    /// The spread of these values; none where there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let half_width_95 = (values.len() > 1).then(|| {
            let freedom = values.len() - 1;
            let point = STUDENT_95.get(freedom - 1).copied().unwrap_or(NORMAL_95);
            point * (squares / freedom as f64).sqrt() / count.sqrt()
        });
        Some(Self {
            mean,
            min: values.iter().copied().reduce(f64::min)?,
            max: values.iter().copied().reduce(f64::max)?,
            half_width_95,
        })
    }

    /// The distance between the extremes as a share of the mean.
    pub fn relative(&self) -> f64 {
        (self.max - self.min) / self.mean
    }
}

impl Point {
    fn of(workers: usize, threads: usize, runs: &[Measured]) -> Option<Self> {
        let same: Vec<&Measured> =
            runs.iter().filter(|run| (run.cell.workers, run.cell.threads) == (workers, threads)).collect();
        let spread =
            |value: fn(&Measured) -> f64| Spread::of(&same.iter().map(|run| value(run)).collect::<Vec<_>>());
        Some(Self {
            workers,
            threads,
            mean_s: spread(|run| run.mean_s)?,
            p50_s: spread(|run| run.p50_s)?,
            p95_s: spread(|run| run.p95_s)?,
            p99_s: spread(|run| run.p99_s)?,
            throughput: spread(Measured::throughput)?,
            failed: same.iter().map(|run| run.failed()).sum(),
        })
    }
}

impl Results {
    /// Reads what was measured.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub fn read(folder: &Folder) -> Result<Self> {
        Ok(Self::of(&folder.plan().matrix, folder.measured()?))
    }

    /// The results of these runs.
    pub fn of(matrix: &Matrix, runs: Vec<Measured>) -> Self {
        let pairs = matrix
            .workers
            .iter()
            .flat_map(|&workers| matrix.threads.iter().map(move |&threads| (workers, threads)));
        let points = pairs.filter_map(|(workers, threads)| Point::of(workers, threads, &runs)).collect();
        Self { runs, points }
    }

    /// The point of so many workers and threads.
    pub fn at(&self, workers: usize, threads: usize) -> Option<&Point> {
        self.points.iter().find(|point| (point.workers, point.threads) == (workers, threads))
    }

    /// The numbers of workers that were measured.
    pub fn workers(&self) -> Vec<usize> {
        distinct(self.points.iter().map(|point| point.workers))
    }

    /// The numbers of threads that were measured.
    pub fn threads(&self) -> Vec<usize> {
        distinct(self.points.iter().map(|point| point.threads))
    }

    /// The greatest throughput of so many workers over all numbers of threads.
    pub fn peak(&self, workers: usize) -> Option<&Point> {
        let of_workers = self.points.iter().filter(|point| point.workers == workers);
        of_workers.max_by(|one, other| one.throughput.mean.total_cmp(&other.throughput.mean))
    }
}

fn distinct(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::cell::tests::measured;
    use super::*;

    /// The course's matrix of a service whose response time is threads ÷ workers × 0.1 s, and never under 0.1 s.
    pub(crate) fn ideal() -> Results {
        let matrix = Matrix::course();
        let time = |workers: usize, threads: usize| 0.1 * (threads as f64 / workers as f64).max(1.0);
        let run = |cell: super::super::Cell| {
            measured(cell.workers, cell.threads, cell.repeat, time(cell.workers, cell.threads))
        };
        Results::of(&matrix, matrix.cells().map(run).collect())
    }

    #[test]
    fn the_mean_of_the_repeats_has_a_confidence_interval() {
        let spread = Spread::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.min, spread.max), (2.0, 1.0, 3.0));
        // scipy.stats.t.interval(0.95, 2, loc=2, scale=scipy.stats.sem([1, 2, 3])): 2 ± 2.4841
        assert!((spread.half_width_95.unwrap() - 2.4841).abs() < 1e-3, "{spread:?}");
        assert_eq!(spread.relative(), 1.0);
        assert_eq!(Spread::of(&[1.0]).unwrap().half_width_95, None);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn repeats_come_together_and_what_lacks_is_left_out() {
        let matrix = Matrix { workers: vec![1, 2], threads: vec![1, 4], repeats: 2 };
        let runs = vec![measured(1, 4, 1, 0.4), measured(1, 4, 2, 0.6), measured(2, 4, 1, 0.3)];
        let results = Results::of(&matrix, runs);
        assert_eq!(results.points.len(), 2);
        assert!((results.at(1, 4).unwrap().mean_s.mean - 0.5).abs() < 1e-9);
        assert_eq!((results.workers(), results.threads()), (vec![1, 2], vec![4]));
        assert_eq!(results.at(1, 1), None);
    }

    #[test]
    fn the_peak_is_that_of_the_best_number_of_threads() {
        let ideal = ideal();
        let peak = ideal.peak(3).unwrap();
        assert!((peak.throughput.mean - 30.0).abs() < 1e-6, "{peak:?}");
    }
}
