//! YOLOv5 and everything that answers in its layout: `[batch, boxes, 5 + classes]`.
//!
//! A row holds centre x, centre y, width and height in pixels of the network's input, the objectness, and the
//! probability of each class given that there is an object. The confidence of a class is the product of both
//! (Redmon et al., "You Only Look Once", 2016, equation 1).

use super::{Family, OutputError, centred, greatest, is_sound};
use crate::nms::Candidate;
use crate::runtime::TensorView;

/// Reads the boxes whose best class has more than this confidence.
///
/// # Errors
/// When the output is not `[1, boxes, 5 + classes]`.
pub fn candidates(
    output: &TensorView<'_>,
    classes: usize,
    confidence: f32,
) -> Result<Vec<Candidate>, OutputError> {
    let &[1, _, columns] = output.shape else { return Err(OutputError::new(Family::YoloV5, output)) };
    if columns != 5 + classes {
        return Err(OutputError::new(Family::YoloV5, output));
    }
    // The objectness bounds the confidence, so that most rows are done after one look.
    let rows = output.data.chunks_exact(columns).filter(|row| row[4] > confidence);
    Ok(rows.filter_map(|row| candidate(row, confidence)).filter(is_sound).collect())
}

fn candidate(row: &[f32], confidence: f32) -> Option<Candidate> {
    let (class, probability) = greatest(row[5..].iter().copied())?;
    let score = row[4] * probability;
    (score > confidence).then(|| centred(class, score, [row[0], row[1], row[2], row[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(data: &[f32]) -> TensorView<'_> {
        TensorView { shape: &[1, 2, 7], data }
    }

    #[test]
    fn confidence_is_objectness_times_class_probability() {
        let rows = [10.0, 20.0, 4.0, 6.0, 0.5, 0.1, 0.8, 30.0, 30.0, 2.0, 2.0, 0.3, 0.9, 0.1];
        let found = candidates(&view(&rows), 2, 0.25).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].class, 1);
        assert!((found[0].confidence - 0.4).abs() < 1e-6);
        assert_eq!(
            found[0].bounds,
            sightscan_types::PixelBox { left: 8.0, top: 17.0, width: 4.0, height: 6.0 }
        );
        assert_eq!(found[1].class, 0);
    }

    #[test]
    fn broken_numbers_are_no_boxes() {
        let rows = [f32::NAN, 20.0, 4.0, 6.0, 0.9, 0.9, 0.1, 30.0, 30.0, -2.0, 2.0, 0.9, 0.9, 0.1];
        assert!(candidates(&view(&rows), 2, 0.25).unwrap().is_empty());
    }

    #[test]
    fn another_shape_is_refused_with_the_shape_found() {
        let error = candidates(&view(&[0.0; 14]), 80, 0.25).unwrap_err();
        assert!(error.to_string().contains("[1, 2, 7]"), "{error}");
    }
}
