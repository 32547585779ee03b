//! What is measured.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cell, Error, Result};
use crate::Dialect;

/// An experiment: a matrix, what is scaled, and what each cell sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The cells.
    pub matrix: Matrix,
    /// How it is measured: only cells with the same of this can be compared.
    #[serde(flatten)]
    pub method: Method,
}

/// How the cells of an experiment are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// What is scaled.
    pub target: TargetPlan,
    /// The folder of pictures.
    pub folder: PathBuf,
    /// The form of a request.
    pub dialect: Dialect,
    /// Requests of a cell; every picture once unless given.
    pub requests: Option<u64>,
    /// Requests that are sent before each cell and not counted, for each worker.
    pub warm_up: u64,
    /// After this time without a complete answer a request counts as failed, in seconds.
    pub timeout_s: f64,
    /// Whether cells with failed requests are kept.
    pub allow_failures: bool,
}

/// Workers × client threads × repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Numbers of workers.
    pub workers: Vec<usize>,
    /// Numbers of client threads.
    pub threads: Vec<usize>,
    /// How often each pair is measured.
    pub repeats: usize,
}

/// What is scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum TargetPlan {
    /// Processes of this machine, `sightscan serve`, that share one port.
    Processes {
        /// The model, by path or name; the only one in the model folder where nothing is said.
        model: Option<String>,
        /// Processors of a worker; not limited where nothing is said.
        cpus: Option<f64>,
        /// Memory of a worker in MiB; not limited where nothing is said.
        memory_mb: Option<u64>,
    },
    /// Pods of a deployment of Kubernetes; what they may use is in its manifest.
    Kubernetes {
        /// Its name.
        deployment: String,
        /// Its namespace; that of this pod, or `default`, where nothing is said.
        namespace: Option<String>,
        /// The address of the API; the cluster that this is a pod of where nothing is said.
        server: Option<String>,
        /// The file of the token for it.
        token_file: Option<PathBuf>,
        /// Where the pods answer, such as `http://127.0.0.1:8080`.
        url: String,
        /// Processors of a pod, as its manifest says.
        cpus: Option<f64>,
    },
}

impl TargetPlan {
    /// Processors that a worker may use, where that is known.
    pub fn cpus(&self) -> Option<f64> {
        match self {
            Self::Processes { cpus, .. } | Self::Kubernetes { cpus, .. } => *cpus,
        }
    }
}

impl Matrix {
    /// The matrix of the iWebLens course: three numbers of workers, six of threads, three repeats.
    pub fn course() -> Self {
        Self { workers: vec![1, 2, 3], threads: vec![1, 2, 4, 8, 16, 32], repeats: 3 }
    }

    /// The cells in the order in which they are measured: repeats outermost, so that a machine that becomes slower does so for
    /// all numbers of workers alike.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        (1..=self.repeats).flat_map(move |repeat| {
            self.workers.iter().flat_map(move |&workers| {
                self.threads.iter().map(move |&threads| Cell { workers, threads, repeat })
            })
        })
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.workers.len() * self.threads.len() * self.repeats
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sorted and without doubles.
    fn in_order(mut self) -> Self {
        for numbers in [&mut self.workers, &mut self.threads] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        self
    }
}

impl Plan {
    /// Checks the numbers.
    ///
    /// # Errors
    /// When a number describes no experiment.
    pub fn checked(self) -> Result<Self> {
        let refuse = |what: &str| Err(Error::Plan(what.to_owned()));
        let matrix = self.matrix.in_order();
        if matrix.is_empty() || matrix.workers.contains(&0) || matrix.threads.contains(&0) {
            return refuse("--workers, --threads and --repeats must all be numbers from 1 on");
        }
        if matrix.len() > 100_000 {
            return refuse("more than 100,000 cells take years: give fewer numbers");
        }
        if self.method.timeout_s <= 0.0 || self.method.timeout_s.is_nan() {
            return refuse("--timeout must be a time above 0, such as 60s");
        }
        Ok(Self { matrix, method: self.method })
    }
}

impl Method {
    /// See [`timeout_s`](Self::timeout_s).
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plan for tests.
    pub(crate) fn plan(matrix: Matrix) -> Plan {
        let target = TargetPlan::Processes { model: Some("yolo".into()), cpus: Some(0.5), memory_mb: None };
        let method = Method {
            target,
            folder: "pictures".into(),
            dialect: Dialect::Iweblens2021,
            requests: None,
            warm_up: 8,
            timeout_s: 60.0,
            allow_failures: false,
        };
        Plan { matrix, method }
    }

    #[test]
    fn the_courses_matrix_has_54_cells_and_each_repeat_is_a_whole_one() {
        let cells: Vec<Cell> = Matrix::course().cells().collect();
        assert_eq!(cells.len(), 54);
        assert_eq!(cells[0], Cell { workers: 1, threads: 1, repeat: 1 });
        assert_eq!(cells[17], Cell { workers: 3, threads: 32, repeat: 1 });
        assert_eq!(cells[18], Cell { workers: 1, threads: 1, repeat: 2 });
    }

    #[test]
    fn numbers_are_sorted_and_senseless_ones_refused() {
        let matrix = Matrix { workers: vec![3, 1, 3], threads: vec![2], repeats: 1 };
        assert_eq!(plan(matrix.clone()).checked().unwrap().matrix.workers, [1, 3]);
        for bad in [
            Matrix { workers: vec![0, 1], ..matrix.clone() },
            Matrix { threads: vec![], ..matrix.clone() },
            Matrix { repeats: 0, ..matrix.clone() },
            Matrix { repeats: 1_000_000, ..matrix },
        ] {
            assert!(plan(bad).checked().is_err());
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = plan(Matrix::course());
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
