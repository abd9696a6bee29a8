//! The observer of `serve`: what the cluster holds, judged by what the server answers from.

use std::{iter, sync::Arc};

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use serde_json::Value;

use crate::{
    cluster::{
        events::{Events, Notice},
        inventory::{self, Inventory},
        kinds::KINDS,
    },
    engine::{report::Report, survey::Standing},
    server::{
        observer::{Held, Observer},
        world::Worlds,
    },
    telemetry::with_causes,
};

/// Looks at the marked objects of all namespaces, and tells by Events which are not right, where Events are told.
pub(super) fn observer(client: Client, worlds: Arc<Worlds>, events: Option<Arc<Events>>) -> Observer {
    let take = move || {
        let client = client.clone();
        async move {
            let Inventory {
                objects,
                missing,
                unread,
                ..
            } = inventory::take(&client, None, &KINDS).await;
            let unread = unread.iter().map(|unread| with_causes(unread)).collect();
            Held {
                objects,
                missing,
                unread,
            }
        }
        .boxed()
    };
    Observer {
        take: Arc::new(take),
        worlds,
        hear: Arc::new(move |object, standing, report| {
            events
                .as_ref()
                .is_none_or(|events| events.tell(notice(object, standing, report)))
        }),
    }
}

/// What there is to tell of an object: its standing, and what is wrong with it.
fn notice(object: &Value, standing: Standing, report: &Report) -> Notice {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let findings = report.findings.iter().map(ToString::to_string);
    let sentences: Vec<String> = iter::once(standing.sentence().to_owned())
        .chain(findings)
        .collect();
    Notice {
        about: ObjectReference {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            ..ObjectReference::default()
        },
        code: standing.code(),
        sentence: sentences.join("; "),
    }
}
