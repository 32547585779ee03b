//! What an experiment is asked to measure.

use serde::{Deserialize, Serialize};
use sightscan_types::Slug;
use utoipa::ToSchema;

use super::{Error, Result};

/// Numbers of one kind in a matrix.
const NUMBERS: usize = 16;
/// Workers on one machine.
const WORKERS: usize = 64;
/// Client threads.
const THREADS: usize = 512;
/// Repeats of a cell.
const REPEATS: usize = 20;
/// Pictures that are sent in each cell.
const PICTURES: usize = 1000;
/// Processors of a worker.
const PROCESSORS: std::ops::RangeInclusive<f64> = 0.05..=64.0;

/// An experiment that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExperimentOrder)]
pub(super) struct Order {
    /// The city whose pictures are sent, and whose live model looks at them.
    pub(super) city: Slug,
    /// Its name; the city's with a number where nothing is said.
    pub(super) name: Option<Slug>,
    /// Numbers of workers, each 1 to 64.
    pub(super) workers: Vec<usize>,
    /// Numbers of client threads, each 1 to 512.
    pub(super) threads: Vec<usize>,
    /// How often each cell is measured, 1 to 20.
    pub(super) repeats: usize,
    /// Pictures that are sent in each cell, 1 to 1000.
    #[serde(default = "pictures")]
    pub(super) pictures: usize,
    /// Processors of a worker; not limited where nothing is said.
    pub(super) cpus: Option<f64>,
}

const fn pictures() -> usize {
    16
}

impl Order {
    /// Cells of its matrix.
    pub(super) fn cells(&self) -> usize {
        self.workers.len() * self.threads.len() * self.repeats
    }

    /// The order with each number once.
    ///
    /// # Errors
    /// When a number cannot be meant.
    pub(super) fn checked(mut self) -> Result<Self> {
        let refuse = |what: String| Err(Error::Order(what));
        for (name, numbers, most) in
            [("workers", &mut self.workers, WORKERS), ("threads", &mut self.threads, THREADS)]
        {
            numbers.sort_unstable();
            numbers.dedup();
            let is_fine = numbers.iter().all(|number| (1..=most).contains(number));
            if !is_fine || numbers.is_empty() || numbers.len() > NUMBERS {
                return refuse(format!("`{name}` must be 1 to {NUMBERS} numbers from 1 to {most}"));
            }
        }
        for (name, number, most) in
            [("repeats", self.repeats, REPEATS), ("pictures", self.pictures, PICTURES)]
        {
            if !(1..=most).contains(&number) {
                return refuse(format!("`{name}` must be a number from 1 to {most}"));
            }
        }
        match self.cpus {
            Some(cpus) if !PROCESSORS.contains(&cpus) => {
                refuse("`cpus` must be a number from 0.05 to 64".to_owned())
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        let city = "berlin".parse().unwrap();
        Order {
            city,
            name: None,
            workers: vec![2, 1, 2],
            threads: vec![4],
            repeats: 3,
            pictures: 8,
            cpus: None,
        }
    }

    #[test]
    fn each_cell_is_counted_once() {
        let order = order().checked().unwrap();
        assert_eq!((order.cells(), &order.workers[..]), (6, &[1, 2][..]));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let wrong = [
            ("workers", Order { workers: vec![0], ..order() }),
            ("threads", Order { threads: Vec::new(), ..order() }),
            ("repeats", Order { repeats: 0, ..order() }),
            ("pictures", Order { pictures: 1001, ..order() }),
            ("cpus", Order { cpus: Some(f64::NAN), ..order() }),
        ];
        for (name, order) in wrong {
            let told = order.checked().unwrap_err().to_string();
            assert!(told.contains(&format!("`{name}`")), "{told}");
        }
    }
}
