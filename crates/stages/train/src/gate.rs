//! What a candidate has to show before it answers for its city.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sightscan_dataset::{Dataset, Item};
use sightscan_engine::model::{Overrides, Source};
use sightscan_engine::{EngineChoice, Model};
use sightscan_nn::Weights;

use crate::error::{Error, Result};
use crate::evaluation::{Report, evaluate};
use crate::golden;

/// When a candidate is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// So much worse than the live model it may be: mean average precision at 0.5:0.95 on the frozen test pictures. Small sets
    /// say it no finer than this.
    pub margin: f64,
    /// At least so good it must be where no model is live yet: mean average precision at 0.5 on them.
    pub least: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { margin: 0.02, least: 0.1 }
    }
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It answers for the city from now on; why.
    Accepted(String),
    /// It is kept, but does not answer; why.
    Rejected(String),
}

impl Verdict {
    /// Why it was decided so.
    pub fn why(&self) -> &str {
        match self {
            Self::Accepted(why) | Self::Rejected(why) => why,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if matches!(self, Self::Accepted(_)) { "accepted" } else { "rejected" };
        write!(formatter, "{word}: {}", self.why())
    }
}

/// A candidate, as it would be served.
pub(crate) struct Candidate<'a> {
    /// Its ONNX file.
    pub(crate) onnx: &'a [u8],
    /// The weights that it was made of.
    pub(crate) weights: &'a Weights,
}

/// The model that it would replace.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) version: i64,
    pub(crate) onnx: Vec<u8>,
    /// Its `model.toml`.
    pub(crate) specification: String,
}

/// What the gate has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) verdict: Verdict,
    /// How good the candidate is on the test pictures, where it could be looked at.
    pub(crate) report: Option<Report>,
    /// How good the live model is on them.
    pub(crate) live: Option<Report>,
}

impl Seen {
    fn refused(why: String) -> Self {
        Self { verdict: Verdict::Rejected(why), report: None, live: None }
    }
}

impl Gate {
    /// Looks at a candidate: it must load in the serving engine, find what its network found, and not be worse than the
    /// live model on the test pictures.
    ///
    /// # Errors
    /// When a runtime fails on a model that it had accepted.
    pub(crate) fn judge(
        self,
        candidate: &Candidate<'_>,
        live: Option<&Live>,
        test: &Dataset,
        threads: NonZeroUsize,
    ) -> Result<Seen> {
        if !test.items.iter().any(Item::is_labelled) {
            return Ok(Seen::refused("no picture is left to test with; label more".to_owned()));
        }
        let model = match load(candidate.onnx, Overrides::default()) {
            Ok(model) => model,
            Err(error) => return Ok(Seen::refused(format!("the serving engine refuses it: {error}"))),
        };
        if let Some(what) = golden::differs(&model, candidate.weights, test.items.iter(), threads)? {
            return Ok(Seen::refused(what));
        }
        let report = evaluate(&model, test, threads, |_, _| {})?;
        let before =
            live.map(|live| Ok::<_, Error>((live.version, look(live, test, threads)?))).transpose()?;
        if let Some((_, Some(live))) = &before {
            both_saw_the_same(&report, live)?;
        }
        let verdict = self.decide(&report, before.as_ref().map(|(version, live)| (*version, live.as_ref())));
        Ok(Seen { verdict, report: Some(report), live: before.and_then(|(_, live)| live) })
    }

    /// The decision by numbers. A live model that cannot be judged (another model's classes, say) counts as finding nothing.
    fn decide(self, report: &Report, live: Option<(i64, Option<&Report>)>) -> Verdict {
        let fine = |report: &Report| report.map50_95.unwrap_or(0.0);
        let (rough, own) = (report.map50.unwrap_or(0.0), fine(report));
        let Some((version, live)) = live else {
            let why = format!("mAP@0.5 is {rough:.3} on {} test pictures", report.images);
            let is_good = rough >= self.least;
            return if is_good {
                Verdict::Accepted(why)
            } else {
                Verdict::Rejected(format!("{why}, at least {:.3} is wanted (train.gate.least)", self.least))
            };
        };
        let before = live.map_or(0.0, fine);
        let why = format!(
            "mAP@0.5:0.95 is {own:.3} on {} test pictures, that of the live version {version} {before:.3}",
            report.images
        );
        if own + self.margin >= before {
            Verdict::Accepted(why)
        } else {
            Verdict::Rejected(format!(
                "{why}; at most {:.3} worse is allowed (train.gate.margin)",
                self.margin
            ))
        }
    }
}

/// Two models are compared by the same pictures only. One that could not be read for a moment can be the next time.
fn both_saw_the_same(own: &Report, live: &Report) -> Result<()> {
    let lost = || own.problems.iter().chain(&live.problems).next().cloned().unwrap_or_default();
    if own.images == live.images { Ok(()) } else { Err(Error::NoPictures(lost())) }
}

/// How good the live model is; `None` where it cannot be compared: it does not load, or knows none of the sights.
fn look(live: &Live, test: &Dataset, threads: NonZeroUsize) -> Result<Option<Report>> {
    let Ok(overrides) = toml::from_str::<Overrides>(&live.specification) else { return Ok(None) };
    let Ok(model) = load(&live.onnx, overrides) else { return Ok(None) };
    match evaluate(&model, test, threads, |_, _| {}) {
        Ok(report) => Ok(Some(report)),
        Err(Error::NothingInCommon { .. } | Error::Classifier(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A model in the serving engine.
pub(crate) fn load(
    onnx: &[u8],
    overrides: Overrides,
) -> std::result::Result<Arc<Model>, sightscan_engine::ModelError> {
    let source = Source::of_onnx(Path::new("candidate.onnx"), onnx.to_vec(), overrides)?;
    Model::from_source(source, EngineChoice::default())
}

#[cfg(test)]
mod tests {
    use sightscan_dataset::{Attribution, LabelledBox, Labels};
    use sightscan_nn::{Architecture, Device, Values, Yolov5};
    use sightscan_pictures::{Encoding, Picture, encode};
    use sightscan_types::RelativeBox;

    use super::*;
    use crate::export::{About, Precision, onnx};

    fn report(map50: f64, map50_95: f64) -> Report {
        Report {
            model: String::new(),
            images: 30,
            instances: 30,
            map50: Some(map50),
            map50_95: Some(map50_95),
            confidence: 0.5,
            classes: Vec::new(),
            problems: Vec::new(),
            unknown: Vec::new(),
        }
    }

    #[test]
    fn w_c17_a_first_model_must_find_something_and_a_later_one_must_not_be_worse() {
        let gate = Gate { margin: 0.02, least: 0.1 };
        let is_accepted = |own: &Report, live: Option<&Report>| {
            let verdict = gate.decide(own, live.map(|live| (3, Some(live))));
            assert!(verdict.why().contains("30 test pictures"), "{verdict}");
            matches!(verdict, Verdict::Accepted(_))
        };
        assert!(is_accepted(&report(0.1, 0.05), None));
        assert!(!is_accepted(&report(0.09, 0.05), None));
        assert!(is_accepted(&report(0.6, 0.385), Some(&report(0.9, 0.40))), "within the margin");
        assert!(!is_accepted(&report(0.9, 0.37), Some(&report(0.5, 0.40))), "worse in the main number");
        assert!(is_accepted(&report(0.05, 0.02), Some(&report(0.0, 0.0))));
        assert!(matches!(gate.decide(&report(0.2, 0.1), Some((3, None))), Verdict::Accepted(_)));
    }

    /// A network of two classes that is sure everywhere, of the class of this number.
    fn sure_of(class: usize) -> Weights {
        let architecture = Architecture { width: 0.125, ..Architecture::nano(2) };
        let mut weights = Yolov5::new(&architecture, &Device::flex()).weights().unwrap();
        weights.insert_anchors(&architecture.anchors);
        for level in 0..3 {
            let bias: Vec<f32> = (0..3 * 7)
                .map(|number| match number % 7 {
                    4 => 9.0,
                    column if column == 5 + class => 9.0,
                    column if column > 4 => -9.0,
                    _ => 0.0,
                })
                .collect();
            weights.insert(format!("model.24.m.{level}.bias"), Values { shape: vec![21], values: bias });
        }
        weights
    }

    fn exported(weights: &Weights) -> Vec<u8> {
        let architecture = Architecture::of(weights).unwrap();
        let classes = ["arch", "tower"].map(str::to_owned);
        let about = About { architecture: &architecture, classes: &classes, size: 64, metadata: &[] };
        onnx(weights, &about, Precision::Half).unwrap()
    }

    fn one_picture() -> Dataset {
        let pixels = Picture { width: 64, height: 64, rgb: vec![90; 3 * 64 * 64] };
        let bounds = RelativeBox { x: 0.2, y: 0.2, w: 0.5, h: 0.5 };
        let item = Item {
            name: "1.png".to_owned(),
            picture: Some(sightscan_dataset::Picture::bytes(encode(&pixels, Encoding::Png).unwrap())),
            width: 64,
            height: 64,
            split: None,
            labels: Labels::Annotated(vec![LabelledBox { class: 0, bounds, score: None }]),
            attribution: Attribution::default(),
        };
        Dataset { classes: vec!["arch".to_owned(), "tower".to_owned()], items: vec![item] }
    }

    #[test]
    fn a_candidate_must_find_what_its_network_found() {
        let gate = Gate { least: 0.0, ..Gate::default() };
        let (weights, test) = (sure_of(0), one_picture());
        let judge = |onnx: &[u8], test: &Dataset| {
            let threads = NonZeroUsize::MIN;
            gate.judge(&Candidate { onnx, weights: &weights }, None, test, threads).unwrap().verdict
        };
        let same = judge(&exported(&weights), &test);
        assert!(matches!(same, Verdict::Accepted(_)), "{same}");
        let other = judge(&exported(&sure_of(1)), &test);
        assert!(matches!(other, Verdict::Rejected(_)) && other.why().contains("arch"), "{other}");
        let damaged = judge(b"nothing", &test);
        assert!(damaged.why().contains("serving engine refuses"), "{damaged}");
        let untested = judge(&exported(&weights), &Dataset { items: Vec::new(), ..test });
        assert!(untested.why().contains("no picture is left"), "{untested}");
    }
}
