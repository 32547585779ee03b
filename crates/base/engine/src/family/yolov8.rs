//! YOLOv8, YOLO11 and relatives without an objectness: `[batch, 4 + classes, boxes]`.
//!
//! Column by column: centre x, centre y, width and height in pixels of the network's input, and the probability of
//! each class, which is the confidence.

use super::{Family, OutputError, centred, is_sound};
use crate::nms::Candidate;
use crate::runtime::TensorView;

/// Reads the boxes whose best class has more than this confidence.
///
/// # Errors
/// When the output is not `[1, 4 + classes, boxes]`.
pub fn candidates(
    output: &TensorView<'_>,
    classes: usize,
    confidence: f32,
) -> Result<Vec<Candidate>, OutputError> {
    let &[1, rows, boxes] = output.shape else { return Err(OutputError::new(Family::YoloV8, output)) };
    if rows != 4 + classes || boxes == 0 {
        return Err(OutputError::new(Family::YoloV8, output));
    }
    let (geometry, scores) = output.data.split_at(4 * boxes);
    let best = best_classes(scores, boxes);
    let hits = best.into_iter().enumerate().filter(|(_, (_, score))| *score > confidence);
    let candidate = |(index, (class, score)): (usize, (usize, f32))| {
        centred(class, score, std::array::from_fn(|row| geometry[row * boxes + index]))
    };
    Ok(hits.map(candidate).filter(is_sound).collect())
}

/// The best class of every box; goes row by row, because the classes of one box lie far apart in memory.
fn best_classes(scores: &[f32], boxes: usize) -> Vec<(usize, f32)> {
    let mut best = vec![(0, f32::NEG_INFINITY); boxes];
    for (class, row) in scores.chunks_exact(boxes).enumerate() {
        for (best, score) in best.iter_mut().zip(row) {
            if *score > best.1 {
                *best = (class, *score);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_stand_in_columns() {
        // Three boxes, two classes.
        let data = [
            [10.0, 50.0, 90.0],
            [20.0, 60.0, 95.0],
            [4.0, 8.0, 2.0],
            [6.0, 8.0, 2.0],
            [0.1, 0.7, 0.2],
            [0.9, 0.1, 0.2],
        ]
        .concat();
        let found = candidates(&TensorView { shape: &[1, 6, 3], data: &data }, 2, 0.25).unwrap();
        let summary: Vec<(usize, f32, f32)> =
            found.iter().map(|c| (c.class, c.confidence, c.bounds.left)).collect();
        assert_eq!(summary, [(1, 0.9, 8.0), (0, 0.7, 46.0)]);
    }

    #[test]
    fn yolov5_layout_is_refused() {
        assert!(candidates(&TensorView { shape: &[1, 3, 7], data: &[0.0; 21] }, 2, 0.25).is_err());
    }
}
