//! How the process ends: the exit codes, and the failures that lead to them.

use std::process::ExitCode;

/// The exit codes. They are part of the interface: `--help` and `docs/commands.md` list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// The input has errors; nothing was written.
    Refused = 1,
    /// Wrong usage. clap has the same code for it.
    Usage = 2,
    /// A file, a stream or the cluster cannot be read or written.
    Io = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The input has errors.
    #[error("{0}")]
    Refused(String),
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// A file or a stream cannot be read or written.
    #[error("cannot {action} {what}")]
    Io {
        /// `read`, `write`, `listen on`.
        action: &'static str,
        /// Path of the file, or the stream's name.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The cluster does not answer, or refuses.
    #[cfg(feature = "server")]
    #[error(transparent)]
    Cluster(#[from] crate::cluster::Error),
}

impl Failure {
    /// The exit code that it leads to.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) => Exit::Refused,
            Self::Usage(_) => Exit::Usage,
            Self::Io { .. } => Exit::Io,
            #[cfg(feature = "server")]
            Self::Cluster(_) => Exit::Io,
        }
    }

    /// The whole chain of causes, for stderr.
    pub(super) fn message(&self) -> String {
        let mut message = format!("error: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        message.push('\n');
        message
    }
}
