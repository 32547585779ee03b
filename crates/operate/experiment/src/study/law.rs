//! The universal scalability law: what N workers do together.

use serde::Serialize;

use super::Results;

/// Throughput of N workers: X(N) = λN / (1 + σ(N − 1) + κN(N − 1)).
///
/// N. J. Gunther, *Guerrilla Capacity Planning*, Springer 2007, chapter 4. With σ = κ = 0 the throughput is N times that of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Law {
    /// λ: requests a second of one worker.
    pub one: f64,
    /// σ: the share of the work that only one worker can do at a time.
    pub contention: f64,
    /// κ: what it costs each pair of workers to agree with one another.
    pub coherency: f64,
}

/// Coefficients of N/X(N) = a + b(N − 1) + cN(N − 1).
type Coefficients = [f64; 3];

impl Law {
    /// The law that is nearest to these pairs of workers and throughput, by least squares of relative errors with σ, κ ≥ 0; none
    /// where no pair is given. With fewer than three numbers of workers the law has fewer terms: κ needs three, σ two.
    pub fn fitted(observed: &[(usize, f64)]) -> Option<Self> {
        let mut numbers: Vec<usize> = observed.iter().map(|(workers, _)| *workers).collect();
        numbers.sort_unstable();
        numbers.dedup();
        // Every choice of terms that are not 0: the best of those without a negative one is the least of squares with bounds.
        let choices: &[&[usize]] = match numbers.len() {
            0 => return None,
            1 => &[&[0]],
            2 => &[&[0], &[0, 1]],
            _ => &[&[0], &[0, 1], &[0, 2], &[0, 1, 2]],
        };
        let fits = choices.iter().filter_map(|terms| least_squares(observed, terms));
        let allowed = fits.filter(|[a, b, c]| *a > 0.0 && *b >= 0.0 && *c >= 0.0);
        let best = allowed.min_by(|one, other| squares(observed, one).total_cmp(&squares(observed, other)));
        best.map(|[a, b, c]| Self { one: 1.0 / a, contention: b / a, coherency: c / a })
    }

    /// The law of an experiment: from the repeats of that number of threads for each number of workers that got most done.
    pub fn of(results: &Results) -> Option<Self> {
        Self::fitted(&peaks(results, usize::MAX))
    }

    /// Requests a second of so many workers.
    pub fn throughput(&self, workers: usize) -> f64 {
        let n = workers as f64;
        self.one * n / (1.0 + self.contention * (n - 1.0) + self.coherency * n * (n - 1.0))
    }

    /// The number of workers beyond which more of them do less; none where there is no such number.
    pub fn best(&self) -> Option<f64> {
        (self.coherency > 0.0).then(|| ((1.0 - self.contention).max(0.0) / self.coherency).sqrt().max(1.0))
    }

    /// How well the law tells the greatest measured number of workers from the others: the number, what was foretold and what
    /// was measured, in requests a second. None with fewer than three numbers of workers.
    pub fn held_out(results: &Results) -> Option<(usize, f64, f64)> {
        let numbers = results.workers();
        let &greatest = numbers.last().filter(|_| numbers.len() > 2)?;
        let foretold = Self::fitted(&peaks(results, greatest))?.throughput(greatest);
        Some((greatest, foretold, results.peak(greatest)?.throughput.mean))
    }
}

/// The throughput of each repeat at the peak of each number of workers below this one.
fn peaks(results: &Results, below: usize) -> Vec<(usize, f64)> {
    let numbers = results.workers().into_iter().filter(|workers| *workers < below);
    let peaks = numbers.filter_map(|workers| results.peak(workers));
    let repeats = peaks.flat_map(|peak| {
        let same =
            |run: &&super::Measured| (run.cell.workers, run.cell.threads) == (peak.workers, peak.threads);
        results.runs.iter().filter(same).map(|run| (run.cell.workers, run.throughput()))
    });
    repeats.collect()
}

/// What a coefficient is multiplied with.
fn term(number: usize, workers: f64) -> f64 {
    [1.0, workers - 1.0, workers * (workers - 1.0)][number]
}

/// Sum of the squared relative errors.
fn squares(observed: &[(usize, f64)], coefficients: &Coefficients) -> f64 {
    let error = |(workers, throughput): &(usize, f64)| {
        let n = *workers as f64;
        let foretold: f64 = (0..3).map(|number| coefficients[number] * term(number, n)).sum();
        (foretold * throughput / n - 1.0).powi(2)
    };
    observed.iter().map(error).sum()
}

/// Weighted linear least squares with these terms only, by the normal equations.
fn least_squares(observed: &[(usize, f64)], terms: &[usize]) -> Option<Coefficients> {
    let size = terms.len();
    // The augmented matrix of the normal equations.
    let mut rows = vec![vec![0.0; size + 1]; size];
    for (workers, throughput) in observed {
        let n = *workers as f64;
        let weight = throughput / n;
        let values: Vec<f64> = terms.iter().map(|number| term(*number, n) * weight).collect();
        for (row, &left) in rows.iter_mut().zip(&values) {
            values.iter().chain([&1.0]).zip(row).for_each(|(right, sum)| *sum += left * right);
        }
    }
    let solved = eliminate(rows)?;
    let mut coefficients = [0.0; 3];
    terms.iter().zip(solved).for_each(|(number, value)| coefficients[*number] = value);
    Some(coefficients)
}

/// Solves a symmetric positive definite system by Gaussian elimination, which needs no pivoting there.
fn eliminate(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = rows.len();
    for pivot in 0..size {
        let divisor = rows[pivot][pivot];
        if divisor.abs() < 1e-12 || divisor.is_nan() {
            return None;
        }
        rows[pivot].iter_mut().for_each(|value| *value /= divisor);
        let reference = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(number, _)| *number != pivot) {
            let factor = row[pivot];
            row.iter_mut().zip(&reference).for_each(|(value, above)| *value -= factor * above);
        }
    }
    Some(rows.iter().map(|row| row[size]).collect())
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::ideal;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_service_that_scales_ideally_has_no_contention() {
        let law = Law::of(&ideal()).unwrap();
        assert!((law.one - 10.0).abs() < 1e-6, "{law:?}");
        assert!(law.contention.abs() < 1e-6 && law.coherency.abs() < 1e-6, "{law:?}");
        assert!(law.best().is_none_or(|best| best > 100.0), "{law:?}");
        let (workers, foretold, measured) = Law::held_out(&ideal()).unwrap();
        assert_eq!(workers, 3);
        assert!((foretold - measured).abs() < 1e-6);
    }

    #[test]
    fn few_numbers_of_workers_have_a_simpler_law() {
        assert_eq!(Law::fitted(&[]), None);
        let one = Law::fitted(&[(2, 20.0)]).unwrap();
        assert!((one.throughput(2) - 20.0).abs() < 1e-9 && one.contention == 0.0);
        let two = Law::fitted(&[(1, 10.0), (2, 16.0)]).unwrap();
        assert!((two.throughput(2) - 16.0).abs() < 1e-9 && two.coherency == 0.0, "{two:?}");
    }

    #[test]
    fn more_than_ideal_is_taken_for_ideal() {
        let law = Law::fitted(&[(1, 10.0), (2, 22.0), (3, 33.0)]).unwrap();
        assert_eq!((law.contention, law.coherency), (0.0, 0.0));
        assert!((10.0..11.1).contains(&law.one), "{law:?}");
    }

    #[test]
    fn beyond_the_best_number_workers_hinder_one_another() {
        let law = Law { one: 10.0, contention: 0.05, coherency: 0.01 };
        let best = law.best().unwrap();
        assert!((best - (0.95_f64 / 0.01).sqrt()).abs() < 1e-9);
        assert!(law.throughput(10) > law.throughput(9) && law.throughput(11) < law.throughput(10));
    }

    proptest! {
        #[test]
        fn a_law_is_found_again_from_what_it_tells(
            one in 0.1..1000.0_f64, contention in 0.0..0.5_f64, coherency in 0.0..0.05_f64,
        ) {
            let law = Law { one, contention, coherency };
            let observed: Vec<(usize, f64)> = [1, 2, 3, 5, 8].map(|n| (n, law.throughput(n))).to_vec();
            let found = Law::fitted(&observed).unwrap();
            for workers in [1, 4, 16] {
                let (told, expected) = (found.throughput(workers), law.throughput(workers));
                prop_assert!((told - expected).abs() < 1e-5 * expected, "{found:?} for {law:?}");
            }
        }
    }
}
