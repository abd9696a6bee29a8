//! Durations as the agent reads and writes them: the same crate, whose units are the agent's.

use std::time::Duration;

/// Reads `500ms` or `1m 30s`; a number without a unit is no duration.
pub(super) fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Writes a duration so that [`parse`] gives it back.
pub(super) fn format(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_agent_reads_them() {
        let table = [
            ("500ms", Some(500)),
            ("1m 30s", Some(90_000)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            ("0s", Some(0)),
            ("5", None),
            ("", None),
            ("-1s", None),
            ("5 parsecs", None),
        ];
        for (text, millis) in table {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(format(Duration::from_millis(1500)), "1s 500ms");
    }
}
