//! Classifiers: one number a class for the whole picture, as probabilities or as logits.

use super::{Family, OutputError};
use crate::onnx::Dimension;
use crate::runtime::TensorView;

/// The number of classes of an output `[batch, classes]`, possibly with trailing dimensions of one.
pub fn classes(shape: &[Dimension]) -> Option<usize> {
    let [_, Dimension::Fixed(classes), rest @ ..] = shape else { return None };
    rest.iter().all(|dimension| *dimension == Dimension::Fixed(1)).then_some(*classes)
}

/// The probability of every class, in the order of the classes.
///
/// # Errors
/// When the output is not `[1, classes]`, with trailing dimensions of one allowed.
pub fn probabilities(output: &TensorView<'_>, classes: usize) -> Result<Vec<f32>, OutputError> {
    let fits = output.shape.first() == Some(&1) && output.data.len() == classes;
    if !fits || output.data.iter().any(|number| !number.is_finite()) {
        return Err(OutputError::new(Family::Classifier, output));
    }
    Ok(if are_probabilities(output.data) { output.data.to_vec() } else { softmax(output.data) })
}

/// Whether a network has applied the softmax itself.
fn are_probabilities(numbers: &[f32]) -> bool {
    let sum: f32 = numbers.iter().sum();
    (sum - 1.0).abs() < 1e-2 && numbers.iter().all(|number| (0.0..=1.001).contains(number))
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - greatest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_probabilities_and_probabilities_stay() {
        let logits = [1.0, 3.0, -2.0];
        let from_logits = probabilities(&TensorView { shape: &[1, 3], data: &logits }, 3).unwrap();
        assert!((from_logits.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!((from_logits[1] / from_logits[0] - 2f32.exp()).abs() < 1e-3);
        let again = probabilities(&TensorView { shape: &[1, 3, 1, 1], data: &from_logits }, 3).unwrap();
        assert_eq!(again, from_logits);
    }

    #[test]
    fn great_logits_do_not_overflow() {
        let found = probabilities(&TensorView { shape: &[1, 2], data: &[1000.0, 999.0] }, 2).unwrap();
        assert!((found[0] - 0.731).abs() < 1e-3);
    }

    #[test]
    fn another_number_of_classes_is_refused() {
        assert!(probabilities(&TensorView { shape: &[1, 3], data: &[0.0; 3] }, 1000).is_err());
    }
}
