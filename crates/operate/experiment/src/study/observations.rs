//! What the figures say, in words.

use std::fmt::Write;

use super::{Law, Plan, Results, TargetPlan};

/// Less of a difference is none.
const SAME: f64 = 0.15;
/// More threads that bring less than this are no gain.
const GAIN: f64 = 1.05;

/// Sentences about an experiment, each of them computed from its figures. `unit` is what a worker is called.
pub(crate) fn observations(plan: &Plan, results: &Results, processors: usize, unit: &str) -> Vec<String> {
    let parts: [Option<String>; 7] = [
        one_client(results, unit),
        most_clients(results, unit),
        saturation(results, unit),
        peak(results, unit),
        spread(results, unit),
        Some(failures(results)),
        competition(plan, results, processors, unit),
    ];
    parts.into_iter().flatten().collect()
}

/// The law and what follows from it, in words.
pub(crate) fn about_the_law(law: &Law, results: &Results, unit: &str) -> String {
    let mut text = format!(
        "Fitted to the best throughput of each number of {unit}s, one {unit} answers λ = {:.1} requests a second, with a contention of σ = {:.3} and a coherency cost of κ = {:.4}.",
        law.one, law.contention, law.coherency
    );
    if let Some((workers, foretold, measured)) = Law::held_out(results) {
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            " Without the cells of {workers} {unit}s the law foretells {foretold:.1} a second there; {measured:.1} were measured."
        );
    }
    if let Some(best) = law.best().filter(|best| best.is_finite() && *best < 1e4) {
        let _ = write!(text, " It has its maximum at {best:.0} {unit}s.");
    }
    text
}

/// One request at a time.
fn one_client(results: &Results, unit: &str) -> Option<String> {
    let (workers, threads) = (results.workers(), results.threads());
    let (&few, &many, &fewest) =
        (workers.first()?, workers.last().filter(|many| **many > 1)?, threads.first()?);
    let (one, other) = (results.at(few, fewest)?.mean_s.mean, results.at(many, fewest)?.mean_s.mean);
    let clients = if fewest == 1 { "One client".to_owned() } else { format!("{fewest} clients") };
    let verdict = match other / one {
        ratio if (ratio - 1.0).abs() <= SAME => {
            format!("more {unit}s do not make a single request faster")
        }
        ratio if ratio < 1.0 => format!("with more {unit}s it is {:.1} times as fast", 1.0 / ratio),
        ratio => format!("with more {unit}s it is {ratio:.1} times as slow, because they share the machine"),
    };
    Some(format!(
        "{clients} waited {} with {few} and {} with {many} {unit}s: {verdict}.",
        time(one),
        time(other)
    ))
}

/// The greatest crowd.
fn most_clients(results: &Results, unit: &str) -> Option<String> {
    let (workers, threads) = (results.workers(), results.threads());
    let (&few, &many, &most) = (workers.first()?, workers.last().filter(|many| **many > 1)?, threads.last()?);
    let (one, other) = (results.at(few, most)?.mean_s.mean, results.at(many, most)?.mean_s.mean);
    let (gain, ideal) = (one / other, many as f64 / few as f64);
    let share = 100.0 * gain / ideal;
    Some(format!(
        "{most} clients waited {} with {few} and {} with {many} {unit}s: {gain:.2} times as fast, {share:.0} % of the ideal {ideal:.0}.",
        time(one),
        time(other)
    ))
}

/// From how many clients on more of them only wait longer.
fn saturation(results: &Results, unit: &str) -> Option<String> {
    let threads = results.threads();
    threads.get(1)?;
    let each = results.workers().into_iter().map(|workers| {
        let rate = |threads: usize| results.at(workers, threads).map_or(0.0, |point| point.throughput.mean);
        let full = threads.iter().copied().find(|&some| {
            threads.iter().filter(|more| **more > some).all(|&more| rate(more) < rate(some) * GAIN)
        });
        format!("{} with {workers}", full.map_or("more".to_owned(), |threads| threads.to_string()))
    });
    let each: Vec<String> = each.collect();
    Some(format!(
        "The {unit}s are saturated from so many threads on: {}. Beyond that the throughput stays, and the response time grows with the threads.",
        each.join(", ")
    ))
}

fn peak(results: &Results, unit: &str) -> Option<String> {
    let peaks = results.workers().into_iter().filter_map(|workers| results.peak(workers));
    let best = peaks.max_by(|one, other| one.throughput.mean.total_cmp(&other.throughput.mean))?;
    let plural = if best.workers == 1 { "" } else { "s" };
    Some(format!(
        "The greatest throughput was {:.1} requests a second, with {} {unit}{plural} and {} threads.",
        best.throughput.mean, best.workers, best.threads
    ))
}

/// How far the repeats lie apart.
fn spread(results: &Results, unit: &str) -> Option<String> {
    let widest = results
        .points
        .iter()
        .max_by(|one, other| one.mean_s.relative().total_cmp(&other.mean_s.relative()))?;
    widest.mean_s.half_width_95?;
    Some(format!(
        "The repeats differ most with {} {unit}s and {} threads: from {} to {}.",
        widest.workers,
        widest.threads,
        time(widest.mean_s.min),
        time(widest.mean_s.max)
    ))
}

fn failures(results: &Results) -> String {
    let requests: u64 = results.runs.iter().map(|run| run.requests).sum();
    match results.runs.iter().map(super::Measured::failed).sum::<u64>() {
        0 => format!("None of the {requests} requests failed."),
        failed => format!("{failed} of the {requests} requests failed; they are in no mean."),
    }
}

/// Whether the client took processors from the workers.
fn competition(plan: &Plan, results: &Results, processors: usize, unit: &str) -> Option<String> {
    // Pods may be on other machines than the client.
    let TargetPlan::Processes { cpus: Some(cpus), .. } = plan.method.target else { return None };
    let &many = results.workers().last()?;
    let wanted = cpus * many as f64;
    let left = processors as f64 - wanted;
    let verdict = if left < 1.0 {
        format!("the client and the {unit}s compete, which makes {many} {unit}s look slower than they are")
    } else {
        format!("the client does not compete with the {unit}s")
    };
    Some(format!(
        "{many} {unit}s may use {wanted:.2} of the {processors} processors, which leaves {left:.2} for the client: {verdict}."
    ))
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::super::results::tests::ideal;
    use super::super::{Matrix, cell::tests::measured};
    use super::*;

    fn all(results: &Results, processors: usize) -> String {
        observations(&plan(Matrix::course()), results, processors, "pod").join(" ")
    }

    #[test]
    fn an_ideal_service_is_described_as_one() {
        let text = all(&ideal(), 2);
        assert!(
            text.contains("One client waited 100 ms with 1 and 100 ms with 3 pods: more pods do not"),
            "{text}"
        );
        assert!(
            text.contains(
                "32 clients waited 3.20 s with 1 and 1.07 s with 3 pods: 3.00 times as fast, 100 %"
            ),
            "{text}"
        );
        assert!(text.contains("1 with 1, 2 with 2, 4 with 3"), "{text}");
        assert!(text.contains("30.0 requests a second, with 3 pods"), "{text}");
        assert!(text.contains("None of the 6912 requests failed"), "{text}");
        assert!(text.contains("1.50 of the 2 processors") && text.contains("compete, which"), "{text}");
        assert!(all(&ideal(), 16).contains("does not compete"));
    }

    #[test]
    fn a_service_that_does_not_scale_is_not_praised() {
        let matrix = Matrix { workers: vec![1, 3], threads: vec![1, 8], repeats: 2 };
        let runs = matrix.cells().map(|cell| {
            let slow = if cell.workers == 3 { 2.0 } else { 1.0 };
            let mut run = measured(
                cell.workers,
                cell.threads,
                cell.repeat,
                cell.threads as f64 * 0.1 * slow * cell.repeat as f64,
            );
            run.answered -= 1;
            run.failures.insert("503".to_owned(), 1);
            run
        });
        let text = all(&Results::of(&matrix, runs.collect()), 2);
        assert!(text.contains("2.0 times as slow") && text.contains("0.50 times as fast, 17 %"), "{text}");
        assert!(text.contains("8 of the 1024 requests failed"), "{text}");
        assert!(text.contains("from 100 ms to 200 ms") || text.contains("differ most"), "{text}");
    }

    #[test]
    fn the_law_is_told_with_what_it_foretells() {
        let law = Law::of(&ideal()).unwrap();
        let text = about_the_law(&law, &ideal(), "worker");
        assert!(
            text.contains("λ = 10.0") && text.contains("30.0 a second there; 30.0 were measured"),
            "{text}"
        );
    }
}
