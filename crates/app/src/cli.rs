//! The verbs of the command line.

use clap::{Parser, Subcommand};

use crate::commands::{crawl, detect, engine, export, import, jobs, label, model, serve, warehouse};

/// The heading of the options that every verb takes.
const EVERYWHERE: &str = "With every verb";

/// Turns the name of a city into a working detector of its sights, and serves it.
#[derive(Debug, Parser)]
#[command(name = "sightscan", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to write to the log: error, warn, info, debug or trace, or a filter such as `info,sightscan_serve=debug`
    /// [default: info; of demo error].
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "SIGHTSCAN_LOG")]
    pub(crate) log: Option<String>,

    /// One JSON object a log line instead of text.
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "SIGHTSCAN_LOG_JSON")]
    pub(crate) log_json: bool,

    /// Configuration file [default: sightscan.toml in this folder, if there is one].
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "SIGHTSCAN_CONFIG")]
    pub(crate) config: Option<std::path::PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One thing to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything on an invented city: it is crawled, labelled, trained and served within minutes.
    Demo(sightscan_roles::demo::Flags),
    /// Run everything in one process on embedded storage: the API, the planner and a worker.
    Up(sightscan_roles::flags::UpFlags),
    /// Answer the public: cities, their images and models, and detection.
    Api(sightscan_roles::flags::PublicFlags),
    /// Take jobs and do them, or look at pictures of a queue; any number of workers may run.
    Worker(sightscan_roles::flags::WorkerFlags),
    /// Plan periodically what there is to do; of several schedulers one leads.
    Scheduler(sightscan_roles::flags::SchedulerFlags),
    /// Ask a role how it is: ready, or why not.
    Health(sightscan_roles::health::Flags),
    /// See the pools of workers, and check that no request is lost.
    Fleet(sightscan_roles::fleet::Flags),
    /// Find a city's sights and pictures of them, now, from the shell.
    Crawl(crawl::Arguments),
    /// Label a city's pictures, now, from the shell.
    Label(label::Arguments),
    /// Write a city's labelled pictures as other programs read them: YOLO, COCO, Pascal VOC, Label Studio.
    Export(export::Arguments),
    /// Take labelled pictures of other programs into a city.
    Import(import::Arguments),
    /// List, show, retry or cancel jobs.
    Jobs(jobs::Jobs),
    /// Bring the database's schema to a version, or print it.
    Migrate(warehouse::Migrate),
    /// Look after the warehouse.
    #[command(subcommand)]
    Warehouse(warehouse::Command),
    /// Find what is in pictures, now, from the shell.
    Detect(detect::Arguments),
    /// Answer pictures over HTTP.
    Serve(serve::Arguments),
    /// Send pictures to a detection service and measure how it answers.
    Load(sightscan_experiment::Flags),
    /// Measure the response time against workers and client threads, and report on it.
    Experiment(sightscan_experiment::study::Flags),
    /// Train the detector of a city, or one from labelled pictures.
    Train(sightscan_train::Flags),
    /// Manage the model folder and the models of cities: import, show, export, evaluate, promote, roll back.
    #[command(subcommand)]
    Model(model::Command),
    /// See which runtimes can compute networks here, or install the fast one.
    #[command(subcommand)]
    Engine(engine::Command),
    /// Print a completion script for a shell.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// What is written to the log unless something is said.
    pub(crate) fn usual_log(&self) -> &'static str {
        // The demo tells in its own words what happens.
        if matches!(self, Self::Demo(_)) { "error" } else { "info" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
