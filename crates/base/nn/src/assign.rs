//! Which cells learn from which object.

use crate::architecture::Architecture;

/// An object in a picture of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The number of the picture in its batch.
    pub picture: usize,
    /// What it is.
    pub class: usize,
    /// Column and row of the centre, width and height: fractions of the picture's width and height, from its top left.
    pub bounds: [f32; 4],
}

/// An anchor of a cell that learns from an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    /// The place of what it predicts: `[picture, anchor, row, column]`.
    pub(crate) place: [usize; 4],
    pub(crate) class: usize,
    /// Centre, from the top left of the cell, and size of the object, in cells.
    pub(crate) bounds: [f32; 4],
    /// Width and height of the anchor, in cells.
    pub(crate) anchor: [f32; 2],
}

/// A grid of cells, and its anchors in cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    /// Rows and columns.
    pub(crate) cells: [usize; 2],
    pub(crate) anchors: [[f32; 2]; 3],
}

impl Level {
    /// The grids of a network for an input of this height and width.
    pub(crate) fn all(architecture: &Architecture, input: [usize; 2]) -> [Self; 3] {
        std::array::from_fn(|level| {
            let stride = Architecture::STRIDES[level];
            let anchors = architecture.anchors[level].map(|anchor| anchor.map(|side| side / stride as f32));
            Self { cells: input.map(|side| side / stride), anchors }
        })
    }

    /// All that learn from these objects: anchors whose sides are at most `ratio` times shorter or longer, of the cell that
    /// holds the centre and of the two cells that are nearest to it.
    ///
    /// As YOLOv5 does (<https://docs.ultralytics.com/yolov5/tutorials/architecture_description/>, "Build Targets").
    pub(crate) fn matches(&self, targets: &[Target], ratio: f32) -> Vec<Match> {
        let mut matches = Vec::new();
        for target in targets {
            let [rows, columns] = self.cells.map(|side| side as f32);
            let [x, y, width, height] = target.bounds;
            let bounds = [x * columns, y * rows, width * columns, height * rows];
            for (number, anchor) in
                self.anchors.into_iter().enumerate().filter(|(_, anchor)| fits(bounds, *anchor, ratio))
            {
                matches.extend(self.cells_of(bounds).map(|[row, column]| Match {
                    place: [target.picture, number, row, column],
                    class: target.class,
                    bounds: [bounds[0] - column as f32, bounds[1] - row as f32, bounds[2], bounds[3]],
                    anchor,
                }));
            }
        }
        matches
    }

    /// Row and column of the cells that learn from an object.
    fn cells_of(&self, [x, y, ..]: [f32; 4]) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [rows, columns] = self.cells;
        let (column, row) = (inside(x, columns), inside(y, rows));
        let beside_column = beside(x, columns).map(|column| [row, column]);
        let beside_row = beside(y, rows).map(|row| [row, column]);
        [Some([row, column]), beside_column, beside_row].into_iter().flatten()
    }
}

/// The cell that holds a place.
fn inside(place: f32, cells: usize) -> usize {
    (place as usize).min(cells - 1)
}

/// The nearest other cell, where there is one.
fn beside(place: f32, cells: usize) -> Option<usize> {
    let cell = inside(place, cells);
    if place - (cell as f32) < 0.5 {
        cell.checked_sub(1)
    } else {
        Some(cell + 1).filter(|next| *next < cells)
    }
}

/// Whether no side of an object is more than `ratio` times as long, or as short, as the anchor's.
fn fits([_, _, width, height]: [f32; 4], anchor: [f32; 2], ratio: f32) -> bool {
    let worst = |object: f32, anchor: f32| (object / anchor).max(anchor / object);
    worst(width, anchor[0]).max(worst(height, anchor[1])) < ratio
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Level = Level { cells: [10, 20], anchors: [[2.0, 2.0], [4.0, 1.0], [40.0, 40.0]] };

    fn places(bounds: [f32; 4]) -> Vec<[usize; 4]> {
        let target = Target { picture: 3, class: 1, bounds };
        LEVEL.matches(&[target], 4.0).iter().map(|found| found.place).collect()
    }

    #[test]
    fn three_cells_learn_from_an_object_and_two_anchors_are_of_its_size() {
        // The centre is at column 10.4, row 5.6; 2 columns wide, 2 rows high.
        let found = places([0.52, 0.56, 0.1, 0.2]);
        let cells = |anchor| [[3, anchor, 5, 10], [3, anchor, 5, 9], [3, anchor, 6, 10]];
        assert_eq!(found, [cells(0), cells(1)].concat());
    }

    #[test]
    fn there_are_no_cells_beyond_the_edge() {
        assert_eq!(places([0.01, 0.01, 0.1, 0.2])[..2], [[3, 0, 0, 0], [3, 1, 0, 0]]);
        assert_eq!(places([1.0, 1.0, 0.1, 0.2])[..2], [[3, 0, 9, 19], [3, 1, 9, 19]]);
    }

    #[test]
    fn bounds_are_in_cells_from_the_cell() {
        let target = Target { picture: 0, class: 4, bounds: [0.52, 0.56, 0.1, 0.2] };
        let found = LEVEL.matches(&[target], 4.0);
        assert_eq!((found[0].class, found[0].anchor), (4, [2.0, 2.0]));
        let near = |found: [f32; 4], wanted: [f32; 4]| {
            assert!(
                found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-5),
                "{found:?}"
            );
        };
        near(found[0].bounds, [0.4, 0.6, 2.0, 2.0]);
        near(found[1].bounds, [1.4, 0.6, 2.0, 2.0]);
        near(found[2].bounds, [0.4, -0.4, 2.0, 2.0]);
    }
}
