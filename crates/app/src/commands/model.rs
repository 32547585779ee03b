//! `sightscan model …`: the model folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use sightscan_dataset::Split;
use sightscan_engine::Model;
use sightscan_engine::model::pull::{PullOptions, pull};
use sightscan_engine::model::{Entry, ModelFolder, Overrides, Source, export, source};
use sightscan_engine::runtime::available_threads;
use sightscan_roles::{Config, Setup, models};
use sightscan_train::RegistryCommand;

use crate::model_flags::{EngineFlag, SpecFlags, model_source};
use crate::terminal::{bar, say, show as show_progress};

/// What to do with the model folder.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a model into the model folder, after it has answered once.
    Import(Import),
    /// List the models of the model folder.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show everything that is known about a model, as a model.toml.
    Show {
        /// Model: a path, name or name@version.
        reference: String,
        #[command(flatten)]
        engine: EngineFlag,
        #[command(flatten)]
        spec: SpecFlags,
    },
    /// Write a model as a file that other tools load.
    Export(Export),
    /// Tell how good a model is on labelled pictures: mean average precision as COCO defines it.
    Evaluate(Evaluate),
    #[command(flatten)]
    Registry(RegistryCommand),
    /// Download a file; goes on where an earlier download was cut off.
    Pull(Pull),
}

/// Flags of `model import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan model import yolov5n.onnx
  sightscan model import --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --names coco.names
  sightscan model import berlin.onnx --city Berlin")]
pub(crate) struct Import {
    /// An .onnx file, or a Darknet .cfg with its .weights beside it.
    #[arg(required_unless_present = "cfg", conflicts_with = "cfg")]
    file: Option<PathBuf>,
    /// A Darknet network's configuration.
    #[arg(long, value_name = "FILE", requires = "weights")]
    cfg: Option<PathBuf>,
    /// A Darknet network's weights.
    #[arg(long, value_name = "FILE", requires = "cfg")]
    weights: Option<PathBuf>,
    /// Class names: a file with a name a line (the same as --classes).
    #[arg(long, value_name = "FILE", conflicts_with = "classes")]
    names: Option<PathBuf>,
    /// Name in the model folder [default: the file's].
    #[arg(long)]
    name: Option<String>,
    /// Version [default: the next number].
    #[arg(long)]
    version: Option<String>,
    /// Publish it as well as the live model of this city, in the warehouse.
    #[arg(long, value_name = "NAME")]
    city: Option<String>,
    #[command(flatten)]
    engine: EngineFlag,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Flags of `model export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Model: a path, name or name@version.
    reference: String,
    /// Form of the file.
    #[arg(long, value_enum, default_value = "onnx")]
    format: Format,
    /// File to write [default: the model's name in this folder].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    engine: EngineFlag,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Forms in which a model is exported.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// ONNX, with names and sizes in its metadata.
    Onnx,
}

/// Flags of `model evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sightscan model evaluate --model berlin --data berlin.zip
  sightscan model evaluate --model yolov5n.onnx --data my-labels/ --split val --json
Classes are matched by their names, whatever their case and whether words are divided by spaces, _ or -.")]
pub(crate) struct Evaluate {
    /// Model: a path, name or name@version.
    #[arg(long, short, value_name = "REF")]
    model: String,
    /// Labelled pictures: a folder or .zip in the form of YOLO, COCO, Pascal VOC or Label Studio.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only the pictures of this split: train, val or test [default: all].
    #[arg(long)]
    split: Option<Split>,
    /// Tell the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    engine: EngineFlag,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Flags of `model pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Address of the file.
    url: String,
    /// Refuse a file with another SHA-256.
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// File to write [default: downloads/ of the data folder].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `model …`.
pub(crate) fn run(command: Command, config: Config) -> Result<ExitCode> {
    match command {
        Command::Import(arguments) => import(&arguments, config),
        Command::List { json } => list(json),
        Command::Show { reference, engine, spec } => show(&reference, engine, &spec),
        Command::Export(arguments) => export_model(&arguments),
        Command::Evaluate(arguments) => evaluate(&arguments),
        Command::Registry(command) => registry(command, config),
        Command::Pull(arguments) => download(arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn import(arguments: &Import, config: Config) -> Result<()> {
    let mut overrides = arguments.spec.overrides()?;
    overrides.name = arguments.name.clone();
    overrides.version = arguments.version.clone();
    if let Some(names) = &arguments.names {
        overrides.classes = Some(source::read_names(names)?);
    }
    let source = match (&arguments.file, &arguments.cfg, &arguments.weights) {
        (Some(file), _, _) => Source::read(file, &overrides)?,
        (None, Some(cfg), Some(weights)) => Source::read_darknet(cfg, weights, overrides)?,
        _ => bail!("give a model file, or --cfg FILE and --weights FILE"),
    };
    let imported = ModelFolder::default().import(source, arguments.engine.choice())?;
    let Entry { name, version, path, .. } = &imported.entry;
    let news = if imported.is_new { "imported" } else { "was imported before and is live again" };
    say(format_args!("{name}@{version} {news}: {}", path.display()))?;
    arguments.city.as_deref().map_or(Ok(()), |city| publish(city, &imported.entry, config))
}

/// Publishes a model of the folder as a city's live one.
fn publish(city: &str, entry: &Entry, config: Config) -> Result<()> {
    let setup = Setup::new(config, None)?;
    let (bytes, specification) = (fs_err::read(&entry.path)?, toml::to_string(&entry.description)?);
    let (city, model) = super::block_on(async {
        let warehouse = setup.open().await?;
        Ok(sightscan_roles::models::publish(&warehouse, city, bytes.into(), specification).await?)
    })?;
    say(format_args!("version {} of {} is published in {}", model.version, city.name, setup.places.database))
}

fn list(json: bool) -> Result<()> {
    let folder = ModelFolder::default();
    let models = folder.list()?;
    if models.is_empty() && !json {
        return say(format_args!(
            "no models in {}; `sightscan model import FILE` adds one",
            folder.root().display()
        ));
    }
    models
        .iter()
        .try_for_each(|model| if json { say(serde_json::to_string(model)?) } else { say(line(model)) })
}

fn line(model: &Entry) -> String {
    let Overrides { family, classes, input, .. } = &model.description;
    let family = family.map_or_else(|| "?".into(), |family| family.to_string());
    let classes = classes.as_ref().map_or(0, Vec::len);
    let size = format!("{}x{}", input.width.unwrap_or(0), input.height.unwrap_or(0));
    let live = if model.live { "live" } else { "" };
    format!(
        "{:<32} {live:<4}  {family:<10} {classes:>5} classes  {size}",
        format!("{}@{}", model.name, model.version)
    )
}

fn show(reference: &str, engine: EngineFlag, spec: &SpecFlags) -> Result<()> {
    let source = model_source(Some(reference), &spec.overrides()?)?;
    let path = source.path.display().to_string();
    let model = Model::from_source(source, engine.choice())?;
    say(format_args!("# {path}\n# runs on {}", model.program().runtime()))?;
    say(toml::to_string(&Overrides::from(model.spec()))?.trim_end())
}

fn export_model(arguments: &Export) -> Result<()> {
    let Format::Onnx = arguments.format;
    let source = model_source(Some(&arguments.reference), &arguments.spec.overrides()?)?;
    let out = arguments.out.clone().unwrap_or_else(|| default_file(&arguments.reference));
    let exported = export(source, &out, arguments.force, arguments.engine.choice())?;
    say(format_args!("{}: {} bytes, sha256 {}", exported.path.display(), exported.bytes, exported.sha256))
}

/// `yolov5n@2` becomes `yolov5n@2.onnx`, `a/net.cfg` becomes `net.onnx`.
fn default_file(reference: &str) -> PathBuf {
    let name = Path::new(reference).file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy());
    let stem = ["cfg", "onnx"].iter().find_map(|ending| name.strip_suffix(&format!(".{ending}")));
    PathBuf::from(format!("{}.onnx", stem.unwrap_or(&name)))
}

fn evaluate(arguments: &Evaluate) -> Result<()> {
    let source = model_source(Some(&arguments.model), &arguments.spec.overrides()?)?;
    let model = Model::from_source(source, arguments.engine.choice())?;
    let (set, problems) = sightscan_train::read_set(&arguments.data, arguments.split)?;
    let bar = bar(0, "{pos}/{len} pictures, {eta} left");
    let report = sightscan_train::evaluate(&model, &set, available_threads(), |done, total| {
        show_progress(&bar, done, total);
    });
    bar.finish_and_clear();
    let report = report?;
    write!(std::io::stderr().lock(), "{problems}{}", report.warnings())?;
    if arguments.json { say(serde_json::to_string(&report)?) } else { say(report) }
}

/// Looks after the models of a city.
fn registry(command: RegistryCommand, config: Config) -> Result<()> {
    let setup = Setup::new(config, None)?;
    let told = super::block_on(async { Ok(models::look_after(&setup, command).await?) })?;
    told.iter().try_for_each(say)
}

fn download(arguments: Pull) -> Result<()> {
    let bar = bar(0, "{bytes}/{total_bytes}, {bytes_per_sec}, {eta} left");
    let options =
        PullOptions { destination: arguments.out, sha256: arguments.sha256, ..PullOptions::default() };
    let pulled = super::block_on(async {
        let progress = |progress: sightscan_engine::model::pull::Progress| {
            progress.total.into_iter().for_each(|total| bar.set_length(total));
            bar.set_position(progress.done);
        };
        Ok(pull(&arguments.url, &options, progress).await?)
    })?;
    bar.finish_and_clear();
    say(format_args!("{}\n{} bytes, sha256 {}", pulled.path.display(), pulled.bytes, pulled.sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_files_are_named_after_their_model() {
        let cases = [("yolov5n@2", "yolov5n@2.onnx"), ("a/net.cfg", "net.onnx"), ("b.c.onnx", "b.c.onnx")];
        for (reference, file) in cases {
            assert_eq!(default_file(reference), PathBuf::from(file));
        }
    }
}
