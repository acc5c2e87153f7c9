//! A report as a picture: one bar a figure, its limit and its peers beside it. Plain SVG that suits light and dark pages.

use std::fmt::Write;

use crate::report::{Figure, Report, Role, Unit};

const WIDTH: u64 = 760;
const LABELS: u64 = 250;
const BARS: u64 = 390;
const ROW: u64 = 24;
const BAR: u64 = 14;
const HEAD: u64 = 56;
const STYLE: &str = "\
    text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
    .title{font-size:15px;font-weight:600}.quiet{fill:#59636e}.measured{fill:#0969da}.limit{fill:#8c959f}.peer{fill:#d4a72c}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.measured{fill:#4493f8}.limit{fill:#656c76}.peer{fill:#bb8009}}";

/// The picture of a report. Figures of different units have scales of their own.
#[must_use]
pub fn svg(report: &Report) -> String {
    let mut body = String::new();
    let mut y = HEAD;
    for (group, figures) in groups(report) {
        if !group.is_empty() {
            y += 6;
            text(&mut body, "quiet", 0, y + 12, &group);
            y += ROW;
        }
        for figure in figures {
            row(&mut body, figure, longest(report, figure.unit), y);
            y += ROW;
        }
    }
    let height = y + 34;
    let engine = report.engine.as_ref().map_or_else(String::new, |engine| format!(" · {engine}"));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"-8 0 {} {height}\" role=\"img\">\
         <title>{}</title><style>{STYLE}</style>\n",
        WIDTH + 16,
        escaped(&report.title)
    );
    text(&mut out, "title", 0, 20, &format!("{}{engine}", report.title));
    let verdict = if report.fit { "" } else { " · noisy machine: does not count" };
    text(&mut out, "quiet", 0, 40, &format!("{} × {}{verdict}", report.machine.cores, report.machine.cpu));
    out.push_str(&body);
    legend(&mut out, y + 14);
    out.push_str("</svg>\n");
    out
}

/// The figures that stand together, in the order in which they were measured.
fn groups(report: &Report) -> Vec<(String, Vec<&Figure>)> {
    let mut groups: Vec<(String, Vec<&Figure>)> = Vec::new();
    for figure in &report.figures {
        match groups.iter_mut().find(|(name, _)| *name == figure.group) {
            Some((_, members)) => members.push(figure),
            None => groups.push((figure.group.clone(), vec![figure])),
        }
    }
    groups
}

fn longest(report: &Report, unit: Unit) -> u64 {
    report.figures.iter().filter(|figure| figure.unit == unit).map(|figure| figure.median).max().unwrap_or(0).max(1)
}

fn row(out: &mut String, figure: &Figure, longest: u64, y: u64) {
    let class = class(figure.role);
    let length = u64::try_from(u128::from(figure.median) * u128::from(BARS) / u128::from(longest)).unwrap_or(BARS).max(1);
    text(out, "", 0, y + 12, &figure.name);
    let x = LABELS;
    let _ = writeln!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{length}\" height=\"{BAR}\" rx=\"2\"/>");
    let p99 = figure.p99_us.map_or_else(String::new, |us| format!(" · p99 {}", Unit::Micros.show(us)));
    text(out, "", LABELS + length + 6, y + 12, &format!("{}{p99}", figure.unit.show(figure.median)));
}

const fn class(role: Role) -> &'static str {
    match role {
        Role::Measured => "measured",
        Role::Limit => "limit",
        Role::Peer => "peer",
    }
}

fn legend(out: &mut String, y: u64) {
    for (x, (role, label)) in
        [0, 130, 300].into_iter().zip([(Role::Measured, "measured"), (Role::Limit, "limit, same run"), (Role::Peer, "others, published")])
    {
        let _ = writeln!(out, "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" rx=\"2\"/>", class(role));
        text(out, "quiet", x + 16, y + 10, label);
    }
}

fn text(out: &mut String, class: &str, x: u64, y: u64, text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    // Writing into a String cannot fail.
    let _ = writeln!(out, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(text));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn a_picture_is_whole_and_its_longest_bar_is_the_largest_figure() {
        let picture = svg(&example());
        assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"));
        assert!(picture.contains("prefers-color-scheme:dark"), "it suits dark pages");
        assert!(picture.contains("Example &amp; Sons &lt;3&gt;") && !picture.contains("<3>"), "texts are escaped");
        let half = BARS / 2;
        assert!(picture.contains(&format!("class=\"measured\" x=\"{LABELS}\" y=\"86\" width=\"{half}\"")), "{picture}");
        assert!(picture.contains(&format!("class=\"limit\" x=\"{LABELS}\" y=\"110\" width=\"{BARS}\"")), "{picture}");
        assert!(picture.contains("2,000/s · p99 12.3 ms"));
        assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
    }

    #[test]
    fn a_picture_of_a_noisy_run_says_so() {
        let picture = svg(&Report { fit: false, ..example() });
        assert!(picture.contains("noisy machine"));
    }
}
