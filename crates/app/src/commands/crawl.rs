//! `sightscan crawl`: a city's sights and pictures of them, now, from the shell.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use sightscan_roles::crawl::{self, Google, Options, Tell};
use sightscan_roles::{Config, Setup};

use crate::terminal::{bar, say, spinner};
use sightscan_roles::flags::DataFlag;

/// Flags of `crawl`. A flag that is given twice has its last value, and those of the original's crawler may be written
/// as it wrote them.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Examples:
  sightscan crawl Berlin
  sightscan crawl Berlin --sights-limit 3 --limit 10 --sources commons,openverse
  sightscan crawl Berlin --sights sights.csv --sources ./pictures
  sightscan crawl Berlin --sources google-images,pinterest --full --no-gui false
  sightscan crawl --no_gui true --full true --limit 10 --no_driver true --region Berlin
Keys are read from MAPS_KEY (Google Places), FLICKR_KEY, CUSTOM_SEARCH_KEY and CUSTOM_SEARCH_ENGINE."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    data: DataFlag,
    /// The city.
    #[arg(value_name = "CITY")]
    city: Option<String>,
    /// The city, as a flag.
    #[arg(long, visible_alias = "location", value_name = "CITY")]
    region: Option<String>,
    /// Pass over sights whose crawl was finished before.
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    skip: bool,
    /// Sights that are crawled at once [default: 4].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Whether sources of Google may be asked: places, custom-search, google-images.
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    google: bool,
    /// Sources of Google: full-size pictures instead of thumbnails.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    full: bool,
    /// Sources of Google: pictures of faces only.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    face: bool,
    /// Sources that need a browser: without a window (auto and true), or with one to look at (false) [default: auto].
    #[arg(long, alias = "no_gui", num_args = 0..=1, default_missing_value = "true")]
    no_gui: Option<NoGui>,
    /// Pictures that are stored of each sight, at most; 0 is as many as there are [default: $MAX_IMAGES_PER_SIGHT, else 100].
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Taken for the original's scripts: the system's Chromium is driven without a driver, whatever is said here.
    #[arg(long, alias = "no_driver", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    no_driver: Option<bool>,
    /// Sights, at most [default: $MAX_SIGHTS_PER_CITY, else 10].
    #[arg(long, alias = "sights_limit", value_name = "N")]
    sights_limit: Option<u32>,
    /// Who names the sights: wikidata, openstreetmap, places, demo, or a file [default: wikidata].
    #[arg(long, value_name = "SOURCE", value_delimiter = ',')]
    sights: Option<Vec<String>>,
    /// Who names pictures, in this order: commons, openverse, flickr, custom-search, google-images and pinterest (both
    /// need Chromium; licences are not known), demo, a folder, a .zip, a list of addresses (.txt or .csv) [default: commons].
    #[arg(long, value_name = "SOURCE", value_delimiter = ',')]
    sources: Option<Vec<String>>,
    /// Tell the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What the original's flag may be.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum NoGui {
    Auto,
    True,
    False,
}

/// Runs `crawl`.
pub(crate) fn run(mut arguments: Arguments, config: Config) -> Result<ExitCode> {
    let Some(city) = arguments.city.take().or_else(|| arguments.region.take()) else {
        bail!("name a city: `sightscan crawl Berlin`");
    };
    let mut setup = arguments.data.setup(config)?;
    arguments.change(&mut setup);
    let options = arguments.options(city, &setup);
    if options.max_pictures == 0 {
        writeln!(std::io::stderr(), "no limit: every picture is stored that is found")?;
    }
    let bar = match options.max_pictures {
        0 => spinner("{pos} {wide_msg}"),
        _ => bar(0, "{pos}/{len} {wide_msg}"),
    };
    let report = super::block_on(async { Ok(Box::pin(crawl::crawl(&setup, options, tell(&bar))).await?) });
    bar.finish_and_clear();
    let report = report?;
    let told = if arguments.json { serde_json::to_string(&report)? } else { report.to_string() };
    say(told)?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// What flags say wins over the configuration.
    fn change(&mut self, setup: &mut Setup) {
        let crawl = &mut setup.config.crawl;
        self.sights.take().into_iter().for_each(|sights| crawl.sights = sights);
        self.sources.take().into_iter().for_each(|sources| crawl.sources = sources);
        self.threads.into_iter().for_each(|threads| crawl.threads = threads);
        self.no_gui.into_iter().for_each(|no_gui| crawl.headless = !matches!(no_gui, NoGui::False));
    }

    fn options(&self, city: String, setup: &Setup) -> Options {
        let Config { cities, crawl, .. } = &setup.config;
        Options {
            city,
            max_sights: self.sights_limit.unwrap_or(cities.max_sights_per_city),
            max_pictures: self.limit.unwrap_or(cities.max_images_per_sight),
            threads: crawl.threads,
            skip: self.skip,
            google: Google { is_allowed: self.google, full: self.full, face: self.face },
        }
    }
}

fn tell(bar: &ProgressBar) -> Tell {
    let bar = bar.clone();
    Arc::new(move |tally| {
        let counts = tally.counts();
        tally.wanted().into_iter().for_each(|wanted| bar.set_length(wanted as u64));
        bar.set_position(counts.kept as u64);
        bar.set_message(counts.to_string());
    })
}
