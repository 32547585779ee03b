//! The flags that say which model to use and how.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use sightscan_engine::EngineChoice;
use sightscan_engine::family::Family;
use sightscan_engine::model::{InputOverrides, ModelFolder, Overrides, Reference, Source, shipped, source};
use sightscan_engine::prepare::{Colour, Fit};

/// The flags for a model that does not say everything about itself.
#[derive(Debug, Clone, Default, Args)]
#[command(
    next_help_heading = "What the model does not say about itself (or set it in a model.toml beside the file)"
)]
pub(crate) struct SpecFlags {
    /// How the output is read: yolov5, yolov8, yolox or classifier.
    #[arg(long)]
    family: Option<Family>,
    /// Class names: a file with a name a line, or a JSON list.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Input size in pixels: one number for a square, or WIDTHxHEIGHT.
    #[arg(long, value_name = "PX", value_parser = parse_size)]
    size: Option<(usize, usize)>,
    /// How a picture is fitted into the input: letterbox, letterbox-top-left or stretch.
    #[arg(long, value_parser = parse_named::<Fit>)]
    fit: Option<Fit>,
    /// Order of the colour channels: rgb or bgr.
    #[arg(long, value_parser = parse_named::<Colour>)]
    colour: Option<Colour>,
    /// Factor for each value: the input is (value - mean) * scale, with values from 0 to 255.
    #[arg(long, value_name = "FACTOR")]
    scale: Option<f32>,
    /// Mean of each channel, in the order of --colour.
    #[arg(long, value_name = "A,B,C", value_parser = parse_mean)]
    mean: Option<[f32; 3]>,
    /// Value of a letterbox's padding, 0 to 255.
    #[arg(long, value_name = "VALUE")]
    pad: Option<u8>,
    /// Whether shrinking averages over all pixels (as Pillow does) or takes four of them (as OpenCV does).
    #[arg(long, value_name = "true|false")]
    antialias: Option<bool>,
}

impl SpecFlags {
    /// What these flags say, in the form of a `model.toml`.
    pub(crate) fn overrides(&self) -> Result<Overrides> {
        let classes = self.classes.as_deref().map(source::read_names).transpose()?;
        let input = InputOverrides {
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            fit: self.fit,
            colour: self.colour,
            scale: self.scale,
            mean: self.mean,
            pad: self.pad,
            antialias: self.antialias,
            layout: None,
        };
        Ok(Overrides { family: self.family, classes, input, ..Overrides::default() })
    }
}

/// The runtime that computes the network.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct EngineFlag {
    /// Which runtime computes the network: auto (ONNX Runtime where it is installed), rten or onnxruntime [default: auto].
    #[arg(long, env = "SIGHTSCAN_ENGINE")]
    engine: Option<EngineChoice>,
}

impl EngineFlag {
    /// The runtime that the user wants.
    pub(crate) fn choice(self) -> EngineChoice {
        self.or(EngineChoice::Auto)
    }

    /// The runtime that the flag names, else this one.
    pub(crate) fn or(self, other: EngineChoice) -> EngineChoice {
        self.engine.unwrap_or(other)
    }
}

/// The files of the model that a reference names; without one, of the usual model.
pub(crate) fn model_source(reference: Option<&str>, overrides: &Overrides) -> Result<Source> {
    let reference = reference.map_or_else(only_model, |reference| Ok(reference.parse()?))?;
    Ok(ModelFolder::default().source(&reference, overrides)?)
}

/// The only model of the model folder; where there is none, the one that comes with the program.
pub(crate) fn only_model() -> Result<Reference> {
    let models = ModelFolder::default().live_versions()?;
    let names: Vec<&str> = models.keys().map(String::as_str).collect();
    match names.as_slice() {
        [only] => Ok(only.parse()?),
        [] => Ok(shipped::reference()),
        _ => bail!("no model is given and there are several; add --model with one of {}", names.join(", ")),
    }
}

fn parse_size(text: &str) -> Result<(usize, usize)> {
    let number =
        |text: &str| text.parse::<usize>().with_context(|| format!("`{text}` is no number of pixels"));
    match text.split_once('x') {
        Some((width, height)) => Ok((number(width)?, number(height)?)),
        None => number(text).map(|side| (side, side)),
    }
}

fn parse_mean(text: &str) -> Result<[f32; 3]> {
    let numbers = text.split(',').map(|part| part.trim().parse::<f32>()).collect::<Result<Vec<_>, _>>();
    let numbers = numbers.ok().and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
    numbers.with_context(|| {
        format!("`{text}` is not three numbers with commas between them, such as 104,117,124")
    })
}

/// Parses a value by the name that it has in `model.toml`.
fn parse_named<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(anyhow::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_means_are_parsed() {
        assert_eq!(parse_size("320").unwrap(), (320, 320));
        assert_eq!(parse_size("640x480").unwrap(), (640, 480));
        assert!(parse_size("640x").is_err());
        assert_eq!(parse_mean("104, 117,124").unwrap(), [104.0, 117.0, 124.0]);
        assert!(parse_mean("1,2").is_err());
    }

    #[test]
    fn names_are_those_of_model_toml() {
        assert_eq!(parse_named::<Fit>("letterbox-top-left").unwrap(), Fit::LetterboxTopLeft);
        assert!(parse_named::<Colour>("purple").unwrap_err().to_string().contains("bgr"));
    }
}
