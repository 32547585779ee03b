//! What a user says about an experiment.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::plan::Method;
use super::{Author, Matrix, Plan, TargetPlan};
use crate::{Dialect, parse_duration};

/// Flags of `experiment`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan experiment run --folder inputfolder --cpus 0.5 --out experiment
  sightscan experiment report experiment --author Ada --student-number 123
  sightscan experiment predict experiment --rate 40 --p95 500ms
  sightscan experiment bundle experiment --out course.zip

The measurement can be interrupted: the same command goes on where it was.")]
pub struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure the response time for numbers of workers and of client threads, several times each.
    Run(RunFlags),
    /// Write the report of an experiment, with its plots: HTML, SVG and PNG; PDF where Chromium is there.
    Report(ReportFlags),
    /// Say how many workers answer 95 % of so many requests a second within a time.
    Predict(PredictFlags),
    /// Write everything of an experiment into one zip file, with what is needed to repeat it.
    Bundle(BundleFlags),
}

/// Flags of `experiment run`.
#[derive(Debug, Args)]
pub struct RunFlags {
    /// Folder with the pictures to send.
    #[arg(long, value_name = "DIR")]
    pub folder: PathBuf,
    /// Folder of the experiment: every request of each cell is kept there.
    #[arg(long, value_name = "DIR", default_value = "experiment")]
    pub out: PathBuf,
    /// Numbers of workers.
    #[arg(long, visible_alias = "pods", value_name = "N,…", value_delimiter = ',', default_values_t = Matrix::course().workers)]
    workers: Vec<usize>,
    /// Numbers of client threads.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = Matrix::course().threads)]
    threads: Vec<usize>,
    /// How often each cell is measured.
    #[arg(long, value_name = "N", default_value_t = Matrix::course().repeats)]
    repeats: usize,
    /// What is scaled.
    #[arg(long, value_name = "KIND", default_value = "processes")]
    target: TargetKind,
    /// With the target kubernetes: the deployment.
    #[arg(long, value_name = "NAME", required_if_eq("target", "kubernetes"))]
    deployment: Option<String>,
    /// With the target kubernetes: the deployment's namespace [default: that of this pod, or `default`].
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// With the target kubernetes: the address of its API, such as http://127.0.0.1:8001 of `kubectl proxy` [default: the cluster
    /// that this is a pod of].
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// With --server: the file of a token for it [default: none].
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// With the target kubernetes: where the pods answer, such as http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", required_if_eq("target", "kubernetes"))]
    url: Option<String>,
    /// The workers' model, by path or name [default: the only one in the model folder].
    #[arg(long, short, value_name = "REF")]
    model: Option<String>,
    /// Processors of a worker, such as 0.5; of a pod, what its manifest says [default: no limit].
    #[arg(long, value_name = "N")]
    cpus: Option<f64>,
    /// Memory of a worker in MiB [default: no limit].
    #[arg(long, value_name = "MIB")]
    memory_mb: Option<u64>,
    /// How pictures are sent, see `sightscan load --help`.
    #[arg(long = "as", value_name = "DIALECT", default_value_t = Dialect::Iweblens2021)]
    dialect: Dialect,
    /// Requests of a cell [default: each picture once].
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Requests before each cell that are not counted, for each worker.
    #[arg(long, value_name = "N", default_value_t = 8)]
    warm_up: u64,
    /// Count a request as failed after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    timeout: Duration,
    /// Keep cells with failed requests; without it the experiment stops at the first one.
    #[arg(long)]
    allow_failures: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TargetKind {
    /// Processes of this machine that share a port.
    Processes,
    /// Pods of a deployment of Kubernetes.
    Kubernetes,
}

/// Flags of `experiment report`.
#[derive(Debug, Args)]
pub struct ReportFlags {
    /// Folder of the experiment.
    #[arg(value_name = "DIR", default_value = "experiment")]
    pub folder: PathBuf,
    /// Name of the author.
    #[arg(long)]
    author: Option<String>,
    /// Name of the tutor.
    #[arg(long)]
    tutor: Option<String>,
    /// Name of the account.
    #[arg(long)]
    login: Option<String>,
    /// Number of the student.
    #[arg(long, value_name = "NUMBER")]
    student_number: Option<String>,
    /// Longest 95th percentile that is acceptable.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2s")]
    pub p95: Duration,
    /// Requests a second to say the workers for [default: half, once and twice the greatest that was measured].
    #[arg(long, value_name = "PER_SECOND,…", value_delimiter = ',')]
    pub rate: Vec<f64>,
    /// What a worker is called.
    #[arg(long, value_name = "WORD", default_value = "worker")]
    pub unit: String,
    /// Report on what there is, although cells lack.
    #[arg(long)]
    pub partial: bool,
}

/// Flags of `experiment predict`.
#[derive(Debug, Args)]
pub struct PredictFlags {
    /// Folder of the experiment.
    #[arg(value_name = "DIR", default_value = "experiment")]
    pub folder: PathBuf,
    /// Requests a second.
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: f64,
    /// Longest 95th percentile that is acceptable.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub p95: Duration,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `experiment bundle`.
#[derive(Debug, Args)]
pub struct BundleFlags {
    /// Folder of the experiment.
    #[arg(value_name = "DIR", default_value = "experiment")]
    pub folder: PathBuf,
    /// The zip file.
    #[arg(long, value_name = "FILE", default_value = "experiment.zip")]
    pub out: PathBuf,
}

impl RunFlags {
    /// The experiment that is asked for.
    ///
    /// # Errors
    /// When its numbers describe none.
    pub fn plan(&self) -> super::Result<Plan> {
        let target = match self.target {
            TargetKind::Processes => TargetPlan::Processes {
                model: self.model.clone(),
                cpus: self.cpus,
                memory_mb: self.memory_mb,
            },
            TargetKind::Kubernetes => TargetPlan::Kubernetes {
                deployment: self.deployment.clone().unwrap_or_default(),
                namespace: self.namespace.clone(),
                server: self.server.clone(),
                token_file: self.token_file.clone(),
                url: self.url.clone().unwrap_or_default(),
                cpus: self.cpus,
            },
        };
        let method = Method {
            target,
            folder: self.folder.clone(),
            dialect: self.dialect,
            requests: self.requests,
            warm_up: self.warm_up,
            timeout_s: self.timeout.as_secs_f64(),
            allow_failures: self.allow_failures,
        };
        let (workers, threads, repeats) = (self.workers.clone(), self.threads.clone(), self.repeats);
        Plan { matrix: Matrix { workers, threads, repeats }, method }.checked()
    }
}

impl ReportFlags {
    /// Who hands the report in.
    pub fn author(&self) -> Author {
        let Self { author, tutor, login, student_number, .. } = self;
        Author {
            author: author.clone(),
            tutor: tutor.clone(),
            login: login.clone(),
            student_number: student_number.clone(),
        }
    }
}
