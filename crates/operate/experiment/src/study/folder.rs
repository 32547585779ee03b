//! The folder of an experiment: its plan, the rows of every cell, and what is made of them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Cell, Environment, Error, Matrix, Measured, Plan, Result};

const PLAN: &str = "experiment.json";
const ROWS: &str = "requests";
const TABLE: &str = "cells.csv";

/// A folder with an experiment.
///
/// | file | what |
/// |---|---|
/// | `experiment.json` | the plan, and the machine it was measured on |
/// | `requests/w2-t16-r1.csv` | every request of a cell: 2 workers, 16 threads, first repeat |
/// | `requests/….failed.csv` | a cell that was refused because of failures |
/// | `cells.csv` | a line a cell |
/// | `logs/` | what the workers have written |
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    plan: Plan,
    environment: Environment,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    plan: Plan,
    environment: Environment,
}

impl Folder {
    /// Begins an experiment, or goes on with one: of an experiment that is there only the matrix may be another.
    ///
    /// # Errors
    /// When the folder holds another experiment, or cannot be written.
    pub fn begin(path: &Path, plan: Plan, environment: Environment) -> Result<Self> {
        fs_err::create_dir_all(path.join(ROWS))?;
        let environment = if path.join(PLAN).exists() {
            let there = Self::open(path)?;
            if let Some(what) = difference(&there.plan, &plan) {
                return Err(Error::Other { folder: path.to_owned(), what });
            }
            there.environment
        } else {
            environment
        };
        let kept = Kept { plan: plan.clone(), environment: environment.clone() };
        let text = serde_json::to_string_pretty(&kept).map_err(std::io::Error::other)?;
        replace(&path.join(PLAN), text.as_bytes())?;
        Ok(Self { path: path.to_owned(), plan, environment })
    }

    /// Opens an experiment.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join(PLAN);
        if !file.exists() {
            return Err(Error::NoExperiment(path.to_owned()));
        }
        let kept: Kept = serde_json::from_str(&fs_err::read_to_string(&file)?)
            .map_err(|error| Error::Damaged { path: file, why: error.to_string() })?;
        Ok(Self { path: path.to_owned(), plan: kept.plan, environment: kept.environment })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is measured.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The machine on which it was begun.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The rows of a cell, once it is measured.
    pub fn rows(&self, cell: Cell) -> PathBuf {
        let Cell { workers, threads, repeat } = cell;
        self.path.join(ROWS).join(format!("w{workers}-t{threads}-r{repeat}.csv"))
    }

    /// The rows of a cell while it is measured.
    pub(crate) fn unfinished(&self, cell: Cell) -> PathBuf {
        self.rows(cell).with_extension("csv.part")
    }

    /// The rows of a cell that was refused.
    pub(crate) fn refused(&self, cell: Cell) -> PathBuf {
        self.rows(cell).with_extension("failed.csv")
    }

    /// Whether a cell is measured.
    pub fn has(&self, cell: Cell) -> bool {
        self.rows(cell).exists()
    }

    /// The cells of the matrix that are measured, in their order.
    ///
    /// # Errors
    /// When the rows of one cannot be read.
    pub fn measured(&self) -> Result<Vec<Measured>> {
        let there = self.plan.matrix.cells().filter(|cell| self.has(*cell));
        there.map(|cell| Measured::read(cell, &self.rows(cell))).collect()
    }

    /// Writes `cells.csv`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_table(&self, measured: &[Measured]) -> Result<()> {
        let mut table = csv::Writer::from_writer(Vec::new());
        for run in measured {
            table.serialize(TableRow::of(run)).map_err(std::io::Error::other)?;
        }
        let bytes = table.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
        replace(&self.path.join(TABLE), &bytes)
    }
}

/// What cannot be compared between two plans.
fn difference(there: &Plan, wanted: &Plan) -> Option<String> {
    let (one, other) = (&there.method, &wanted.method);
    let told = |what: &str, value: String| Some(format!("{what} {value}"));
    match () {
        () if one.target != other.target => told("another target:", format!("{:?}", one.target)),
        () if one.folder != other.folder => told("the pictures of", one.folder.display().to_string()),
        () if one.dialect != other.dialect => told("the dialect", one.dialect.to_string()),
        () if one.requests != other.requests => {
            told("another number of requests:", format!("{:?}", one.requests))
        }
        () if one.warm_up != other.warm_up => told("a warm-up of", one.warm_up.to_string()),
        () if one.timeout_s != other.timeout_s => told("a timeout of", format!("{} s", one.timeout_s)),
        () => None,
    }
}

/// Writes a file so that there is always a whole one.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs_err::write(&new, bytes)?;
    Ok(fs_err::rename(&new, path)?)
}

/// A line of `cells.csv`.
#[derive(Serialize)]
struct TableRow {
    workers: usize,
    threads: usize,
    repeat: usize,
    requests: u64,
    answered: u64,
    failed: u64,
    mean_s: f64,
    p50_s: f64,
    p95_s: f64,
    p99_s: f64,
    max_s: f64,
    wall_s: f64,
    throughput_per_s: f64,
    answers_by_worker: String,
}

impl TableRow {
    fn of(run: &Measured) -> Self {
        let by_worker: Vec<String> = run.instances.values().map(u64::to_string).collect();
        Self {
            workers: run.cell.workers,
            threads: run.cell.threads,
            repeat: run.cell.repeat,
            requests: run.requests,
            answered: run.answered,
            failed: run.failed(),
            mean_s: run.mean_s,
            p50_s: run.p50_s,
            p95_s: run.p95_s,
            p99_s: run.p99_s,
            max_s: run.max_s,
            wall_s: run.wall_s,
            throughput_per_s: run.throughput(),
            answers_by_worker: by_worker.join(" "),
        }
    }
}

impl Matrix {
    /// How many cells lack.
    pub(crate) fn missing(&self, folder: &Folder) -> usize {
        self.cells().filter(|cell| !folder.has(*cell)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;

    fn matrix() -> Matrix {
        Matrix { workers: vec![1, 2], threads: vec![1], repeats: 2 }
    }

    #[test]
    fn an_experiment_goes_on_only_as_it_was_begun_but_may_grow() {
        let place = tempfile::tempdir().unwrap();
        let begin = |plan: Plan| Folder::begin(place.path(), plan, Environment::of_this_machine());
        begin(plan(matrix())).unwrap();
        assert!(begin(plan(Matrix { repeats: 3, ..matrix() })).is_ok());
        assert_eq!(Folder::open(place.path()).unwrap().plan().matrix.repeats, 3);
        let mut other = plan(matrix());
        other.method.warm_up = 99;
        let told = begin(other).unwrap_err().to_string();
        assert!(told.contains("warm-up of 8") && told.contains("--out"), "{told}");
    }

    #[test]
    fn only_whole_cells_count() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::begin(place.path(), plan(matrix()), Environment::of_this_machine()).unwrap();
        let cell = Cell { workers: 2, threads: 1, repeat: 2 };
        fs_err::write(folder.unfinished(cell), "index\n0\n").unwrap();
        fs_err::write(folder.refused(cell), "index\n0\n").unwrap();
        assert!(!folder.has(cell));
        assert_eq!(folder.measured().unwrap(), []);
        assert_eq!(matrix().missing(&folder), 4);
    }

    #[test]
    fn without_an_experiment_it_says_how_to_measure_one() {
        let place = tempfile::tempdir().unwrap();
        assert!(Folder::open(place.path()).unwrap_err().to_string().contains("experiment run"));
        fs_err::write(place.path().join(PLAN), "oops").unwrap();
        assert!(Folder::open(place.path()).unwrap_err().to_string().contains(PLAN));
    }
}
