//! What a user says about a demo.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Options, setup};
use crate::Setup;
use crate::error::Result;
use crate::storage::data_folder;

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A city with eight landmarks is invented, asked for, crawled, labelled, and a detector of its sights is \
trained, judged, published and served. The model that comes with the program knows six of the landmarks; it is taught the other \
two. Everything is kept in a folder of its own: a demo that was ended goes on there.

Examples:
  sightscan demo
  sightscan demo --from-scratch
  sightscan demo --once --data /tmp/demo"
)]
pub struct Flags {
    /// Train from weights drawn by chance instead of those that come with the program; takes much longer.
    #[arg(long)]
    pub from_scratch: bool,
    /// Pictures of each landmark [default: 140; from scratch 150].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=400))]
    pub pictures: Option<u32>,
    /// How often every picture is learnt from [default: 26; from scratch 100].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// End when everything has been shown, instead of serving until Ctrl-C.
    #[arg(long)]
    pub once: bool,
    /// Folder of the demo [default: demo, or demo-from-scratch, in the platform's data folder + sightscan].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8002].
    #[arg(long, value_name = "ADDRESS:PORT", env = "SIGHTSCAN_LISTEN")]
    pub listen: Option<SocketAddr>,
}

impl Flags {
    /// How the demo is run.
    pub fn options(&self) -> Options {
        let usual = Options::usual(self.from_scratch);
        let pictures = self.pictures.unwrap_or(usual.pictures);
        Options { pictures, epochs: self.epochs.unwrap_or(usual.epochs), ..usual }
    }

    /// What its roles start from.
    ///
    /// # Errors
    /// When the folder cannot be named in an address.
    pub fn setup(&self) -> Result<Setup> {
        let name = if self.from_scratch { "demo-from-scratch" } else { "demo" };
        let data = self.data.clone().unwrap_or_else(|| data_folder(None).join(name));
        let mut setup = setup(&self.options(), data)?;
        setup.config.serve.listen = self.listen.unwrap_or(setup.config.serve.listen);
        Ok(setup)
    }
}
