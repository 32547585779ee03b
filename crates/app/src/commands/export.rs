//! `sightscan export`: a city's labelled pictures as other programs read them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use sightscan_roles::Config;
use sightscan_roles::exchange::{self, Format, Only, Shares, Wish};

use super::import::{PICTURES, tell, tell_problems};
use crate::terminal::{bar, say};
use sightscan_roles::flags::DataFlag;

/// Flags of `export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan export Berlin berlin.zip
  sightscan export Berlin berlin/ --split 0.8,0.1,0.1          # yolo train data=berlin/data.yaml
  sightscan export Berlin berlin-coco.zip --format coco --only human
Negatives are exported, too. attribution.csv names author and licence of every picture: keep it with them.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: DataFlag,
    /// The city.
    #[arg(value_name = "CITY")]
    city: String,
    /// A name that ends in .zip, or a folder that is missing or empty.
    #[arg(value_name = "DESTINATION")]
    destination: PathBuf,
    /// yolo, coco, voc or label-studio.
    #[arg(long, default_value = "yolo")]
    format: Format,
    /// Images that a person has labelled (human), that anybody has (labelled), or unlabelled ones as well (all).
    #[arg(long, value_name = "WHICH", default_value = "labelled")]
    only: Only,
    /// Shares for training, validation and testing, such as 0.8,0.1,0.1 [default: not divided].
    #[arg(long, value_name = "SHARES")]
    split: Option<Shares>,
}

/// Runs `export`.
pub(crate) fn run(arguments: Arguments, config: Config) -> Result<ExitCode> {
    let Arguments { data, city, destination, format, only, split } = arguments;
    let (setup, wish, bar) = (data.setup(config)?, Wish { format, only, split }, bar(0, PICTURES));
    let tell = tell(&bar);
    let export = async { Ok(Box::pin(exchange::export(&setup, &city, &destination, &wish, &tell)).await?) };
    let exported = super::block_on(export);
    bar.finish_and_clear();
    let exported = exported?;
    tell_problems(&exported.problems)?;
    say(format_args!("{exported}; written to {}", destination.display()))?;
    Ok(ExitCode::SUCCESS)
}
