//! What was measured, as a table of Markdown.

use std::fmt::Write as _;

use crate::rounds::CALLS_PER_SECOND;

/// One program with one body, in all rounds.
pub(crate) struct Row {
    /// What was sent.
    pub(crate) body: String,
    /// Who answered.
    pub(crate) program: String,
    /// CPU time per call of a program with as much work as it can do, microseconds.
    pub(crate) cpu: Figures,
    /// The same, divided by the floor's in the same round; none for the floor itself.
    pub(crate) ratio: Option<Figures>,
    /// Calls answered each second with one core.
    pub(crate) rate: Figures,
    /// CPU time per call at [`CALLS_PER_SECOND`], microseconds.
    pub(crate) cpu_at_rate: Figures,
    /// Half of the calls at [`CALLS_PER_SECOND`] were answered within this, microseconds.
    pub(crate) median: Figures,
    /// 99 of 100 were, microseconds.
    pub(crate) p99: Figures,
    /// All of them were, microseconds.
    pub(crate) slowest: Figures,
    /// Resident memory, MiB.
    pub(crate) resident: Figures,
}

/// The same quantity in each round.
#[derive(Default)]
pub(crate) struct Figures(pub(crate) Vec<f64>);

impl Figures {
    fn sorted(&self) -> Vec<f64> {
        let mut figures = self.0.clone();
        figures.sort_by(f64::total_cmp);
        figures
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median of the rounds alone.
    fn short(&self, digits: usize) -> String {
        format!("{:.digits$}", self.median())
    }

    /// The median of the rounds, and their range.
    fn long(&self, digits: usize) -> String {
        let sorted = self.sorted();
        match sorted[..] {
            [least, .., most] => format!("{:.digits$} ({least:.digits$}..{most:.digits$})", self.median()),
            _ => self.short(digits),
        }
    }
}

/// The table, under its own heading line.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut table = format!(
        "| body | program | CPU per call, µs | times the floor | calls/s | CPU at {CALLS_PER_SECOND}/s, µs | p50, µs | p99, µs | slowest, µs | resident, MiB |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let ratio = row
            .ratio
            .as_ref()
            .map_or_else(|| "1".to_owned(), |ratio| ratio.long(2));
        // Writing into a String cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {ratio} | {} | {} | {} | {} | {} | {} |",
            row.body,
            row.program,
            row.cpu.long(1),
            row.rate.short(0),
            row.cpu_at_rate.short(1),
            row.median.short(0),
            row.p99.long(0),
            row.slowest.short(0),
            row.resident.short(1),
        );
    }
    table
}
