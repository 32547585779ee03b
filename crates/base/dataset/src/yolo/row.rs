//! A line of a file of labels.

use std::collections::HashMap;

use sightscan_types::RelativeBox;

use crate::dataset::LabelledBox;
use crate::text::{around, cut, rounded};

/// How far a number may be out of the picture: more is no rounding, but pixels.
const SLACK: f64 = 0.5;

/// A line of it.
pub(super) fn written(labelled: &LabelledBox) -> String {
    let RelativeBox { x, y, w, h } = labelled.bounds;
    let [x, y, w, h] = [x + w / 2.0, y + h / 2.0, w, h].map(|value| rounded(value, 6));
    format!("{} {x} {y} {w} {h}\n", labelled.class)
}

type Fault = (String, &'static str);

/// Reads a line: a class with a box, perhaps with a score, or with the corners of a polygon.
pub(super) fn read(line: &str, classes: &HashMap<usize, usize>) -> Result<LabelledBox, Fault> {
    let numbers = numbers(line)?;
    let [number, values @ ..] = numbers.as_slice() else { return Err(too_few(0)) };
    let class = class(*number, classes)?;
    if let Some(value) = values.iter().find(|value| !(-SLACK..=1.0 + SLACK).contains(*value)) {
        let fault = format!("expected numbers from 0 to 1, found {value}");
        return Err((fault, "divide pixels by the picture's width or height"));
    }
    let (bounds, score) = match *values {
        [x, y, w, h] => (centred(x, y, w, h), None),
        [x, y, w, h, score] => (centred(x, y, w, h), Some(score as f32)),
        _ if values.len() >= 6 && values.len() % 2 == 0 => (polygon(values), None),
        _ => return Err(too_few(values.len() + 1)),
    };
    let empty =
        || ("expected a box in the picture, found an empty one".to_owned(), "correct or remove the line");
    bounds.map(|bounds| LabelledBox { class, bounds, score }).ok_or_else(empty)
}

fn too_few(found: usize) -> Fault {
    let fault = format!("expected 5 numbers (class, x-centre, y-centre, width, height), found {found}");
    (fault, "complete or remove the line")
}

fn numbers(line: &str) -> Result<Vec<f64>, Fault> {
    let number = |word: &str| {
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| (format!("expected a number, found {word:?}"), "correct or remove the line"))
    };
    line.split_whitespace().map(number).collect()
}

/// The class by its number, which some programs write as `0.0`.
fn class(number: f64, classes: &HashMap<usize, usize>) -> Result<usize, Fault> {
    let is_index = number >= 0.0 && number.fract() == 0.0;
    let index = is_index.then(|| classes.get(&(number as usize))).flatten();
    index.copied().ok_or_else(|| {
        let fault = format!("class {number} is not among the {} classes", classes.len());
        (fault, "add its name to data.yaml or classes.txt")
    })
}

fn centred(x: f64, y: f64, w: f64, h: f64) -> Option<RelativeBox> {
    // A negative width would turn the box over.
    (w > 0.0 && h > 0.0).then(|| cut(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0)).flatten()
}

fn polygon(values: &[f64]) -> Option<RelativeBox> {
    around(values.as_chunks::<2>().0.iter().map(|&[x, y]| (x, y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> HashMap<usize, usize> {
        HashMap::from([(0, 0), (7, 1)])
    }

    #[test]
    fn row_27_a_box_of_the_original_becomes_the_line_of_the_original() {
        let bounds = RelativeBox::from_legacy(0.135, 0.725, 0.825, 0.015);
        assert_eq!(written(&LabelledBox { class: 3, bounds, score: None }), "3 0.48 0.63 0.69 0.71\n");
    }

    #[test]
    fn numbers_have_at_most_six_decimals() {
        let bounds = RelativeBox { x: 0.0, y: 0.0, w: 1.0 / 3.0, h: 1.0 };
        assert_eq!(written(&LabelledBox { class: 0, bounds, score: None }), "0 0.166667 0.5 0.333333 1\n");
    }

    #[test]
    fn boxes_scores_and_polygons_are_read() {
        let whole = RelativeBox { x: 0.0, y: 0.25, w: 1.0, h: 0.5 };
        for line in
            ["7 0.5 0.5 1 0.5", "7.0  0.5\t0.5 1.0 5e-1", "7 0 .25 1 .25 1 .75 0 .75", "7 0.5 0.5 1.2 0.5"]
        {
            assert_eq!(
                read(line, &classes()),
                Ok(LabelledBox { class: 1, bounds: whole, score: None }),
                "{line}"
            );
        }
        assert_eq!(read("0 0.5 0.5 1 0.5 0.75", &classes()).unwrap().score, Some(0.75));
    }

    #[test]
    fn a_line_that_is_no_box_is_told_with_what_was_expected() {
        for (line, expected) in [
            ("0 0.5 0.5 1", "5 numbers"),
            ("0 a 0.5 1 1", "found \"a\""),
            ("0 nan 0.5 1 1", "a number"),
            ("1 0.5 0.5 1 1", "class 1"),
            ("-1 0.5 0.5 1 1", "class -1"),
            ("0.5 0.5 0.5 1 1", "class 0.5"),
            ("0 320 240 100 50", "from 0 to 1"),
            ("0 0.5 0.5 0 1", "empty"),
            ("0 0.5 0.5 -1 1", "from 0 to 1"),
        ] {
            let (fault, _) = read(line, &classes()).unwrap_err();
            assert!(fault.contains(expected), "{line}: {fault}");
        }
    }
}
