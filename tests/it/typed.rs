//! The program as a user types it in a folder, run to its end.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Exit code, stdout, stderr.
pub(crate) type Ran = (i32, String, String);

/// The program in a folder, with nothing on its stdin, and as if no Helm had started it.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alumet-injector"));
    command
        .current_dir(folder)
        .env_remove("HELM_PLUGIN_NAME")
        .stdin(Stdio::null());
    command
}

/// Runs it.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}
