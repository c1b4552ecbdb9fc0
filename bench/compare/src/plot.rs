//! Draws one chart and its legend.

use std::path::Path;

use bench_harness::Result;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

pub struct Chart<'a> {
    pub title: &'a str,
    /// The axis labels, with units.
    pub x: &'a str,
    pub y: &'a str,
    pub log_y: bool,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (960, 480);
const LEGEND: u32 = 250;
/// The palette of Okabe and Ito, which colour-blind readers can distinguish. Further series use the same colours with
/// dashed lines and hollow dots.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
    RGBColor(170, 150, 0),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

impl Chart<'_> {
    pub fn draw(&self, path: &Path) -> Result<()> {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (plot, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let (x, y) = (
            self.axis_range(|point| point.0),
            self.axis_range(|point| point.1),
        );
        if self.log_y {
            self.plot(&plot, (x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
        } else {
            self.plot(&plot, (x.0..x.1).log_scale(), 0.0..100.0)?;
        }
        self.legend(&legend)?;
        Ok(area.present()?)
    }

    /// Returns the range from the power of ten below the smallest value to the one above the largest value.
    fn axis_range(&self, value_of: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
        let values = || {
            self.series
                .iter()
                .flat_map(|series| &series.points)
                .map(&value_of)
        };
        let least = values().fold(f64::INFINITY, f64::min).max(1.0);
        let greatest = values().fold(1.0, f64::max);
        let power = |value: f64| 10_f64.powf(value);
        let from = power(least.log10().floor());
        (from, power(greatest.log10().ceil()).max(10.0 * from))
    }

    fn plot<X, Y>(&self, area: &Area<'_>, x: X, y: Y) -> Result<()>
    where
        X: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
        Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(self.x)
            .y_desc(self.y)
            .axis_desc_style(("sans-serif", 15))
            .label_style(("sans-serif", 13))
            .x_label_formatter(&|value| abbreviate(*value))
            .y_label_formatter(&|value| abbreviate(*value))
            .draw()?;
        for (number, series) in self.series.iter().enumerate() {
            let points = series.points.iter().copied();
            if number < COLOURS.len() {
                chart.draw_series(LineSeries::new(points, style(number)))?;
            } else {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, style(number)))?;
            }
            // The points of a curve are too many for dots.
            if series.points.len() < 10 {
                let dot = |point: &(f64, f64)| Circle::new(*point, 3, dot_style(number));
                chart.draw_series(series.points.iter().map(dot))?;
            }
        }
        Ok(())
    }

    fn legend(&self, area: &Area<'_>) -> Result<()> {
        for (number, series) in self.series.iter().enumerate() {
            let y = 52 + 24 * number as i32;
            let line = |from, to| PathElement::new(vec![(from, y), (to, y)], style(number));
            area.draw(&line(8, 18))?;
            // The line is solid or dashed, as in the chart.
            area.draw(&line(if number < COLOURS.len() { 18 } else { 23 }, 34))?;
            area.draw(&Circle::new((21, y), 3, dot_style(number)))?;
            area.draw(&Text::new(
                series.name.clone(),
                (42, y - 7),
                ("sans-serif", 14),
            ))?;
        }
        Ok(())
    }
}

fn style(number: usize) -> ShapeStyle {
    COLOURS[number % COLOURS.len()].stroke_width(2)
}

/// Returns the style of the dots, which are hollow if the line is dashed.
fn dot_style(number: usize) -> ShapeStyle {
    match number < COLOURS.len() {
        true => style(number).filled(),
        false => style(number),
    }
}

fn abbreviate(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}
