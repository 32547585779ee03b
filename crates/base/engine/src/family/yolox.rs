//! YOLOX on its raw grid: `[batch, cells, 5 + classes]`, one box a cell, strides 8, 16 and 32.
//!
//! The centre is `(p + cell) * stride` and the size `exp(p) * stride` (Ge et al., "YOLOX", 2021, section 2);
//! objectness and class probabilities are already logistic in exported files.

use super::{Family, OutputError, STRIDES, cells, centred, greatest, is_sound};
use crate::nms::Candidate;
use crate::runtime::TensorView;

/// Reads the boxes whose best class has more than this confidence, for a network input of `width` x `height` pixels.
///
/// # Errors
/// When the output is not `[1, cells, 5 + classes]`.
pub fn candidates(
    output: &TensorView<'_>,
    classes: usize,
    (width, height): (usize, usize),
    confidence: f32,
) -> Result<Vec<Candidate>, OutputError> {
    let columns = 5 + classes;
    if output.shape != [1, cells(width, height), columns] {
        return Err(OutputError::new(Family::YoloX, output));
    }
    let rows = output.data.chunks_exact(columns).zip(grid(width, height));
    let hits = rows.filter(|(row, _)| row[4] > confidence);
    Ok(hits.filter_map(|(row, cell)| candidate(row, cell, confidence)).filter(is_sound).collect())
}

/// Column, row and stride of every cell, in the order of the output.
fn grid(width: usize, height: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    STRIDES.into_iter().flat_map(move |stride| {
        let columns = width / stride;
        (0..columns * (height / stride)).map(move |cell| (cell % columns, cell / columns, stride))
    })
}

fn candidate(
    row: &[f32],
    (column, line, stride): (usize, usize, usize),
    confidence: f32,
) -> Option<Candidate> {
    let (class, probability) = greatest(row[5..].iter().copied())?;
    let score = row[4] * probability;
    let stride = stride as f32;
    let geometry = [
        (row[0] + column as f32) * stride,
        (row[1] + line as f32) * stride,
        row[2].exp() * stride,
        row[3].exp() * stride,
    ];
    (score > confidence).then(|| centred(class, score, geometry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_scaled_by_their_stride() {
        // A 32x32 input has 16 + 4 + 1 cells; the last one has stride 32.
        let mut data = vec![0.0; 21 * 6];
        data[20 * 6..].copy_from_slice(&[0.5, 0.25, 0.0, 2f32.ln(), 0.8, 0.5]);
        data[5 * 6..6 * 6].copy_from_slice(&[0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let found = candidates(&TensorView { shape: &[1, 21, 6], data: &data }, 1, (32, 32), 0.3).unwrap();
        let centres: Vec<(f32, f32)> = found
            .iter()
            .map(|c| (c.bounds.left + c.bounds.width / 2.0, c.bounds.top + c.bounds.height / 2.0))
            .collect();
        assert_eq!(centres, [(8.0, 8.0), (16.0, 8.0)]);
        assert!((found[1].bounds.height - 64.0).abs() < 1e-3);
        assert!((found[1].confidence - 0.4).abs() < 1e-6);
    }

    #[test]
    fn the_grid_must_fit_the_input_size() {
        assert!(candidates(&TensorView { shape: &[1, 20, 6], data: &[0.0; 120] }, 1, (32, 32), 0.3).is_err());
    }
}
