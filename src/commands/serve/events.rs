//! The Events of `serve`: what the server decided, told about the objects of the cluster.

use std::{future::pending, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;

use crate::{
    admission::{About, Decision, Whose},
    cluster::events::{Counts, Events, Notice, events},
    commands::exit::Failure,
    finding::{Finding, Severity},
    server::witness::{Told, Witness},
};

/// Events that are told and written, or none.
pub(super) struct Telling {
    /// Whom the server tells what it decided.
    pub(super) witness: Option<Arc<dyn Witness>>,
    /// The same Events, for whoever else has something to tell.
    pub(super) events: Option<Arc<Events>>,
    /// Writes them; ends with a fault of the program alone.
    pub(super) written: BoxFuture<'static, Failure>,
}

impl Telling {
    /// Into this cluster, if there is one.
    pub(super) fn begin(client: Option<Client>) -> Self {
        let Some(client) = client else {
            return Self {
                witness: None,
                events: None,
                written: pending().boxed(),
            };
        };
        let (events, writer) = events();
        let events = Arc::new(events);
        let ended = "the writer of Events ended unexpectedly, so the process ends, too";
        let written = writer.write(client).map(|()| Failure::Refused(ended.to_owned()));
        Self {
            witness: Some(Arc::new(OfDecisions(Arc::clone(&events)))),
            events: Some(events),
            written: written.boxed(),
        }
    }
}

/// Tells what the server decided.
struct OfDecisions(Arc<Events>);

impl Witness for OfDecisions {
    fn decided(&self, decision: &Decision) {
        if let Some(notice) = notice(decision) {
            self.0.tell(notice);
        }
    }

    fn told(&self) -> Told {
        let Counts {
            written,
            dropped,
            failed,
        } = self.0.counts();
        Told {
            written,
            dropped,
            failed,
        }
    }
}

/// What there is to tell of a decision: under the code of its first error, or else of its first warning.
fn notice(decision: &Decision) -> Option<Notice> {
    let about = decision.about.as_ref()?;
    let findings = decision.findings();
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let first = findings.iter().find(is_error).or_else(|| findings.first())?;
    let who = match about.whose {
        Whose::Own => "it",
        Whose::Controller => "a pod of it",
    };
    let what = if !decision.allowed {
        "was refused"
    } else if is_error(&first) {
        "was not injected"
    } else {
        "was injected, with warnings"
    };
    let sentences: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Some(Notice {
        about: reference(about),
        code: first.code,
        sentence: format!("{who} {what}: {}", sentences.join("; ")),
    })
}

fn reference(about: &About) -> ObjectReference {
    let About {
        api_version,
        kind,
        namespace,
        name,
        uid,
        whose: _,
    } = about;
    ObjectReference {
        api_version: Some(api_version.clone()),
        kind: Some(kind.clone()),
        namespace: Some(namespace.clone()),
        name: Some(name.clone()),
        uid: uid.clone(),
        ..ObjectReference::default()
    }
}
