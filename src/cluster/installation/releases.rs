//! Whether the marked objects of each release are complete, and what makes them so.

use std::{collections::BTreeMap, time::SystemTime};

use super::{
    Installation, Said,
    served::{Marked, named},
};
use crate::{cluster::kinds::refresh, engine::survey::Standing};

pub(super) fn releases(installation: &Installation, _: SystemTime) -> Vec<Said> {
    let marked = match &installation.marked {
        Ok(marked) => marked,
        Err(why) => return vec![Said::skipped("", why)],
    };
    let mut incomplete: BTreeMap<(&str, Option<&str>), Vec<&Marked>> = BTreeMap::new();
    for object in marked.iter().filter(|object| !object.is_complete()) {
        let release = (object.namespace.as_str(), object.release.as_deref());
        incomplete.entry(release).or_default().push(object);
    }
    if incomplete.is_empty() {
        let message = match marked.len() {
            0 => "there is no marked object".to_owned(),
            1 => "the one marked object is complete".to_owned(),
            number => format!("all {number} marked objects are complete"),
        };
        return vec![Said::ok("", message)];
    }
    let said = incomplete.into_iter().map(|((namespace, release), objects)| {
        let place = match release {
            Some(release) => format!("release {namespace}/{release}"),
            None => format!("Namespace {namespace}"),
        };
        let each = objects
            .iter()
            .map(|object| format!("{} {} ({})", object.kind, object.name, object.standing.code()));
        let message = format!("it has objects that are not complete: {}", named(each.collect()));
        Said::error(&place, message, &mend(namespace, &objects))
    });
    said.collect()
}

/// What makes these objects of a namespace complete.
fn mend(namespace: &str, objects: &[&Marked]) -> String {
    let mut mends: BTreeMap<Mend, Vec<String>> = BTreeMap::new();
    for object in objects {
        let name = format!("{}/{}", object.kind.to_lowercase(), object.name);
        mends.entry(Mend::of(object)).or_default().push(name);
    }
    let mends: Vec<String> = mends
        .iter()
        .map(|(mend, names)| mend.sentence(namespace, &names.join(" ")))
        .collect();
    mends.join("; ")
}

/// What makes an object complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mend {
    Refresh,
    MakeAgain,
    Explain,
}

impl Mend {
    fn of(object: &Marked) -> Self {
        match (object.standing, object.kind.as_str()) {
            (Standing::Failed, _) => Self::Explain,
            // The webhook is asked about it when it is created alone.
            (_, "CronJob") => Self::MakeAgain,
            _ => Self::Refresh,
        }
    }

    fn sentence(self, namespace: &str, objects: &str) -> String {
        match self {
            Self::Refresh => refresh(namespace, objects),
            Self::MakeAgain => format!("delete {objects}, and have it made again"),
            Self::Explain => format!(
                "mend what stands in the way, as alumet-injector explain {objects} -n {namespace} tells it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Marked, Standing, mend};

    #[test]
    fn what_makes_objects_complete_is_said_by_name() {
        let marked = |kind: &str, name: &str, standing| Marked {
            kind: kind.to_owned(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
            release: None,
            labels: [].into(),
            standing,
        };
        let all = [
            marked("ConfigMap", "a", Standing::Missed),
            marked("CronJob", "b", Standing::Missed),
            marked("DaemonSet", "c", Standing::Lacking),
            marked("Deployment", "d", Standing::Failed),
        ];
        assert_eq!(
            mend("n", &all.iter().collect::<Vec<_>>()),
            "kubectl -n n annotate configmap/a daemonset/c injector.alumet.dev/refresh=now --overwrite; delete \
             cronjob/b, and have it made again; mend what stands in the way, as alumet-injector explain deployment/d -n n \
             tells it"
        );
    }
}
