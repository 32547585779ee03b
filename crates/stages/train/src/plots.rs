//! How a training went, as pictures for people: SVG files.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use sightscan_dataset::Confusion;

use crate::error::{Error, Result};
use crate::learn::Epoch;

/// Width and height of a panel in pixels.
const PANEL: (u32, u32) = (560, 400);
const FONT: (&str, i32) = ("sans-serif", 18);
const SMALL: (&str, i32) = ("sans-serif", 12);

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Lines<'a> = Vec<(&'a str, Vec<(f64, f64)>)>;

/// The losses and the mean average precision of each epoch.
pub(crate) fn curves(history: &[Epoch]) -> Result<String> {
    let of = |value: fn(&Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
        history.iter().filter_map(|epoch| Some((epoch.epoch as f64, value(epoch)?))).collect()
    };
    let losses = vec![
        ("boxes", of(|epoch| Some(epoch.box_loss))),
        ("objects", of(|epoch| Some(epoch.object_loss))),
        ("classes", of(|epoch| Some(epoch.class_loss))),
    ];
    let precisions = vec![("mAP@0.5", of(|epoch| epoch.map50)), ("mAP@0.5:0.95", of(|epoch| epoch.map50_95))];
    let most = losses.iter().flat_map(|(_, points)| points).map(|point| point.1).fold(0.0, f64::max);
    let epochs = 0.0..history.len().max(1) as f64;
    drawn((PANEL.0 * 2, PANEL.1), |area| {
        let (left, right) = area.split_horizontally(PANEL.0);
        lines(&left, ["Loss", "epoch"], epochs.clone(), 0.0..most.max(1e-6) * 1.05, &losses)?;
        lines(&right, ["Mean average precision", "epoch"], epochs.clone(), 0.0..1.0, &precisions)
    })
}

/// The precision of each class at each recall, at an intersection over union of 0.5.
pub(crate) fn precision_recall(classes: &[String], precisions: &[Option<Vec<f64>>]) -> Result<String> {
    let points = |values: &Vec<f64>| {
        values.iter().enumerate().map(|(at, value)| (at as f64 / 100.0, *value)).collect()
    };
    let known = classes
        .iter()
        .zip(precisions)
        .filter_map(|(name, values)| Some((name.as_str(), points(values.as_ref()?))));
    let known: Lines<'_> = known.collect();
    drawn((PANEL.0, PANEL.1), |area| lines(area, ["Precision", "recall"], 0.0..1.0, 0.0..1.02, &known))
}

/// What is taken for what: rows what is there, columns what was found.
pub(crate) fn confusion(classes: &[String], confusion: &Confusion) -> Result<String> {
    let side = classes.len() + 1;
    let cell = 64;
    let margin = 150;
    let whole = (side * cell + margin) as u32;
    let name = |number: usize| classes.get(number).map_or("nothing", String::as_str);
    drawn((whole, whole), |area| {
        for truth in 0..side {
            let row: u32 = (0..side).map(|found| confusion.count(truth, found)).sum();
            let corner = (margin + truth * cell) as i32;
            area.draw(&Text::new(name(truth).to_owned(), (6, corner + 28), SMALL))?;
            area.draw(&Text::new(
                name(truth).to_owned(),
                (corner + 20, margin as i32 - 6),
                SMALL.into_font().transform(FontTransform::Rotate270),
            ))?;
            for found in 0..side {
                let count = confusion.count(truth, found);
                let share = f64::from(count) / f64::from(row.max(1));
                let (x, y) = ((margin + found * cell) as i32, corner);
                let shade = RGBColor(31, 119, 180).mix(share);
                area.draw(&Rectangle::new([(x, y), (x + cell as i32, y + cell as i32)], shade.filled()))?;
                area.draw(&Rectangle::new([(x, y), (x + cell as i32, y + cell as i32)], BLACK.mix(0.2)))?;
                if count > 0 {
                    let colour = if share > 0.5 { &WHITE } else { &BLACK };
                    area.draw(&Text::new(
                        count.to_string(),
                        (x + 24, y + 24),
                        FONT.into_font().color(colour),
                    ))?;
                }
            }
        }
        Ok(())
    })
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// The text of an SVG file of this width and height.
fn drawn(size: (u32, u32), draw: impl FnOnce(&Panel<'_>) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let all = area.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&area));
        all.and_then(|()| Ok(area.present()?)).map_err(|error| Error::Plot(error.to_string()))?;
    }
    Ok(svg)
}

/// A line for each of these, with a legend.
fn lines(
    area: &Panel<'_>,
    [title, below]: [&str; 2],
    x: Range<f64>,
    y: Range<f64>,
    all: &Lines<'_>,
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption(title, FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(x, y)?;
    chart.configure_mesh().x_desc(below).light_line_style(TRANSPARENT).draw()?;
    for (number, (name, points)) in all.iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        let line = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        line.label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    let mut legend = chart.configure_series_labels();
    let legend = legend.position(SeriesLabelPosition::MiddleRight).label_font(SMALL);
    Ok(legend.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2)).draw()?)
}
