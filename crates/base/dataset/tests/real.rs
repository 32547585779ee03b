//! The real data.

use sightscan_dataset::{Format, Limits, Split, import, open};
use sightscan_testkit::data;

use crate::support::{read, write_zip};

#[test]
fn the_pictures_of_five_sights_go_through_every_format() {
    let Some(sights) = data("sights") else { return };
    let imported = import(Format::Yolo, open(&sights, Limits::default()).unwrap()).unwrap();
    assert!(imported.problems.is_empty(), "{}", imported.problems);
    let first = imported.dataset;
    assert_eq!(first.classes[0], "Eiffel_Tower");
    let count =
        |is: &dyn Fn(&sightscan_dataset::Item) -> bool| first.items.iter().filter(|item| is(item)).count();
    assert_eq!(count(&|item| item.is_labelled()), 180);
    assert_eq!(count(&|item| !item.is_labelled()), 25);
    assert_eq!(count(&|item| item.split == Some(Split::Validation)), 34);
    assert_eq!(count(&|item| (item.width, item.height) == (512, 512)), 205);

    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join(format!("{format}.zip"));
        write_zip(&first, format, &path);
        let imported = read(format, &path);
        assert!(imported.problems.is_empty(), "{}", imported.problems);
        let mut items = imported.dataset.items;
        items.sort_by(|one, other| one.name.cmp(&other.name));
        let mut before: Vec<_> = first.items.iter().collect();
        before.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(before.len(), items.len());
        for (one, other) in before.into_iter().zip(&items) {
            assert_eq!(
                (&one.name, one.split, one.is_labelled()),
                (&other.name, other.split, other.is_labelled())
            );
            assert_eq!(one.labels.boxes().len(), other.labels.boxes().len());
            for (one, other) in one.labels.boxes().iter().zip(other.labels.boxes()) {
                assert!((one.bounds.x - other.bounds.x).abs() * 512.0 <= 0.501, "{format}");
            }
        }
    }
}
