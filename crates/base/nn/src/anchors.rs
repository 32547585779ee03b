//! Anchors that fit the objects of a data set.

use crate::architecture::{Anchors, Architecture};

/// Anchors are kept where so many of the objects, 0 to 1, can be learnt from one of them.
const ENOUGH: f64 = 0.98;
/// Rounds of the clustering at most; it mostly comes to rest after a dozen.
const ROUNDS: usize = 100;

impl Architecture {
    /// What part of the objects, given by width and height in pixels of the input, fits at least one anchor: its sides are
    /// less than `ratio` times longer or shorter. YOLOv5 calls it best possible recall.
    pub fn recall(&self, sizes: &[[f32; 2]], ratio: f32) -> f64 {
        let anchors = self.anchors.as_flattened();
        let fits = sizes.iter().filter(|size| anchors.iter().any(|anchor| apart(**size, *anchor) < ratio));
        if sizes.is_empty() { 1.0 } else { fits.count() as f64 / sizes.len() as f64 }
    }

    /// With anchors for these objects, where those that it has fit too few of them.
    #[must_use]
    pub fn fitted(self, sizes: &[[f32; 2]], ratio: f32) -> Self {
        let sizes: Vec<[f32; 2]> =
            sizes.iter().copied().filter(|size| size.iter().all(|side| *side >= 2.0)).collect();
        let recall = self.recall(&sizes, ratio);
        if recall >= ENOUGH {
            return self;
        }
        let fitted = Self { anchors: clustered(&sizes, self.anchors), ..self.clone() };
        if fitted.recall(&sizes, ratio) > recall { fitted } else { self }
    }
}

/// How many times longer or shorter a side is than the other's, the worse of both.
fn apart(one: [f32; 2], other: [f32; 2]) -> f32 {
    let worse = |side: usize| (one[side] / other[side]).max(other[side] / one[side]);
    worse(0).max(worse(1))
}

/// Lloyd's k-means on the logarithms of the sides, from the objects at even steps of area; in the order of area.
fn clustered(sizes: &[[f32; 2]], before: Anchors) -> Anchors {
    let count = before.as_flattened().len();
    let mut points: Vec<[f32; 2]> = sizes.iter().map(|size| size.map(f32::ln)).collect();
    if points.len() < count {
        return before;
    }
    points.sort_by(|one, other| area(*one).total_cmp(&area(*other)));
    let mut centres: Vec<[f32; 2]> =
        (0..count).map(|number| points[(2 * number + 1) * points.len() / (2 * count)]).collect();
    for _ in 0..ROUNDS {
        let moved = moved(&points, &centres);
        if moved == centres {
            break;
        }
        centres = moved;
    }
    centres.sort_by(|one, other| area(*one).total_cmp(&area(*other)));
    let mut anchors = before;
    for (anchor, centre) in anchors.iter_mut().flatten().zip(centres) {
        *anchor = centre.map(f32::exp);
    }
    anchors
}

/// The logarithm of the area.
fn area(point: [f32; 2]) -> f32 {
    point[0] + point[1]
}

/// The middle of the points that are nearest to each centre.
fn moved(points: &[[f32; 2]], centres: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut sums = vec![([0.0_f32; 2], 0.0_f32); centres.len()];
    let far = |one: [f32; 2], other: [f32; 2]| (one[0] - other[0]).powi(2) + (one[1] - other[1]).powi(2);
    for point in points {
        let distances = centres.iter().map(|centre| far(*point, *centre)).enumerate();
        if let Some((nearest, _)) = distances.min_by(|one, other| one.1.total_cmp(&other.1)) {
            let (sum, count) = &mut sums[nearest];
            *sum = [sum[0] + point[0], sum[1] + point[1]];
            *count += 1.0;
        }
    }
    let middles = sums.into_iter().zip(centres);
    middles
        .map(|((sum, count), centre)| if count > 0.0 { sum.map(|sum| sum / count) } else { *centre })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_that_fit_are_kept() {
        let sizes = [[20.0, 30.0], [100.0, 80.0], [300.0, 300.0]];
        let architecture = Architecture::nano(1);
        assert_eq!(architecture.recall(&sizes, 4.0), 1.0);
        assert_eq!(architecture.clone().fitted(&sizes, 4.0), architecture);
    }

    #[test]
    fn anchors_become_what_objects_are() {
        // Masts: 25 times as high as wide, in three sizes.
        let sizes: Vec<[f32; 2]> = (0..90)
            .map(|number| [3.0, 6.0, 12.0][number % 3] + number as f32 / 100.0)
            .map(|side| [side, side * 25.0])
            .collect();
        let before = Architecture::nano(1);
        assert_eq!(before.recall(&sizes, 4.0), 0.0);
        let after = before.fitted(&sizes, 4.0);
        assert_eq!(after.recall(&sizes, 4.0), 1.0);
        let sides: Vec<f32> = after.anchors.as_flattened().iter().map(|anchor| anchor[1]).collect();
        assert!(
            sides.is_sorted()
                && after
                    .anchors
                    .as_flattened()
                    .iter()
                    .all(|anchor| apart([anchor[0] * 25.0, anchor[1]], [anchor[1], anchor[1]]) < 1.2)
        );
    }

    #[test]
    fn few_objects_leave_the_anchors() {
        let architecture = Architecture::nano(1);
        assert_eq!(architecture.clone().fitted(&[[2.0, 300.0]], 4.0), architecture);
        assert_eq!(architecture.clone().fitted(&[], 4.0), architecture);
    }
}
