//! How good a model is on labelled pictures.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use sightscan_dataset::{Confusion, Dataset, Evaluation, Evaluator, Item, LabelledBox, Picture};
use sightscan_engine::family::Family;
use sightscan_engine::many::{self, Outcome, Readable};
use sightscan_engine::{Analysis, Limits, Model, Options};
use sightscan_types::{Detection, RelativeBox};

use crate::error::{Error, Result};

/// Boxes that the model is hardly sure of count, too: they tell how far its recall goes. As in YOLOv5's own evaluation.
const LEAST_CONFIDENCE: f32 = 0.001;
/// So sure are boxes that are shown, as in YOLOv5's own confusion matrix.
pub(crate) const SHOWN_CONFIDENCE: f32 = 0.25;
/// Boxes that overlap a better one by more are the same object; as there.
const SAME_OBJECT: f32 = 0.6;
/// Classes that an error names.
const NAMED: usize = 8;

/// How good a model is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model, with its version where it has one.
    pub model: String,
    /// Pictures that were looked at.
    pub images: usize,
    /// Objects in them.
    pub instances: usize,
    /// Mean average precision at an intersection over union of 0.5, 0 to 1; `None` where there is no object.
    pub map50: Option<f64>,
    /// Mean of those at 0.5, 0.55 … 0.95: COCO's main number.
    pub map50_95: Option<f64>,
    /// The confidence at which precision and recall are in the best balance: those of the classes are taken there.
    pub confidence: f64,
    /// In the order of the data set.
    pub classes: Vec<ClassReport>,
    /// Pictures that could not be looked at, and why.
    #[serde(skip)]
    pub problems: Vec<String>,
    /// Classes of the data set that the model does not know; they count as never found.
    #[serde(skip)]
    pub unknown: Vec<String>,
}

/// How good a model is at one class; what cannot be said is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class.
    pub label: String,
    /// Objects of the class.
    pub instances: usize,
    /// Part of its detections that are right.
    pub precision: Option<f64>,
    /// Part of its objects that are found.
    pub recall: Option<f64>,
    /// Average precision at an intersection over union of 0.5.
    pub ap50: Option<f64>,
    /// Mean of those at 0.5, 0.55 … 0.95.
    pub ap50_95: Option<f64>,
}

/// Compares what a model finds with the labels of a data set. Classes are matched by their names, whatever their case
/// and whether words are divided by spaces, `_` or `-`; pictures that nobody has labelled are passed over. `tell` hears how
/// many pictures of how many are done.
///
/// # Errors
/// When the model is no detector, has no class in common with the data set, there is no labelled picture that can be
/// read, or the runtime fails.
pub fn evaluate(
    model: &Arc<Model>,
    dataset: &Dataset,
    threads: NonZeroUsize,
    tell: impl FnMut(usize, usize),
) -> Result<Report> {
    judge(model, dataset, threads, tell).map(|judgement| judgement.report)
}

/// How good a model is, and what plots show of it.
pub(crate) struct Judgement {
    pub(crate) report: Report,
    /// For each class, see [`Evaluator::precisions`].
    pub(crate) precisions: Vec<Option<Vec<f64>>>,
    pub(crate) confusion: Confusion,
}

/// As [`evaluate`].
pub(crate) fn judge(
    model: &Arc<Model>,
    dataset: &Dataset,
    threads: NonZeroUsize,
    mut tell: impl FnMut(usize, usize),
) -> Result<Judgement> {
    let classes = Classes::new(&model.spec().classes, dataset)?;
    let total = dataset.items.iter().filter(|item| item.is_labelled()).count();
    let mut evaluator = Evaluator::new(dataset.classes.len());
    let mut confusion = Confusion::new(dataset.classes.len());
    let (mut problems, mut done) = (Vec::new(), 0);
    detections(model, dataset, threads, |item, found| {
        match found.map(|found| classes.of_data(found)) {
            Ok(found) => {
                evaluator.add(item.labels.boxes(), &found);
                confusion.add(item.labels.boxes(), &sure(&found));
            }
            Err(why) => problems.push(format!("{}: {why}", item.name)),
        }
        done += 1;
        tell(done, total);
    })?;
    let (evaluation, precisions) = (evaluator.evaluation(), evaluator.precisions());
    match problems.first() {
        Some(first) if evaluation.images == 0 => Err(Error::NoPictures(first.clone())),
        _ => Ok(Judgement {
            report: report(model, dataset, evaluation, problems, classes.unknown),
            precisions,
            confusion,
        }),
    }
}

/// What a user would see.
pub(crate) fn sure(found: &[LabelledBox]) -> Vec<LabelledBox> {
    let is_sure = |found: &&LabelledBox| found.score.is_none_or(|score| score >= SHOWN_CONFIDENCE);
    found.iter().filter(is_sure).copied().collect()
}

/// What a model finds in the labelled pictures of a data set, hardly sure boxes as well; or why it could not look at one.
///
/// # Errors
/// When the model is no detector, there is no labelled picture, or the runtime fails.
pub fn detections(
    model: &Arc<Model>,
    dataset: &Dataset,
    threads: NonZeroUsize,
    mut found: impl FnMut(&Item, std::result::Result<&Analysis, String>),
) -> Result<()> {
    let spec = model.spec();
    if spec.family == Family::Classifier {
        return Err(Error::Classifier(spec.name.clone()));
    }
    let labelled: Vec<Labelled<'_>> = dataset.items.iter().filter_map(Labelled::of).collect();
    if labelled.is_empty() {
        return Err(Error::NoLabels);
    }
    let options = Options { confidence: LEAST_CONFIDENCE, iou: SAME_OBJECT, ..Options::default() };
    let take = |labelled: &Labelled<'_>, outcome: Outcome| {
        match &outcome {
            Ok((_, analysis)) => found(labelled.item, Ok(analysis)),
            Err(error) => found(labelled.item, Err(error.to_string())),
        }
        ControlFlow::Continue(())
    };
    Ok(many::detect_all(model, &labelled, threads, (&Limits::default(), &options), take)?)
}

/// A labelled item; its picture may be missing.
struct Labelled<'a> {
    item: &'a Item,
}

impl<'a> Labelled<'a> {
    fn of(item: &'a Item) -> Option<Self> {
        item.is_labelled().then_some(Self { item })
    }
}

impl Readable for Labelled<'_> {
    fn read(&self) -> io::Result<Vec<u8>> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there are only labels, no picture");
        self.item.picture.as_ref().map(Picture::read).ok_or_else(missing)?
    }
}

/// Which class of the data set a class of the model is.
pub(crate) struct Classes {
    by_label: HashMap<String, usize>,
    unknown: Vec<String>,
}

impl Classes {
    pub(crate) fn new(known: &[String], dataset: &Dataset) -> Result<Self> {
        let of_data: HashMap<String, usize> =
            dataset.classes.iter().map(|name| fold(name)).zip(0..).collect();
        let by_label: HashMap<String, usize> =
            known.iter().filter_map(|label| Some((label.clone(), *of_data.get(&fold(label))?))).collect();
        if by_label.is_empty() {
            return Err(Error::NothingInCommon { model: sample(known), data: sample(&dataset.classes) });
        }
        let found: Vec<usize> = by_label.values().copied().collect();
        let unknown = dataset.classes.iter().enumerate().filter(|(number, _)| !found.contains(number));
        Ok(Self { unknown: unknown.map(|(_, name)| name.clone()).collect(), by_label })
    }

    /// The boxes in terms of the data set; what it has no class for cannot be judged.
    pub(crate) fn of_data(&self, analysis: &Analysis) -> Vec<LabelledBox> {
        let boxes = analysis.findings.detections().iter();
        boxes
            .filter_map(|found| Some(labelled_box(*self.by_label.get(&found.label)?, found, analysis)))
            .collect()
    }
}

fn labelled_box(class: usize, found: &Detection, analysis: &Analysis) -> LabelledBox {
    let (width, height) = (f64::from(analysis.width), f64::from(analysis.height));
    let bounds = RelativeBox {
        x: f64::from(found.bounds.left) / width,
        y: f64::from(found.bounds.top) / height,
        w: f64::from(found.bounds.width) / width,
        h: f64::from(found.bounds.height) / height,
    };
    LabelledBox { class, bounds, score: Some(found.confidence) }
}

/// A name however it is written: `Eiffel_Tower` is `eiffel tower`.
pub(crate) fn fold(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '-'], " ")
}

fn sample(names: &[String]) -> String {
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED { format!("{first} … ({} in all)", names.len()) } else { first }
}

fn report(
    model: &Model,
    dataset: &Dataset,
    evaluation: Evaluation,
    problems: Vec<String>,
    unknown: Vec<String>,
) -> Report {
    let spec = model.spec();
    let version = spec.version.as_ref().map_or_else(String::new, |version| format!("@{version}"));
    let classes = dataset.classes.iter().zip(evaluation.classes).map(|(label, class)| ClassReport {
        label: label.clone(),
        instances: class.instances,
        precision: class.precision,
        recall: class.recall,
        ap50: class.ap50,
        ap50_95: class.ap50_95,
    });
    Report {
        model: format!("{}{version}", spec.name),
        images: evaluation.images,
        instances: evaluation.instances,
        map50: evaluation.map50,
        map50_95: evaluation.map50_95,
        confidence: evaluation.confidence,
        classes: classes.collect(),
        problems,
        unknown,
    }
}

impl Report {
    /// What could not be looked at or never be found, a line each.
    pub fn warnings(&self) -> String {
        let problems = self.problems.iter().map(|problem| format!("not looked at: {problem}\n"));
        let unknown =
            self.unknown.iter().map(|class| format!("the model does not know the class `{class}`\n"));
        problems.chain(unknown).collect()
    }
}

impl fmt::Display for Report {
    /// A table; a class without objects has no line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen: Vec<_> = self.classes.iter().filter(|class| class.instances > 0).collect();
        let width = seen.iter().map(|class| class.label.chars().count()).max().unwrap_or(0).max(5);
        writeln!(
            formatter,
            "{:<width$}  {:>9}  {:>9}  {:>6}  {:>6}  {:>8}",
            "class", "instances", "precision", "recall", "AP@.5", "AP@.5:.95"
        )?;
        for class in seen {
            writeln!(
                formatter,
                "{:<width$}  {:>9}  {:>9}  {:>6}  {:>6}  {:>9}",
                class.label,
                class.instances,
                shown(class.precision),
                shown(class.recall),
                shown(class.ap50),
                shown(class.ap50_95)
            )?;
        }
        write!(
            formatter,
            "{}: mAP@0.5 {}, mAP@0.5:0.95 {}, {} objects in {} pictures; precision and recall at confidence {:.3}",
            self.model,
            shown(self.map50),
            shown(self.map50_95),
            self.instances,
            self.images,
            self.confidence
        )
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}
