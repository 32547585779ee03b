//! `sightscan migrate` and `sightscan warehouse …`: the database's schema and its marts.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use sightscan_roles::{Config, Database, schema};

use crate::terminal::say;
use sightscan_roles::flags::DataFlag;

/// Flags of `migrate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every role migrates up when it starts; going down is only ever done here, and takes the tables \
of the versions above with everything in them."
)]
pub(crate) struct Migrate {
    #[command(flatten)]
    data: DataFlag,
    /// Print the whole schema as SQL and change nothing.
    #[arg(long, conflicts_with = "to")]
    sql: bool,
    /// Go to this version, up or down, instead of the newest; 0 takes everything away.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
}

/// What to do with the warehouse.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Move arrivals on and refresh the marts now; the scheduler does it periodically.
    Refresh {
        #[command(flatten)]
        data: DataFlag,
        /// Count everything anew, not only what has changed.
        #[arg(long)]
        all: bool,
    },
}

/// Runs `migrate`.
pub(crate) fn migrate(arguments: Migrate, config: Config) -> Result<ExitCode> {
    let setup = arguments.data.setup(config)?;
    let dialect = setup.places.database.dialect();
    let told = if arguments.sql {
        schema(dialect)
    } else {
        super::block_on(async {
            let database = Database::open_as_it_is(&setup.places.database).await?;
            let migrated = database.migrate(arguments.to).await?;
            let versions: Vec<String> = migrated.applied.iter().map(ToString::to_string).collect();
            let steps = if versions.is_empty() {
                "no change".to_owned()
            } else {
                format!("steps: {}", versions.join(", "))
            };
            Ok(format!("{} has schema version {} ({steps})\n", setup.places.database, migrated.version))
        })?
    };
    write!(std::io::stdout().lock(), "{told}")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `warehouse …`.
pub(crate) fn run(command: Command, config: Config) -> Result<ExitCode> {
    let Command::Refresh { data, all } = command;
    let setup = data.setup(config)?;
    let told = super::block_on(async { Ok(sightscan_roles::refresh(&setup, all).await?) })?;
    say(told)?;
    Ok(ExitCode::SUCCESS)
}
