//! One file a verb: reads the flags, calls the library, prints.

pub(crate) mod crawl;
pub(crate) mod demo;
pub(crate) mod detect;
pub(crate) mod engine;
pub(crate) mod experiment;
pub(crate) mod export;
pub(crate) mod fleet;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod label;
pub(crate) mod load;
pub(crate) mod model;
pub(crate) mod roles;
pub(crate) mod serve;
pub(crate) mod train;
pub(crate) mod warehouse;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::cli::{Cli, Command};
use sightscan_roles::Config;

/// Runs the command that the user asked for.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    crate::telemetry::start(cli.log.as_deref().unwrap_or(cli.command.usual_log()), cli.log_json)?;
    sightscan_engine::runtime::heap::keep_freed_memory();
    let read = |defaults: Config| Ok::<_, anyhow::Error>(defaults.read(cli.config.as_deref())?);
    match cli.command {
        Command::Demo(flags) => demo::run(&flags),
        Command::Up(arguments) => roles::up(arguments, read(Config::for_up())?),
        Command::Api(arguments) => roles::api(arguments, read(Config::default())?),
        Command::Worker(arguments) => roles::worker(arguments, read(Config::default())?),
        Command::Health(flags) => Ok(flags.ask().map(|()| ExitCode::SUCCESS)?),
        Command::Fleet(arguments) => fleet::run(arguments, read(Config::default())?),
        Command::Scheduler(arguments) => roles::scheduler(arguments, read(Config::default())?),
        Command::Crawl(arguments) => crawl::run(arguments, read(Config::default())?),
        Command::Label(arguments) => label::run(arguments, read(Config::default())?),
        Command::Export(arguments) => export::run(arguments, read(Config::default())?),
        Command::Import(arguments) => import::run(arguments, read(Config::default())?),
        Command::Jobs(arguments) => jobs::run(arguments, read(Config::default())?),
        Command::Migrate(arguments) => warehouse::migrate(arguments, read(Config::default())?),
        Command::Warehouse(command) => warehouse::run(command, read(Config::default())?),
        Command::Detect(arguments) => detect::run(arguments),
        Command::Serve(arguments) => serve::run(arguments, read(Config::default())?.serve),
        Command::Load(flags) => load::run(flags),
        Command::Experiment(flags) => experiment::run(flags),
        Command::Train(flags) => train::run(&flags, read(Config::default())?),
        Command::Model(command) => model::run(command, read(Config::default())?),
        Command::Engine(command) => engine::run(command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sightscan", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Ready when the user presses Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs a future to its end on a runtime with a thread for each core.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the asynchronous runtime does not start")?.block_on(future)
}
