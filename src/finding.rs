//! What is wrong, or worth knowing, about somebody's input: a code, a place, a sentence and the mend.

use std::fmt;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The result would not be what the user asked for, or the agent would not start.
    Error,
    /// It works, but perhaps not as the user expects. `--strict` turns it into an error.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing found in the user's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable code in kebab-case, from a closed set (each module that makes findings lists its own).
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The place: a path inside the values (`plugins.rapl.poll_interval`) or the TOML, or empty for the whole.
    pub path: String,
    /// What is wrong: one sentence without full stop that never shows a secret.
    pub message: String,
    /// What to do about it: an imperative sentence without full stop, or empty.
    pub mend: String,
}

/// Whether any finding is an error.
pub fn any_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: ", self.severity.as_str(), self.code)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}
