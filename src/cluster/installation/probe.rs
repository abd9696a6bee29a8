//! The surest check: a marked ConfigMap, created with `dryRun`, so that nothing is stored.

use std::{collections::BTreeMap, time::SystemTime};

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::ConfigMap,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use super::{Installation, Said, Scope, Seen, Unseen, Webhook, seen, served::Marked};
use crate::{
    cluster::{Error, answer},
    names::{COMPONENT_LABEL, STATUS_ANNOTATION, VALUES_ANNOTATION},
    text::one_line,
};

/// Begin of the name of what is created, with dryRun.
const NAME: &str = "alumet-injector-check-";

/// Values that need nothing else.
const VALUES: &str = r#"{"agentVersion":"0.9.5","plugins":{"csv":{"enable":true}}}"#;

/// Longest sentence of the API server that is shown.
const MOST_SHOWN: usize = 600;

/// What the end of the API server's sentence means, and the mend.
const CAUSES: &[(&str, &str)] = &[
    (
        "x509: certificate has expired or is not yet valid",
        "renew the certificate; the injector's log says why it was not renewed",
    ),
    (
        "x509: certificate signed by unknown authority",
        "write the authority that issued the certificate into the caBundle of the webhook",
    ),
    (
        "x509: certificate is valid for",
        "issue a certificate for the name of the Service",
    ),
    (
        "no endpoints available for service",
        "see why no pod of the injector is ready",
    ),
    (
        "connection refused",
        "see why no pod of the injector is ready, and the port of the Service",
    ),
    (
        "context deadline exceeded",
        "let the control plane reach the injector's pods: firewall, NetworkPolicy, hostNetwork",
    ),
];

/// One trial.
#[derive(Debug)]
pub(super) struct Probe {
    namespace: String,
    came: Seen<Came>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Complete,
    AsItWas,
    Refused(String),
}

/// One trial for each webhook, in a namespace that it serves.
pub(super) async fn probes(
    client: &Client,
    scope: &Scope,
    webhooks: &Seen<Vec<Webhook>>,
    namespaces: &Seen<BTreeMap<String, BTreeMap<String, String>>>,
    marked: &Seen<Vec<Marked>>,
) -> Seen<Vec<Probe>> {
    let mut probes = Vec::new();
    for (namespace, labels) in places(client, scope, webhooks, namespaces, marked)? {
        let came = create(client, &namespace, labels).await;
        probes.push(Probe { namespace, came });
    }
    Ok(probes)
}

/// Namespaces, and the labels that the webhook's objectSelector wants there.
fn places(
    client: &Client,
    scope: &Scope,
    webhooks: &Seen<Vec<Webhook>>,
    namespaces: &Seen<BTreeMap<String, BTreeMap<String, String>>>,
    marked: &Seen<Vec<Marked>>,
) -> Seen<Vec<(String, BTreeMap<String, String>)>> {
    let default = || {
        scope
            .namespace
            .clone()
            .unwrap_or_else(|| client.default_namespace().to_owned())
    };
    let (Ok(webhooks), Ok(namespaces)) = (webhooks, namespaces) else {
        return Ok(vec![(default(), BTreeMap::new())]);
    };
    if webhooks.is_empty() {
        return Err(Unseen::Moot("there is no webhook to look at".to_owned()));
    }
    let mut places: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for webhook in webhooks {
        let is_served = |name: &&str| namespaces.get(*name).is_some_and(|labels| webhook.serves(labels));
        let of_marked = marked.iter().flatten().map(|object| object.namespace.as_str());
        let candidates: Vec<&str> = match &scope.namespace {
            Some(namespace) => vec![namespace],
            None => of_marked
                .chain(["default"])
                .chain(namespaces.keys().map(String::as_str))
                .collect(),
        };
        if let Some(place) = candidates.into_iter().find(is_served)
            && !places.iter().any(|(known, _)| known == place)
        {
            let selector = webhook.entry.object_selector.as_ref();
            let labels = selector.and_then(|selector| selector.match_labels.clone());
            places.push((place.to_owned(), labels.unwrap_or_default()));
        }
    }
    if places.is_empty() {
        let what = match &scope.namespace {
            Some(namespace) => format!("no webhook serves the namespace {namespace}"),
            None => "no webhook serves any namespace".to_owned(),
        };
        return Err(Unseen::Moot(what));
    }
    Ok(places)
}

async fn create(client: &Client, namespace: &str, mut labels: BTreeMap<String, String>) -> Seen<Came> {
    labels.insert(COMPONENT_LABEL.to_owned(), "agent".to_owned());
    let annotations = BTreeMap::from([(VALUES_ANNOTATION.to_owned(), VALUES.to_owned())]);
    let object = ConfigMap {
        metadata: ObjectMeta {
            generate_name: Some(NAME.to_owned()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    // Whoever refuses the object later says 403 as well.
    if !may_create(client, namespace).await? {
        return Err(Unseen::Forbidden(format!(
            "you may not create configmaps in namespace {namespace}, which the dry run needs"
        )));
    }
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let what = format!("ConfigMap {namespace}/{NAME} with dryRun");
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match answer("create", &what, "", api.create(&params, &object)).await {
        Ok(object) => {
            let annotations = object.metadata.annotations.unwrap_or_default();
            Ok(if annotations.contains_key(STATUS_ANNOTATION) {
                Came::Complete
            } else {
                Came::AsItWas
            })
        }
        Err(Error::Forbidden { source, .. }) => Ok(Came::Refused(one_line(&source.message, MOST_SHOWN))),
        Err(Error::Request { source, .. }) => match *source {
            kube::Error::Api(status) => Ok(Came::Refused(one_line(&status.message, MOST_SHOWN))),
            error => Err(Unseen::Failed(error.to_string())),
        },
        other => seen(other).map(|_| Came::AsItWas),
    }
}

/// Whether RBAC lets the person create what the dry run creates.
async fn may_create(client: &Client, namespace: &str) -> Seen<bool> {
    let attributes = ResourceAttributes {
        resource: Some("configmaps".to_owned()),
        verb: Some("create".to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answered = answer("create", "selfsubjectaccessreviews", "", async {
        api.create(&PostParams::default(), &review).await
    });
    let review = seen(answered.await)?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

pub(super) fn injection(installation: &Installation, _: SystemTime) -> Vec<Said> {
    match &installation.probes {
        Ok(probes) => probes.iter().map(of_probe).collect(),
        Err(why) => vec![Said::skipped("", why)],
    }
}

fn of_probe(probe: &Probe) -> Said {
    let place = format!("Namespace {}", probe.namespace);
    match &probe.came {
        Ok(Came::Complete) => Said::ok(
            &place,
            "a marked ConfigMap comes back complete (dry run)".to_owned(),
        ),
        Ok(Came::AsItWas) => Said::error(
            &place,
            "a marked ConfigMap comes back as it was (dry run): the API server did not ask, or got no answer"
                .to_owned(),
            "mend what the other checks name; the log of the API server has its own sentence",
        ),
        Ok(Came::Refused(sentence)) => {
            let known = CAUSES.iter().find(|(cause, _)| sentence.contains(cause));
            let mend = known.map_or("", |(_, mend)| mend);
            Said::error(
                &place,
                format!("a marked ConfigMap is refused (dry run): {sentence}"),
                mend,
            )
        }
        Err(why) => Said::skipped(&place, why),
    }
}
