use proptest::prelude::*;
use sightscan_types::PixelBox;

use super::*;
use crate::decode::{Limits, decode};

const GREY: u8 = 90;

fn plain(width: u32, height: u32) -> Picture {
    Picture { width, height, rgb: vec![GREY; 3 * width as usize * height as usize] }
}

fn detection(label: &str, bounds: [f32; 4]) -> Detection {
    let [left, top, width, height] = bounds;
    Detection { label: label.into(), confidence: 0.5, bounds: PixelBox { left, top, width, height } }
}

fn changed(picture: &Picture) -> Vec<(i64, i64)> {
    let width = picture.width as usize;
    let pixels = picture.rgb.chunks(3).enumerate().filter(|(_, pixel)| *pixel != [GREY; 3]);
    pixels.map(|(index, _)| ((index % width) as i64, (index / width) as i64)).collect()
}

#[test]
fn only_the_lines_and_the_strip_change() {
    let bounds = [100.0, 80.0, 60.0, 50.0];
    let drawn = annotate(&plain(300, 200), &Findings::Detections(vec![detection("bus", bounds)]));
    let style = Style::for_picture(&drawn);
    let (strip_width, strip_height) = style.strip_size("bus 0.50");
    let on_line = |x: i64, y: i64| {
        let inner = (102..158).contains(&x) && (82..128).contains(&y);
        (100..160).contains(&x) && (80..130).contains(&y) && !inner
    };
    let on_strip =
        |x: i64, y: i64| (100..100 + strip_width).contains(&x) && (80 - strip_height..80).contains(&y);
    let changed = changed(&drawn);
    assert!(changed.iter().all(|&(x, y)| on_line(x, y) || on_strip(x, y)));
    let lines = changed.iter().filter(|&&(x, y)| on_line(x, y)).count();
    assert_eq!(lines, 60 * 50 - 56 * 46);
    // The strip is filled, and its text is in another colour.
    let colour = colour_of("bus");
    let strip =
        |ink: Colour| changed.iter().filter(|&&(x, y)| on_strip(x, y) && at(&drawn, x, y) == ink).count();
    assert!(strip(colour) as i64 > strip_width * strip_height / 3);
    assert!(strip(ink_on(colour)) > 50);
}

fn at(picture: &Picture, x: i64, y: i64) -> Colour {
    let index = 3 * (y * i64::from(picture.width) + x) as usize;
    picture.rgb[index..index + 3].try_into().unwrap()
}

#[test]
fn strips_of_equal_boxes_do_not_cover_each_other() {
    let picture = Area::at(0, 0, (400, 300));
    let mut taken = Vec::new();
    for _ in 0..4 {
        let strip = place_strip(picture, Area::at(50, 100, (120, 90)), (110, 20), &taken);
        assert!(taken.iter().all(|other| !strip.overlaps(other)));
        taken.push(strip);
    }
}

#[test]
fn strips_stay_inside_the_picture() {
    let picture = Area::at(0, 0, (200, 100));
    for object in [(-20, -20), (190, 0), (0, 95), (190, 95)].map(|(left, top)| Area::at(left, top, (30, 30)))
    {
        let strip = place_strip(picture, object, (90, 20), &[]);
        assert!(strip.left >= 0 && strip.right <= 200 && strip.top >= 0 && strip.bottom <= 100, "{strip:?}");
    }
}

#[test]
fn the_most_certain_box_lies_on_top() {
    let boxes = vec![detection("a", [10.0, 60.0, 80.0, 80.0]), detection("b", [10.0, 60.0, 80.0, 80.0])];
    assert_ne!(colour_of("a"), colour_of("b"));
    let drawn = annotate(&plain(200, 200), &Findings::Detections(boxes));
    assert_eq!(at(&drawn, 50, 139), colour_of("a"));
}

#[test]
fn a_classifiers_answer_is_written_at_the_top_left() {
    let classes = ["tabby", "tiger cat"].map(|label| ClassScore { label: label.into(), confidence: 0.25 });
    let drawn = annotate(&plain(300, 200), &Findings::Classes(classes.to_vec()));
    let style = Style::for_picture(&drawn);
    let (width, height) = style.strip_size("tiger cat 0.25");
    let changed = changed(&drawn);
    assert!(!changed.is_empty() && changed.iter().all(|&(x, y)| x < width && y < 2 * height));
    assert_eq!(at(&drawn, 0, 0), colour_of("tabby"));
    assert_eq!(at(&drawn, 0, height), colour_of("tiger cat"));
}

#[test]
fn nothing_found_changes_nothing() {
    let picture = plain(20, 10);
    assert_eq!(annotate(&picture, &Findings::Detections(Vec::new())), picture);
}

#[test]
fn characters_that_the_font_lacks_are_shown_as_replaced() {
    let draw = |label| annotate(&plain(300, 200), &Findings::Detections(vec![detection(label, [50.0; 4])]));
    let inked = |label| changed(&draw(label)).len();
    assert_eq!(inked("塔"), inked("\n"));
    assert!(inked("塔") > inked(""));
}

#[test]
fn every_strip_is_readable() {
    // Contrast ratio of WCAG 2.1, which asks for 3 where the text is large and bold.
    let luminance = |[r, g, b]: Colour| {
        let linear = [r, g, b].map(|value| (f64::from(value) / 255.0).powf(2.2));
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05
    };
    for colour in PALETTE {
        let (a, b) = (luminance(colour), luminance(ink_on(colour)));
        assert!(a.max(b) / a.min(b) >= 3.0, "{colour:?}");
    }
}

#[test]
fn png_comes_back_as_it_was_and_jpeg_nearly() {
    let picture =
        annotate(&plain(90, 70), &Findings::Detections(vec![detection("tower", [9.0, 30.0, 40.0, 30.0])]));
    let png = decode(&encode(&picture, Encoding::Png).unwrap(), &Limits::default()).unwrap();
    assert_eq!(png, picture);
    let jpeg = decode(&encode(&picture, Encoding::Jpeg).unwrap(), &Limits::default()).unwrap();
    assert_eq!((jpeg.width, jpeg.height), (90, 70));
    let difference: u64 = jpeg.rgb.iter().zip(&picture.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(difference / (jpeg.rgb.len() as u64) < 12, "{difference}");
}

#[test]
fn a_picture_too_wide_for_jpeg_is_an_error() {
    assert!(encode(&plain(65_536, 1), Encoding::Jpeg).is_err());
    assert!(encode(&plain(65_536, 1), Encoding::Png).is_ok());
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        -50.0..300.0_f32,
        Just(0.0),
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::MIN),
        Just(f32::MAX)
    ]
}

proptest! {
    #[test]
    fn any_boxes_and_labels_are_drawn_on_any_picture(
        (width, height) in (1..200_u32, 1..200_u32),
        boxes in prop::collection::vec(([number(), number(), number(), number()], "\\PC{0,40}"), 0..6),
    ) {
        let picture = plain(width, height);
        let detections: Vec<_> = boxes.iter().map(|(bounds, label)| detection(label, *bounds)).collect();
        let classes = boxes.iter().map(|(_, label)| ClassScore { label: label.clone(), confidence: 1.0 }).collect();
        for findings in [Findings::Detections(detections), Findings::Classes(classes)] {
            let drawn = annotate(&picture, &findings);
            prop_assert_eq!((drawn.width, drawn.height, drawn.rgb.len()), (width, height, picture.rgb.len()));
        }
    }
}
