//! `sightscan import`: labelled pictures of other programs into a city.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use sightscan_roles::Config;
use sightscan_roles::exchange::{self, Format, Import, Problems, Tell};

use crate::terminal::{bar, say, show};
use sightscan_roles::flags::DataFlag;

/// Behind the bar.
pub(super) const PICTURES: &str = "{pos}/{len} pictures";

/// Flags of `import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan import Berlin berlin.zip
  sightscan import Berlin my-labels/ --licence CC-BY-4.0 --author \"Jane Doe\" --by jane
  sightscan import Berlin project-1.zip --format label-studio
A picture without a licence that may be used is quarantined until somebody has looked at it. An attribution.csv beside the
labels (file,source,page,author,licence,licence_url) wins over the flags.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: DataFlag,
    /// The city; it is made if need be.
    #[arg(value_name = "CITY")]
    city: String,
    /// A folder or a .zip.
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// yolo, coco, voc or label-studio [default: told by the files].
    #[arg(long)]
    format: Option<Format>,
    /// The licence of pictures whose own is not told, as SPDX identifier.
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// The author of pictures whose own is not told.
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Who has labelled, where people have [default: import:SOURCE].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Runs `import`.
pub(crate) fn run(arguments: Arguments, config: Config) -> Result<ExitCode> {
    let Arguments { data, city, source, format, licence, author, by } = arguments;
    let (setup, bar) = (data.setup(config)?, bar(0, PICTURES));
    let (import, tell) = (Import { city, source, format, licence, author, by }, tell(&bar));
    let report = super::block_on(async { Ok(Box::pin(exchange::import(&setup, import, &tell)).await?) });
    bar.finish_and_clear();
    let report = report?;
    tell_problems(&report.problems)?;
    say(report)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tell(bar: &ProgressBar) -> Tell {
    let bar = bar.clone();
    Arc::new(move |done, total| show(&bar, done, total))
}

pub(super) fn tell_problems(problems: &Problems) -> Result<()> {
    Ok(write!(std::io::stderr().lock(), "{problems}")?)
}
