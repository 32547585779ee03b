//! From the files that are text to those that are not: PNG and PDF.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use tokio::process::Command;

use super::{Error, Result};

/// Pixels of the PNG file for one of the SVG file.
const SCALE: f32 = 2.0;
/// Programs that print pages, by preference.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// How long printing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A PNG file of an SVG file, twice as wide and high, with the fonts of this machine.
///
/// # Errors
/// When there is no font, or the text is that of no SVG file.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let plot = |error: &dyn std::fmt::Display| Error::Plot(error.to_string());
    let mut options = Options::default();
    options.fontdb_mut().load_system_fonts();
    let family = options.fontdb.faces().next().and_then(|face| Some(face.families.first()?.0.clone()));
    let family = family.ok_or(Error::NoFont)?;
    if options
        .fontdb
        .query(&resvg::usvg::fontdb::Query {
            families: &[resvg::usvg::fontdb::Family::SansSerif],
            ..Default::default()
        })
        .is_none()
    {
        options.fontdb_mut().set_sans_serif_family(family);
    }
    let tree = Tree::from_str(svg, &options).map_err(|error| plot(&error))?;
    let size = tree.size();
    let mut pixels = Pixmap::new((size.width() * SCALE) as u32, (size.height() * SCALE) as u32)
        .ok_or_else(|| Error::Plot("it has no size".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| plot(&error))
}

/// Prints a page with the Chromium of this machine.
///
/// # Errors
/// When there is none, or it does not print.
pub async fn pdf(page: &Path, to: &Path) -> Result<()> {
    let browser = browser().ok_or_else(|| Error::Print("there is no Chromium".to_owned()))?;
    let (page, profile) = (fs_err::canonicalize(page)?, tempfile::tempdir()?);
    let mut command = Command::new(browser);
    // The page is our own, and a browser run by root refuses to work with a sandbox.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("--print-to-pdf={}", to.display())).arg(page);
    let printing = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).output();
    let printed = tokio::time::timeout(PATIENCE, printing);
    let printed = printed.await.map_err(|_| Error::Print(format!("nothing came within {PATIENCE:?}")))??;
    if printed.status.success() && to.exists() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&printed.stderr);
    Err(Error::Print(told.lines().last().unwrap_or("Chromium has ended").to_owned()))
}

fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let programs = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.into_iter().find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::super::plot::response_times;
    use super::super::results::tests::ideal;
    use super::*;

    #[test]
    fn a_plot_becomes_a_png_with_its_lines_and_its_words() {
        let svg = response_times(&ideal(), "pod").unwrap();
        let with_words = png(&svg).unwrap();
        assert_eq!(&with_words[..8], b"\x89PNG\r\n\x1a\n");
        let words = svg.find("<text").map(|at| &svg[at..]).unwrap();
        assert!(words.contains("</text>"));
        let silent = png(&without_words(&svg)).unwrap();
        assert!(
            with_words.len() > silent.len() + 2000,
            "words are drawn: {} and {}",
            with_words.len(),
            silent.len()
        );
    }

    fn without_words(svg: &str) -> String {
        let mut parts = svg.split("<text");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |all, part| all + part.split_once("</text>").unwrap().1)
    }

    #[test]
    fn what_is_no_svg_is_refused() {
        assert!(png("<p>").is_err());
    }
}
