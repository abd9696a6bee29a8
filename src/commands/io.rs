//! Standard streams and files, with their names in every error.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::exit::Failure;

/// Set by Helm 4 for a plugin that it runs. Helm 4 shows nobody what such a plugin writes to stderr.
const HELM_PLUGIN: &str = "HELM_PLUGIN_NAME";

/// Whether Helm 4 runs this process.
pub(super) fn under_helm_plugin() -> bool {
    std::env::var_os(HELM_PLUGIN).is_some()
}

/// Whether nothing is piped in.
pub(super) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// All of stdin, unless a person sits there and would wait.
pub(super) fn read_stdin() -> Result<Vec<u8>, Failure> {
    if stdin_is_terminal() {
        return Err(Failure::Usage(
            "nothing is piped in: stdin is a terminal; try: helm template ... | alumet-injector COMMAND"
                .to_owned(),
        ));
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|source| failure("read", &"stdin", source))?;
    Ok(bytes)
}

/// A file, or stdin for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return read_stdin();
    }
    fs::read(path).map_err(|source| failure("read", &path.display(), source))
}

/// The files of a directory that end so, by their names; those whose names begin with a point are somebody's own.
pub(super) fn files_in(directory: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let failed = |source| failure("read", &directory.display(), source);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let fits = path
            .extension()
            .is_some_and(|ending| endings.iter().any(|known| ending == *known));
        if fits && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The path of a file by which it is told from all others.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).map_err(|source| failure("read", &path.display(), source))
}

/// Writes a file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|source| failure("write", &path.display(), source))
}

/// Who may read a file that is written whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// As the user's umask says.
    Any,
    /// Nobody but the owner, mode 600, as temporary files are.
    Owner,
}

/// A file that is to be written whole.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) readers: Readers,
}

/// Writes files that belong together. All of them are written beside their places, and only when that went well moved
/// there: none is ever seen in part, nor with the mode of an older one, and what fails before the first move changes
/// nothing.
///
/// A crash before the moves leaves `.tmp*` beside the files, of which one may hold a private key, for its owner alone. A
/// crash between two moves leaves new files beside old ones, which do not belong together: writing all of them again,
/// which `certs issue --overwrite` does, mends that.
pub(super) fn replace_all(files: &[NewFile]) -> Result<(), Failure> {
    let mut beside = Vec::new();
    for file in files {
        let written = write_beside(file).map_err(|source| failure("write", &file.path.display(), source))?;
        beside.push((written, &file.path));
    }
    for (written, path) in beside {
        written
            .persist(path)
            .map_err(|error| failure("write", &path.display(), error.error))?;
    }
    Ok(())
}

/// The file under a name of its own, in the same directory; it goes when it is dropped.
fn write_beside(file: &NewFile) -> io::Result<NamedTempFile> {
    if file.path.is_dir() {
        // The one obstacle that only the move would find.
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    if file.readers == Readers::Any {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        builder.permissions(everybody);
    }
    let mut written = builder.tempfile_in(file.path.parent().unwrap_or_else(|| Path::new("")))?;
    written.write_all(&file.bytes)?;
    written.as_file().sync_all()?;
    Ok(written)
}

/// Makes a directory and those above it.
pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|source| failure("make", &path.display(), source))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failure("remove", &path.display(), error))
        }
        _ => Ok(()),
    }
}

/// Writes to stdout. A reader that has gone away (`| head -1`) has seen what it wanted.
pub(super) fn print<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Failure> {
    print_to(io::stdout().lock(), parts)
}

fn print_to<'a>(
    mut stdout: impl io::Write,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), Failure> {
    let written = parts
        .into_iter()
        .try_for_each(|part| stdout.write_all(part))
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|source| failure("write", &"stdout", source)),
    }
}

/// Writes a text to stdout.
pub(super) fn print_text(text: &str) -> Result<(), Failure> {
    print([text.as_bytes()])
}

/// Writes a text with ANSI styles to stdout; without them where that is no terminal, or `NO_COLOR` is set.
pub(super) fn print_styled(text: &str) -> Result<(), Failure> {
    print_to(anstream::stdout().lock(), [text.as_bytes()])
}

/// Says something to the person: on stderr and, where Helm 4 would show it to nobody, on the terminal.
///
/// That it cannot be said is no failure of the command.
pub(super) fn complain(text: &str) {
    let _unheard = io::stderr().lock().write_all(text.as_bytes());
    if under_helm_plugin()
        && let Ok(mut terminal) = fs::OpenOptions::new().write(true).open("/dev/tty")
    {
        let _unheard = terminal.write_all(text.as_bytes());
    }
}

/// The text of a file that must be UTF-8.
pub(super) fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (path, at) = (path.display(), error.valid_up_to());
        Failure::Refused(format!(
            "{path}: the text is not UTF-8 at byte {at}; save the file as UTF-8"
        ))
    })
}

fn failure(action: &'static str, what: &dyn ToString, source: io::Error) -> Failure {
    Failure::Io {
        action,
        what: what.to_string(),
        source,
    }
}
