//! Charts as SVG text, small enough to write by hand: lines over an axis, and bars.
//!
//! Colours come from the page's custom properties (`--s1` .. `--s6`), so that a chart follows light
//! and dark mode.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Series colours that the page defines.
const COLOURS: usize = 6;

/// One line of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A line chart.
#[derive(Debug, Clone)]
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x_label: &'a str,
    pub(crate) y_label: &'a str,
    pub(crate) series: Vec<Series>,
    /// Marks on the x axis: where, and what; none: round numbers.
    pub(crate) x_ticks: Vec<(f64, String)>,
}

impl Chart<'_> {
    /// The chart, with its legend; nothing if there is nothing to draw.
    #[expect(clippy::too_many_lines, reason = "a drawing from its frame to its lines")]
    pub(crate) fn render(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        if points().count() < 2 {
            return String::new();
        }
        let x_min = points().map(|point| point.0).fold(f64::MAX, f64::min);
        let x_max = points().map(|point| point.0).fold(f64::MIN, f64::max).max(x_min + 1e-9);
        let y_step = step(points().map(|point| point.1).fold(0.0, f64::max), 5);
        let y_max = y_step
            * (points().map(|point| point.1).fold(0.0, f64::max) / y_step)
                .ceil()
                .max(1.0);
        let x = |value: f64| LEFT + (value - x_min) / (x_max - x_min) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / y_max * (HEIGHT - TOP - BOTTOM);

        let mut out = figure(self.title, HEIGHT);
        let mut mark = 0.0;
        while mark <= y_max * 1.0001 {
            let at = y(mark);
            put(
                &mut out,
                format_args!(
                    "<line class=grid x1={LEFT} x2={:.1} y1={at:.1} y2={at:.1} />",
                    WIDTH - RIGHT
                ),
            );
            put(
                &mut out,
                format_args!(
                    "<text class=y x={:.1} y={:.1}>{}</text>",
                    LEFT - 8.0,
                    at + 4.0,
                    number(mark)
                ),
            );
            mark += y_step;
        }
        for (value, label) in self.x_marks(x_min, x_max) {
            put(
                &mut out,
                format_args!(
                    "<text class=x x={:.1} y={:.1}>{label}</text>",
                    x(value),
                    HEIGHT - BOTTOM + 18.0
                ),
            );
        }
        put(
            &mut out,
            format_args!(
                "<text class=x x={:.1} y={:.1}>{}</text>",
                WIDTH / 2.0,
                HEIGHT - 6.0,
                escape(self.x_label)
            ),
        );
        put(
            &mut out,
            format_args!(
                "<text class=unit x={LEFT} y={:.1}>{}</text>",
                TOP - 3.0,
                escape(self.y_label)
            ),
        );
        for (index, series) in self.series.iter().enumerate() {
            let mut path = String::new();
            for (at, value) in &series.points {
                put(&mut path, format_args!("{:.1},{:.1} ", x(*at), y(*value)));
            }
            put(
                &mut out,
                format_args!(
                    "<polyline class=line style='stroke:var(--s{})' points='{}'/>",
                    colour(index),
                    path.trim_end()
                ),
            );
        }
        out.push_str("</svg>");
        out.push_str(&self.legend());
        out.push_str("</figure>");
        out
    }

    fn x_marks(&self, min: f64, max: f64) -> Vec<(f64, String)> {
        if !self.x_ticks.is_empty() {
            return self
                .x_ticks
                .iter()
                .filter(|(at, _)| (min..=max).contains(at))
                .cloned()
                .collect();
        }
        let step = step(max - min, 6);
        let first = (min / step).ceil();
        (0..=12)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|at| *at <= max)
            .map(|at| (at, number(at)))
            .collect()
    }

    fn legend(&self) -> String {
        let mut out = String::from("<figcaption>");
        for (index, series) in self.series.iter().enumerate() {
            put(
                &mut out,
                format_args!(
                    "<span><i style='background:var(--s{})'></i>{}</span>",
                    colour(index),
                    escape(&series.name)
                ),
            );
        }
        out.push_str("</figcaption>");
        out
    }
}

/// What the bars of a figure stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bars {
    /// Servers, each with its colour.
    Servers,
    /// Parts of one whole.
    Parts,
}

/// Bars from the left, one for each name, each with its value as text.
pub(crate) fn bars(title: &str, rows: &[(String, f64, String)], of: Bars) -> String {
    const ROW: f64 = 34.0;
    const NAMES: f64 = 130.0;
    const VALUES: f64 = 250.0;
    let most = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let mut out = figure(title, ROW * rows.len() as f64 + 6.0);
    for (index, (name, value, text)) in rows.iter().enumerate() {
        let top = ROW * index as f64 + 6.0;
        let width = (value / most * (WIDTH - NAMES - VALUES)).max(1.0);
        let middle = top + 17.0;
        put(
            &mut out,
            format_args!(
                "<text class=name x={:.0} y={middle:.1}>{}</text>",
                NAMES - 10.0,
                escape(name)
            ),
        );
        put(
            &mut out,
            format_args!(
                "<rect x={NAMES} y={top:.1} width={width:.1} height=24 rx=3 style='fill:var(--s{})'/>",
                colour(if of == Bars::Servers { index } else { 0 })
            ),
        );
        put(
            &mut out,
            format_args!(
                "<text class=value x={:.1} y={middle:.1}>{}</text>",
                NAMES + width + 8.0,
                escape(text)
            ),
        );
    }
    out.push_str("</svg></figure>");
    out
}

/// Text that can stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}

fn figure(title: &str, height: f64) -> String {
    format!(
        "<figure><h3>{0}</h3><svg viewBox='0 0 {WIDTH} {height}' role=img aria-label='{0}'>",
        escape(title)
    )
}

fn colour(index: usize) -> usize {
    index % COLOURS + 1
}

/// A round distance that divides `range` into about `parts`.
fn step(range: f64, parts: u32) -> f64 {
    let rough = (range / f64::from(parts)).max(1e-9);
    let power = 10.0_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power)
}

/// A number on an axis: `12k`, `3M`.
fn number(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e4 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let text = format!("{value:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String can't fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(step(100.0, 5), 20.0);
        assert_eq!(step(0.7, 5), 0.2);
        assert_eq!(number(0.2), "0.2");
        assert_eq!(number(125_000.0), "125k");
        assert_eq!(number(0.0), "0");
    }

    #[test]
    fn a_chart_without_points_is_nothing() {
        let chart = Chart {
            title: "x",
            x_label: "",
            y_label: "",
            series: Vec::new(),
            x_ticks: Vec::new(),
        };
        assert_eq!(chart.render(), "");
        assert_eq!(bars("x", &[], Bars::Servers), "");
    }

    #[test]
    fn names_cant_break_the_page() {
        let rows = [("<b>".to_owned(), 1.0, "'1'".to_owned())];
        let svg = bars("a & b", &rows, Bars::Parts);
        assert!(svg.contains("&lt;b&gt;") && svg.contains("a &amp; b") && !svg.contains("<b>"));
    }
}
