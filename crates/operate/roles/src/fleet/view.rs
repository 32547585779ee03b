//! The fleet as a table for people.

use std::fmt::Write;

use sightscan_fleet::{PoolStatus, State};

use super::FleetStatus;

/// A line a pool, with its workers by what they do.
pub fn table(status: &FleetStatus) -> String {
    if status.pools.is_empty() {
        return "there are no pools: add a table [[pool]] to sightscan.toml, see `sightscan fleet --help`\n"
            .to_owned();
    }
    let mut text = format!(
        "{:<16} {:>8} {:>9} {:>5}   {:>8} {:>5} {:>5} {:>8} {:>9}   {:>9}\n",
        "pool",
        "waiting",
        "in flight",
        "dead",
        "starting",
        "idle",
        "busy",
        "draining",
        "of at most",
        "picture"
    );
    for pool in &status.pools {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "{}", line(pool));
    }
    for pool in &status.pools {
        if let Some(failure) = &pool.failure {
            let _ = writeln!(text, "{} goes on with the workers that it has: {failure}", pool.name);
        }
    }
    let _ = writeln!(text, "objects: {} pictures, {} labels", status.input_objects, status.output_objects);
    text
}

fn line(pool: &PoolStatus) -> String {
    let measured: Vec<f64> = pool.workers.iter().filter_map(|worker| worker.service_ms).collect();
    let mean = measured.iter().sum::<f64>() / measured.len() as f64;
    let picture = if measured.is_empty() { "–".to_owned() } else { format!("{mean:.0} ms") };
    format!(
        "{:<16} {:>8} {:>9} {:>5}   {:>8} {:>5} {:>5} {:>8} {:>9}   {picture:>9}",
        pool.name,
        pool.waiting,
        pool.in_flight,
        pool.dead,
        pool.count(State::Starting),
        pool.count(State::Idle),
        pool.count(State::Busy),
        pool.count(State::Draining),
        pool.max,
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::busy_pool;
    use super::*;

    #[test]
    fn without_pools_it_says_how_to_have_one() {
        let empty = FleetStatus { pools: Vec::new(), input_objects: 0, output_objects: 0 };
        assert!(table(&empty).contains("[[pool]]"));
    }

    #[test]
    fn a_line_has_the_numbers_of_its_pool() {
        let failure = Some("Amazon EC2 refuses RunInstances".into());
        let pool = PoolStatus { failure, ..busy_pool() };
        let text = table(&FleetStatus { pools: vec![pool], input_objects: 50, output_objects: 40 });
        assert!(
            text.contains("\ndetect goes on with the workers that it has: Amazon EC2 refuses RunInstances\n")
        );
        let line: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(line, ["detect", "7", "2", "1", "0", "1", "2", "0", "19", "40", "ms"]);
        assert!(text.contains("50 pictures, 40 labels"));
    }
}
