//! The plots of an experiment: SVG files.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::{Error, Point, Result, Results, Spread};

/// Width and height of a panel in pixels.
const PANEL: (u32, u32) = (640, 420);
const FONT: (&str, i32) = ("sans-serif", 19);
const SMALL: (&str, i32) = ("sans-serif", 14);
/// Room above the greatest value.
const HEADROOM: f64 = 1.08;

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Value = fn(&Point) -> Spread;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// A line of a chart, with what is drawn at its points.
struct Line {
    name: String,
    colour: RGBColor,
    dash: Option<u32>,
    points: Vec<(f64, Spread)>,
}

/// What a chart is called and how its axes are.
struct Axes<'a> {
    title: &'a str,
    below: &'a str,
    left: &'a str,
    /// The values of x that are marked.
    marks: Vec<f64>,
    /// What is written at a mark.
    mark: fn(&f64) -> String,
    legend: SeriesLabelPosition,
}

/// The mean response time by workers, a line for each number of threads; bars from the fastest to the slowest repeat.
///
/// # Errors
/// When it cannot be drawn.
pub fn response_times(results: &Results, unit: &str) -> Result<String> {
    let threads = results.threads();
    let lines = threads.iter().enumerate().map(|(number, &threads)| Line {
        name: format!("{threads} thread{}", if threads == 1 { "" } else { "s" }),
        colour: colour(number),
        dash: None,
        points: along(
            results,
            |point| point.threads == threads,
            |point| point.workers as f64,
            |point| point.mean_s,
        ),
    });
    let title = format!("Mean response time by {unit}s and client threads");
    let axes = Axes {
        title: &title,
        below: &format!("{unit}s"),
        left: "mean response time in seconds",
        marks: results.workers().iter().map(|&workers| workers as f64).collect(),
        mark: |workers| format!("{workers}"),
        legend: SeriesLabelPosition::UpperRight,
    };
    drawn(PANEL, |area| chart(area, &axes, &lines.collect::<Vec<_>>()))
}

/// Percentiles of the response time and the throughput by threads, for each number of workers.
///
/// # Errors
/// When it cannot be drawn.
pub fn performance(results: &Results, unit: &str) -> Result<String> {
    let percentiles: [(&str, Option<u32>, Value); 3] = [
        ("median", None, |point| point.p50_s),
        ("95 %", Some(8), |point| point.p95_s),
        ("99 %", Some(3), |point| point.p99_s),
    ];
    let (mut times, mut rates) = (Vec::new(), Vec::new());
    for (number, &workers) in results.workers().iter().enumerate() {
        let of = |value| {
            along(results, |point| point.workers == workers, |point| (point.threads as f64).log2(), value)
        };
        let plural = if workers == 1 { "" } else { "s" };
        let name = format!("{workers} {unit}{plural}");
        let line = |name: String, dash, value| Line { name, colour: colour(number), dash, points: of(value) };
        times.extend(percentiles.map(|(what, dash, value)| line(format!("{name}, {what}"), dash, value)));
        rates.push(line(name, None, |point: &Point| point.throughput));
    }
    let axes = |title, left| Axes {
        title,
        left,
        below: "client threads",
        marks: results.threads().iter().map(|&threads| (threads as f64).log2()).collect(),
        mark: |threads| format!("{:.0}", threads.exp2()),
        legend: SeriesLabelPosition::UpperLeft,
    };
    drawn((PANEL.0 * 2, PANEL.1), |area| {
        let (left, right) = area.split_horizontally(PANEL.0);
        chart(&left, &axes("Response time", "seconds"), &times)?;
        chart(&right, &axes("Throughput", "answered requests a second"), &rates)
    })
}

/// A value along an axis, over the points that are wanted.
fn along(
    results: &Results,
    is_wanted: impl Fn(&Point) -> bool,
    at: impl Fn(&Point) -> f64,
    value: impl Fn(&Point) -> Spread,
) -> Vec<(f64, Spread)> {
    results.points.iter().filter(|point| is_wanted(point)).map(|point| (at(point), value(point))).collect()
}

/// Colours that people with any colour vision can tell apart (M. Okabe and K. Ito, *Color Universal Design*, 2008).
fn colour(number: usize) -> RGBColor {
    const COLOURS: [RGBColor; 7] = [
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(86, 180, 233),
        RGBColor(60, 60, 60),
    ];
    COLOURS[number % COLOURS.len()]
}

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

fn chart(area: &Panel<'_>, axes: &Axes<'_>, lines: &[Line]) -> Drawn {
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, value)| value.max).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(axes.title, FONT)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(Marked::at(&axes.marks), 0.0..most.max(f64::MIN_POSITIVE) * HEADROOM)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(axes.below).y_desc(axes.left).axis_desc_style(SMALL).label_style(SMALL);
    mesh.x_label_formatter(&axes.mark).light_line_style(TRANSPARENT).draw()?;
    for line in lines {
        let style = line.colour.stroke_width(2);
        let means: Vec<(f64, f64)> = line.points.iter().map(|(x, value)| (*x, value.mean)).collect();
        let series = match line.dash {
            Some(length) => chart.draw_series(DashedLineSeries::new(means, length, 4, style))?,
            None => chart.draw_series(LineSeries::new(means, style))?,
        };
        series.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        // A bar of less than a pixel is a point.
        let pixel = most / f64::from(area.dim_in_pixel().1);
        let (bars, points): (Vec<_>, Vec<_>) =
            line.points.iter().copied().partition(|(_, value)| value.max - value.min > pixel);
        chart.draw_series(bars.into_iter().map(|(x, value)| {
            ErrorBar::new_vertical(x, value.min, value.mean, value.max, line.colour.filled(), 6)
        }))?;
        let point = |(x, value): (f64, Spread)| Circle::new((x, value.mean), 3, line.colour.filled());
        chart.draw_series(points.into_iter().map(point))?;
    }
    let mut legend = chart.configure_series_labels();
    let legend = legend.position(axes.legend.clone()).label_font(SMALL).background_style(WHITE.mix(0.85));
    Ok(legend.border_style(BLACK.mix(0.2)).draw()?)
}

/// An axis that is marked where something was measured, and nowhere else.
struct Marked {
    axis: RangedCoordf64,
    marks: Vec<f64>,
}

impl Marked {
    /// An axis with these marks and some room on both sides.
    fn at(marks: &[f64]) -> Self {
        let (first, last) = (marks.first().copied().unwrap_or(0.0), marks.last().copied().unwrap_or(1.0));
        let room = ((last - first) * 0.08).max(0.2);
        Self { axis: (first - room..last + room).into(), marks: marks.to_vec() }
    }
}

impl Ranged for Marked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.axis.range()
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::ideal;
    use super::*;

    fn texts(svg: &str) -> Vec<&str> {
        svg.split("<text")
            .skip(1)
            .filter_map(|rest| rest.split_once('>')?.1.split('<').next())
            .map(str::trim)
            .collect()
    }

    #[test]
    fn w17_the_plot_has_a_line_for_each_number_of_threads_and_marks_the_workers() {
        let svg = response_times(&ideal(), "pod").unwrap();
        let texts = texts(&svg);
        for threads in ["1 thread", "2 threads", "4 threads", "8 threads", "16 threads", "32 threads"] {
            assert!(texts.contains(&threads), "{threads} in {texts:?}");
        }
        for text in ["1", "2", "3", "pods", "mean response time in seconds"] {
            assert!(texts.contains(&text), "{text} in {texts:?}");
        }
        assert_eq!(svg.matches("<circle").count(), 18, "a point for each cell");
    }

    #[test]
    fn the_second_view_has_percentiles_and_the_throughput() {
        let svg = performance(&ideal(), "worker").unwrap();
        let texts = texts(&svg);
        for text in ["Response time", "Throughput", "3 workers, 95 %", "1 worker", "32", "client threads"] {
            assert!(texts.contains(&text), "{text} in {texts:?}");
        }
    }

    #[test]
    fn one_cell_is_a_plot_too() {
        let matrix = super::super::Matrix { workers: vec![2], threads: vec![4], repeats: 1 };
        let run = super::super::cell::tests::measured(2, 4, 1, 0.5);
        let results = Results::of(&matrix, vec![run]);
        assert!(response_times(&results, "worker").unwrap().contains("4 threads"));
        assert!(performance(&results, "worker").is_ok());
    }
}
