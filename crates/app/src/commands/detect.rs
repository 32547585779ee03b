//! `sightscan detect`: pictures in, boxes out.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use sightscan_engine::annotate::Copies;
use sightscan_engine::many::{self, Outcome};
use sightscan_engine::model::Spec;
use sightscan_engine::pictures::{self, PictureFile};
use sightscan_engine::{Analysis, Limits, Model, Options, runtime};
use sightscan_types::{Findings, PictureReport};

use crate::model_flags::{EngineFlag, SpecFlags, model_source};
use crate::terminal::bar;

/// Flags of `detect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan detect --model yolov5n.onnx holiday.jpg
  sightscan detect --model yolov5n.onnx --annotate out/ holiday/ 'more/*.png'
  curl -s https://example.org/picture.jpg | sightscan detect --json -")]
pub(crate) struct Arguments {
    /// Pictures: files, folders, patterns, or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Model: an .onnx file, a Darknet .cfg with its .weights beside it, or a name in the model folder (name or name@version)
    /// [default: the only one in the model folder, else `landmarks`, which comes with the program].
    #[arg(long, short, value_name = "REF", env = "SIGHTSCAN_MODEL")]
    model: Option<String>,
    /// Drop boxes with no more than this confidence, 0 to 1 [default: the model's, usually 0.25].
    #[arg(long, value_name = "0..1")]
    confidence: Option<f32>,
    /// Drop boxes that overlap a better one by more than this (intersection over union) [default: the model's, usually 0.45].
    #[arg(long, value_name = "0..1")]
    iou: Option<f32>,
    /// Let a box suppress overlapping boxes of other classes too.
    #[arg(long)]
    agnostic: bool,
    /// Find at most so many boxes a picture.
    #[arg(long, value_name = "N")]
    max: Option<usize>,
    /// Find only these classes, with commas between them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Write copies of the pictures with boxes and names drawn on them into this folder.
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Refuse pictures with more than so many million pixels.
    #[arg(long, value_name = "N", default_value_t = 50)]
    max_megapixels: u64,
    /// Threads to use [default: all that this process may use].
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    #[command(flatten)]
    engine: EngineFlag,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Runs `detect`; fails softly when only some pictures failed.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let files = pictures::expand(&arguments.paths)?;
    let source = model_source(arguments.model.as_deref(), &arguments.spec.overrides()?)?;
    let model = Model::from_source(source, arguments.engine.choice())?;
    let options = options(&arguments, model.spec())?;
    let limits = Limits { max_pixels: arguments.max_megapixels.saturating_mul(1_000_000) };
    let copies = arguments.annotate.as_deref().map(|folder| Copies::new(folder, &files)).transpose()?;
    let threads = arguments.threads.unwrap_or_else(runtime::available_threads);
    let mut printer = Printer::new(&arguments, model.spec(), copies, files.len());
    many::detect_all(&model, &files, threads, (&limits, &options), |file, outcome| {
        printer.take(file, outcome)
    })?;
    printer.finish()
}

fn options(arguments: &Arguments, spec: &Spec) -> Result<Options> {
    let usual = spec.options();
    let options = Options {
        confidence: arguments.confidence.unwrap_or(usual.confidence),
        iou: arguments.iou.unwrap_or(usual.iou),
        agnostic: arguments.agnostic || usual.agnostic,
        max: arguments.max.unwrap_or(usual.max),
        classes: arguments.only.clone(),
    };
    spec.check(&options)?;
    Ok(options)
}

/// Prints outcomes as they come and counts the failures.
struct Printer<'a> {
    arguments: &'a Arguments,
    spec: &'a Spec,
    copies: Option<Copies>,
    progress: ProgressBar,
    failures: usize,
    broken: Option<anyhow::Error>,
}

impl<'a> Printer<'a> {
    fn new(arguments: &'a Arguments, spec: &'a Spec, copies: Option<Copies>, count: usize) -> Self {
        // A bar between lines of answers on the same terminal would only disturb.
        let useful = count > 1 && !std::io::stdout().is_terminal();
        let bar = || bar(count as u64, "{pos}/{len} pictures, {eta} left");
        let progress = if useful { bar() } else { ProgressBar::hidden() };
        Self { arguments, spec, copies, progress, failures: 0, broken: None }
    }

    /// Prints one outcome; breaks off when nobody reads any more.
    fn take(&mut self, file: &PictureFile, outcome: Outcome) -> ControlFlow<()> {
        let printed = outcome.map_err(anyhow::Error::from).and_then(|(picture, analysis)| {
            let copies = self.copies.as_mut();
            let drawn = copies.map_or(Ok(()), |copies| copies.write(file, &picture, &analysis));
            self.print(file, analysis).map_err(|error| self.broken = Some(error.into())).ok();
            Ok(drawn?)
        });
        if let Err(error) = printed {
            self.failures += 1;
            self.progress.suspend(|| complain(file, &error));
        }
        self.progress.inc(1);
        if self.broken.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn print(&self, file: &PictureFile, analysis: Analysis) -> std::io::Result<()> {
        let report = PictureReport {
            image: file.to_string(),
            width: analysis.width,
            height: analysis.height,
            model: self.spec.name.clone(),
            model_version: None,
            findings: analysis.findings,
            timing_ms: analysis.times,
        };
        let mut out = std::io::stdout().lock();
        if self.arguments.json {
            serde_json::to_writer(&mut out, &report)?;
            return writeln!(out);
        }
        print_table(&mut out, &report)
    }

    fn finish(self) -> Result<ExitCode> {
        self.progress.finish_and_clear();
        match (self.broken, self.failures) {
            (Some(error), _) => Err(error),
            (None, 0) => Ok(ExitCode::SUCCESS),
            (None, _) => Ok(ExitCode::FAILURE),
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "answers go to standard output, what is wrong with a picture beside it"
)]
fn complain(file: &PictureFile, error: &anyhow::Error) {
    eprintln!("error: {file}: {}", crate::explain(error));
}

fn print_table(out: &mut impl Write, report: &PictureReport) -> std::io::Result<()> {
    let PictureReport { image, width, height, model, timing_ms, .. } = report;
    writeln!(out, "{image}  {width}x{height}  {model}  {:.0} ms", timing_ms.total())?;
    match &report.findings {
        Findings::Detections(boxes) if boxes.is_empty() => writeln!(out, "  nothing found"),
        Findings::Detections(boxes) => boxes.iter().try_for_each(|found| {
            let area = found.bounds;
            writeln!(
                out,
                "  {:<20} {:>5.1} %   left {:>6.1}  top {:>6.1}  width {:>6.1}  height {:>6.1}",
                found.label,
                100.0 * found.confidence,
                area.left,
                area.top,
                area.width,
                area.height
            )
        }),
        Findings::Classes(classes) => classes
            .iter()
            .try_for_each(|class| writeln!(out, "  {:>5.1} %  {}", 100.0 * class.confidence, class.label)),
    }
}
