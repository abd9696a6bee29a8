//! What `explain` was asked about: files, or objects of a cluster.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::super::exit::Failure;

/// Files and objects are not asked about together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Manifest files.
    Files(Vec<PathBuf>),
    /// Objects of a cluster: the word for the kind, and the name.
    Objects(Vec<(String, String)>),
}

/// Endings of files that are there no more, or not yet.
const OF_FILES: [&str; 3] = [".yaml", ".yml", ".json"];

/// Tells files from objects. What names a file is one.
pub(super) fn asked(
    words: Vec<OsString>,
    files: Vec<PathBuf>,
    is_file: &dyn Fn(&Path) -> bool,
) -> Result<Asked, Failure> {
    if words.is_empty() {
        return Ok(Asked::Files(if files.is_empty() {
            vec!["-".into()]
        } else {
            files
        }));
    }
    let as_object = |word: &OsString| {
        let text = word.to_str().filter(|_| !is_file(Path::new(word)))?;
        let (kind, name) = text.split_once('/')?;
        let is_object =
            is_kind(kind) && is_name(name) && !OF_FILES.into_iter().any(|ending| name.ends_with(ending));
        is_object.then(|| (kind.to_owned(), name.to_owned()))
    };
    let objects: Vec<_> = words.iter().filter_map(as_object).collect();
    if objects.is_empty()
        && let Some(objects) = of_one_kind(&words, is_file)
    {
        return alone(objects, &files);
    }
    if objects.is_empty() {
        let words = words.into_iter().map(PathBuf::from);
        return Ok(Asked::Files(words.chain(files).collect()));
    }
    if objects.len() < words.len() {
        return Err(mixed());
    }
    alone(objects, &files)
}

fn alone(objects: Vec<(String, String)>, files: &[PathBuf]) -> Result<Asked, Failure> {
    if files.is_empty() {
        Ok(Asked::Objects(objects))
    } else {
        Err(mixed())
    }
}

fn mixed() -> Failure {
    Failure::Usage("name either files or objects of a cluster (KIND/NAME), not both".to_owned())
}

/// `KIND NAME ...`, as kubectl takes it too.
fn of_one_kind(words: &[OsString], is_file: &dyn Fn(&Path) -> bool) -> Option<Vec<(String, String)>> {
    let texts: Vec<&str> = words.iter().map(|word| word.to_str()).collect::<Option<_>>()?;
    let (kind, names) = texts.split_first().filter(|(_, names)| !names.is_empty())?;
    let no_file = texts.iter().all(|word| !is_file(Path::new(word)));
    let fits = no_file && is_kind(kind) && names.iter().all(|name| is_name(name));
    fits.then(|| {
        names
            .iter()
            .map(|name| ((*kind).to_owned(), (*name).to_owned()))
            .collect()
    })
}

fn is_kind(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || ".-".contains(letter))
        && !OF_FILES.into_iter().any(|ending| word.ends_with(ending))
}

fn is_name(word: &str) -> bool {
    let is_of_name =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-".contains(letter);
    !word.is_empty()
        && word.chars().all(is_of_name)
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn what_names_a_file_is_one_and_kind_and_name_are_an_object() {
        let files = |paths: &[&str]| Some(Asked::Files(paths.iter().map(Into::into).collect()));
        let objects = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned()));
            Some(Asked::Objects(pairs.collect()))
        };
        let there = ["a.yaml", "ds/there", "pods", "web"];
        for (words, more, expected) in [
            (&[][..], &[][..], files(&["-"])),
            (&[], &["x"], files(&["x"])),
            (&["-"], &[], files(&["-"])),
            (&["a.yaml", "b.yaml"], &[], files(&["a.yaml", "b.yaml"])),
            (&["a.yaml"], &["-"], files(&["a.yaml", "-"])),
            (&["ds/gone.yaml"], &[], files(&["ds/gone.yaml"])),
            (&["ds/there"], &[], files(&["ds/there"])),
            (&["./ds/x"], &[], files(&["./ds/x"])),
            (&["manifests/sub/x"], &[], files(&["manifests/sub/x"])),
            (&["pods", "web"], &[], files(&["pods", "web"])),
            (&["gone"], &[], files(&["gone"])),
            (&["ds/x"], &[], objects(&[("ds", "x")])),
            (
                &["deploy/x", "cm/y.z"],
                &[],
                objects(&[("deploy", "x"), ("cm", "y.z")]),
            ),
            (&["svc/x"], &[], objects(&[("svc", "x")])),
            (&["ds", "x", "y"], &[], objects(&[("ds", "x"), ("ds", "y")])),
            (
                &["daemonsets.apps", "x"],
                &[],
                objects(&[("daemonsets.apps", "x")]),
            ),
            (&["ds/x", "a.yaml"], &[], None),
            (&["ds/x"], &["a.yaml"], None),
            (&["ds", "x"], &["a.yaml"], None),
        ] {
            let words_of = words.iter().map(Into::into).collect();
            let is_file = |path: &std::path::Path| there.iter().any(|file| path.as_os_str() == *file);
            let found = asked(words_of, more.iter().map(Into::into).collect(), &is_file).ok();
            assert_eq!(found, expected, "{words:?} {more:?}");
        }
    }
}
