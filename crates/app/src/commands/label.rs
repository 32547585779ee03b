//! `sightscan label`: labels for a city's pictures, now, from the shell.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use sightscan_roles::Config;
use sightscan_roles::label::{self, Options};

use crate::terminal::{bar, say, show};
use sightscan_roles::flags::DataFlag;

/// Flags of `label`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan label Berlin
  sightscan label Berlin --budget 500
  sightscan label Berlin --labellers models/berlin.onnx
Google Vision needs VISION_KEY, or GOOGLE_APPLICATION_CREDENTIALS (a service account's key) [default: ./auth.json].")]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: DataFlag,
    /// The city.
    #[arg(value_name = "CITY")]
    city: String,
    /// Pictures that Vision may be paid for in the city's lifetime [default: $MAX_GOOGLE_VISION_CALLS_PER_NEW_CITY].
    #[arg(long, value_name = "N")]
    budget: Option<u32>,
    /// Who labels, in order: vision, demo (the invented city), or the file of a model [default: vision].
    #[arg(long, value_name = "LABELLER", value_delimiter = ',')]
    labellers: Option<Vec<String>>,
}

/// Runs `label`.
pub(crate) fn run(arguments: Arguments, config: Config) -> Result<ExitCode> {
    let mut setup = arguments.data.setup(config)?;
    arguments.labellers.into_iter().for_each(|labellers| setup.config.label.labellers = labellers);
    let budget = arguments.budget.unwrap_or(setup.config.cities.max_label_calls_per_city);
    let bar = bar(0, "{pos}/{len} {wide_msg}");
    let shown = bar.clone();
    let tell = Arc::new(move |tally: &label::Tally| {
        show(&shown, tally.labelled, tally.images);
        shown.set_message(tally.to_string());
    });
    let options = Options { city: arguments.city, budget };
    let labelled = super::block_on(async { Ok(Box::pin(label::label(&setup, options, tell)).await?) });
    bar.finish_and_clear();
    say(labelled?)?;
    Ok(ExitCode::SUCCESS)
}
