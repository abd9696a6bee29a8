//! What the injector's ServiceAccount must be allowed, by the arguments of its Deployment.

use std::time::SystemTime;

use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};

use super::{Backend, Installation, Said, Seen, seen};
use crate::{cluster::answer, policy_document::GROUP};

/// The argument of the self-managed mode.
const SELF_MANAGED: &str = "--self-managed";

/// The argument by which policies of the cluster are watched.
const WATCH_POLICIES: &str = "--watch-policies";

/// The argument by which the marked objects of the cluster are looked at.
const OBSERVE: &str = "--observe";

/// Of which objects a right is.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// All of the resource.
    All,
    /// One in the injector's own namespace, named by this argument.
    OwnNamespace(&'static str),
    /// One of the cluster, named by this argument.
    Cluster(&'static str),
}

/// Verbs that an argument of the program needs.
struct Need {
    argument: &'static str,
    group: &'static str,
    /// With `/status` of it, where that alone is meant.
    resource: &'static str,
    verbs: &'static [&'static str],
    of: Of,
}

/// What each argument needs.
const NEEDS: &[Need] = &[
    Need {
        argument: SELF_MANAGED,
        group: "",
        resource: "secrets",
        verbs: &["get", "patch"],
        of: Of::OwnNamespace("--secret"),
    },
    Need {
        argument: SELF_MANAGED,
        group: "admissionregistration.k8s.io",
        resource: "mutatingwebhookconfigurations",
        verbs: &["list", "watch", "patch"],
        of: Of::Cluster("--webhook"),
    },
    Need {
        argument: SELF_MANAGED,
        group: "admissionregistration.k8s.io",
        resource: "validatingwebhookconfigurations",
        verbs: &["list", "watch", "patch"],
        of: Of::Cluster("--validating-webhook"),
    },
    Need {
        argument: WATCH_POLICIES,
        group: "",
        resource: "namespaces",
        verbs: &["list", "watch"],
        of: Of::All,
    },
    Need {
        argument: WATCH_POLICIES,
        group: GROUP,
        resource: "clusterinjectionpolicies",
        verbs: &["list", "watch"],
        of: Of::All,
    },
    Need {
        argument: WATCH_POLICIES,
        group: GROUP,
        resource: "injectionpolicies",
        verbs: &["list", "watch"],
        of: Of::All,
    },
    Need {
        argument: WATCH_POLICIES,
        group: GROUP,
        resource: "clusterinjectionpolicies/status",
        verbs: &["patch"],
        of: Of::All,
    },
    Need {
        argument: WATCH_POLICIES,
        group: GROUP,
        resource: "injectionpolicies/status",
        verbs: &["patch"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "",
        resource: "configmaps",
        verbs: &["list"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "",
        resource: "pods",
        verbs: &["get", "list"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "apps",
        resource: "daemonsets",
        verbs: &["list"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "apps",
        resource: "deployments",
        verbs: &["list"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "apps",
        resource: "statefulsets",
        verbs: &["list"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "batch",
        resource: "cronjobs",
        verbs: &["list"],
        of: Of::All,
    },
    Need {
        argument: OBSERVE,
        group: "batch",
        resource: "jobs",
        verbs: &["list"],
        of: Of::All,
    },
    Need {
        argument: "--events",
        group: "events.k8s.io",
        resource: "events",
        verbs: &["create"],
        of: Of::All,
    },
];

/// One right, and whether it is given.
#[derive(Debug)]
pub(super) struct Asked {
    /// `patch secrets/NAME in namespace NAMESPACE`.
    what: String,
    is_allowed: Seen<bool>,
}

/// The arguments of the program.
fn arguments(deployment: &Deployment) -> impl Iterator<Item = &str> {
    let spec = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    containers.flat_map(|container| container.args.iter().flatten().map(String::as_str))
}

/// The value of an argument, `--name=value`.
pub(super) fn argument<'a>(deployment: &'a Deployment, name: &str) -> Option<&'a str> {
    arguments(deployment).find_map(|text| text.strip_prefix(name)?.strip_prefix('='))
}

pub(super) fn is_self_managed(deployment: &Deployment) -> bool {
    arguments(deployment).any(|text| text == SELF_MANAGED)
}

pub(super) fn watches_policies(deployment: &Deployment) -> bool {
    arguments(deployment).any(|text| text == WATCH_POLICIES)
}

/// The account of the Deployment's pods.
fn account(deployment: &Deployment) -> &str {
    let spec = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    spec.and_then(|spec| spec.service_account_name.as_deref())
        .unwrap_or("default")
}

/// Asks the API server for each right that this Deployment needs.
pub(super) async fn ask(client: &Client, namespace: &str, deployment: &Deployment) -> Vec<Asked> {
    let mut asked = Vec::new();
    for need in NEEDS {
        if !arguments(deployment).any(|text| text == need.argument) {
            continue;
        }
        let (named, namespace_of) = match need.of {
            Of::OwnNamespace(named) => (Some(named), Some(namespace)),
            Of::Cluster(named) => (Some(named), None),
            Of::All => (None, None),
        };
        let name = named.and_then(|named| argument(deployment, named));
        if named.is_some() && name.is_none() {
            // There is no such object.
            continue;
        }
        let (resource, subresource) = match need.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (need.resource, None),
        };
        for verb in need.verbs {
            let mut what = format!("{verb} {}", need.resource);
            if let Some(name) = name {
                what = format!("{what}/{name}");
            }
            if let Some(namespace) = namespace_of {
                what = format!("{what} in namespace {namespace}");
            }
            let attributes = ResourceAttributes {
                group: Some(need.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.clone(),
                verb: Some((*verb).to_owned()),
                name: name.map(str::to_owned),
                namespace: namespace_of.map(str::to_owned),
                ..ResourceAttributes::default()
            };
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: Some(format!(
                        "system:serviceaccount:{namespace}:{}",
                        account(deployment)
                    )),
                    groups: Some(groups(namespace)),
                    resource_attributes: Some(attributes),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let api: Api<SubjectAccessReview> = Api::all(client.clone());
            let answered = answer("create", "subjectaccessreviews", "", async {
                api.create(&PostParams::default(), &review).await
            });
            let answered = seen(answered.await);
            asked.push(Asked {
                what,
                is_allowed: answered.map(|review| review.status.is_some_and(|status| status.allowed)),
            });
        }
    }
    asked
}

/// The groups that every ServiceAccount of a namespace is in.
fn groups(namespace: &str) -> Vec<String> {
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ]
}

pub(super) fn rights(installation: &Installation, _: SystemTime) -> Vec<Said> {
    installation.each_backend(|_, backend| of_backend(backend))
}

fn of_backend(backend: &Backend) -> Said {
    let (deployment, asked) = match (backend.deployment(), &backend.rights) {
        (Ok(deployment), Ok(asked)) => (deployment, asked),
        (Err(why), _) => return Said::skipped(&backend.service_place(), &why),
        (_, Err(why)) => return Said::skipped(&backend.service_place(), why),
    };
    let place = format!("ServiceAccount {}/{}", backend.namespace, account(deployment));
    let missing: Vec<&str> = asked
        .iter()
        .filter(|asked| asked.is_allowed == Ok(false))
        .map(|asked| asked.what.as_str())
        .collect();
    if !missing.is_empty() {
        return Said::error(
            &place,
            format!("it may not {}", missing.join(", nor ")),
            "give it a role with that right; the injector's chart has one",
        );
    }
    if let Some(why) = asked.iter().find_map(|asked| asked.is_allowed.as_ref().err()) {
        return Said::skipped(&place, why);
    }
    match asked.len() {
        0 => Said::ok(&place, "the injector needs no rights in this mode".to_owned()),
        number => Said::ok(
            &place,
            format!("it has the {number} rights that the injector needs in this mode"),
        ),
    }
}
