//! Policies as a `MutatingAdmissionPolicy`: what of them the API server itself can give to pods, without a webhook.
//!
//! All policies go into one object, for the API server says nothing about the order of several: its mutations stand in
//! the order of precedence, and each leaves alone what is there already, be it the user's or a stronger policy's.

mod cel;
mod mutations;

use serde_json::{Value, json};

use self::cel::{all_of, comment, literal, one_of, selected, text};
use crate::{
    engine::report::codes,
    finding::{Finding, Severity},
    names::{self, Component},
    policy::{
        model::{OnError, Policy},
        precedence::order,
    },
};

/// Namespaces in which the chart of the injector has nothing injected either.
const OF_THE_SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

codes! {
    /// What is not as with the webhook where the API server gives what a policy says.
    Loss {
        NotExported = "not-exported": "the API server cannot give this part of a policy; webhook and post-render can",
        PodsOnly = "pods-only": "the API server gives this part of a policy to pods alone, and a controller that reads the pod template does not see it",
    }
}

/// What policies come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The `MutatingAdmissionPolicy` and the binding that puts it in force; none where there is nothing that they could
    /// give.
    pub objects: Vec<Value>,
    /// What is not as with the webhook: title of the policy, and the finding.
    pub findings: Vec<(String, Finding)>,
}

/// What the API server can give of these policies, in whichever order they come, as objects of this name.
pub fn export(mut policies: Vec<Policy>, name: &str) -> Exported {
    policies.sort_by(order);
    let findings = policies.iter().flat_map(|policy| {
        let title = policy.title();
        lost(policy)
            .into_iter()
            .map(move |finding| (title.clone(), finding))
    });
    let mutations = mutations::of(&policies);
    let objects = if mutations.is_empty() {
        Vec::new()
    } else {
        vec![admission_policy(&policies, name, &mutations), binding(name)]
    };
    Exported {
        objects,
        findings: findings.collect(),
    }
}

/// What of a policy is lost on the way.
fn lost(policy: &Policy) -> Vec<Finding> {
    let finding = |code: Loss, path: &str, message: &str, mend: &str| Finding {
        code: code.code(),
        severity: Severity::Warning,
        path: path.to_owned(),
        message: message.to_owned(),
        mend: mend.to_owned(),
    };
    let defaults = &policy.defaults;
    let configuration = "it is for the agent's configuration, which the API server cannot write";
    let mend = "give it by the webhook or by `post-render --policy`";
    let places_pods = |field: &str| {
        finding(
            Loss::PodsOnly,
            field,
            "the pods alone get it, and a DaemonSet decides by its template on which nodes it has any",
            "have the template completed by `post-render --policy`",
        )
    };
    let has_daemon_sets = policy.selects.has(Component::RelayClient) || policy.selects.has(Component::Agent);
    let rows = [
        (
            !defaults.plugins.is_empty(),
            finding(Loss::NotExported, "spec.defaults.plugins", configuration, mend),
        ),
        (
            defaults.influxdb.is_some(),
            finding(Loss::NotExported, "spec.defaults.influxdb", configuration, mend),
        ),
        (
            has_daemon_sets && !defaults.tolerations.is_empty(),
            places_pods("spec.defaults.tolerations"),
        ),
        (
            has_daemon_sets && !defaults.node_selector.is_empty(),
            places_pods("spec.defaults.nodeSelector"),
        ),
        (
            policy.on_error == Some(OnError::Deny),
            finding(
                Loss::NotExported,
                "spec.onError",
                "nothing is refused, for the API server does not work out a configuration that could have errors",
                "have the webhook refuse them",
            ),
        ),
    ];
    rows.into_iter()
        .filter_map(|(applies, finding)| applies.then_some(finding))
        .collect()
}

fn admission_policy(policies: &[Policy], name: &str, mutations: &[String]) -> Value {
    let components = Component::ALL.map(Component::as_str);
    let mutations: Vec<Value> = mutations
        .iter()
        .map(|expression| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}))
        .collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            // A pod is worth more than what it would be given, as with the webhook.
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": OF_THE_SYSTEM},
                ]},
                "objectSelector": {"matchExpressions": [
                    {"key": names::COMPONENT_LABEL, "operator": "In", "values": components},
                    {"key": names::INJECT_LABEL, "operator": "NotIn", "values": ["false"]},
                    {"key": names::NAME_LABEL, "operator": "NotIn", "values": [names::OWN_NAME]},
                ]},
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                    "scope": "Namespaced",
                }],
            },
            "matchConditions": conditions(),
            "variables": variables(policies),
            "mutations": mutations,
        },
    })
}

fn binding(name: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    })
}

/// Which pods are left alone, besides those that the selectors leave out. Variables are not known here.
fn conditions() -> Value {
    let without = |annotation: &str| {
        let annotation = text(annotation);
        format!("!has(object.metadata.annotations) || !({annotation} in object.metadata.annotations)")
    };
    json!([
        {"name": "not-a-hook", "expression": without(names::HOOK_ANNOTATION)},
        {"name": "not-a-mirror-pod", "expression": without(names::MIRROR_ANNOTATION)},
        // Its template was completed, and it has what it is to have.
        {"name": "not-completed", "expression": without(names::STATUS_ANNOTATION)},
    ])
}

/// What mutations have in common: that which no mutation changes, for the API server works it out once.
fn variables(policies: &[Policy]) -> Value {
    let container = text(names::CONTAINER_ANNOTATION);
    let directory = text(names::CONFIG_DIRECTORY);
    let below = text(&format!("{}/", names::CONFIG_DIRECTORY));
    let variable = |name: &str, expression: String| json!({"name": name, "expression": expression});
    let mut variables = vec![
        variable("labels", "object.metadata.?labels.orValue({})".to_owned()),
        variable("annotations", "object.metadata.?annotations.orValue({})".to_owned()),
        variable(
            "namespaceLabels",
            "namespaceObject.metadata.?labels.orValue({})".to_owned(),
        ),
        variable(
            "values",
            format!("variables.annotations[?{}].orValue('')", text(names::VALUES_ANNOTATION)),
        ),
        variable(
            "mounting",
            format!(
                "object.spec.containers.filter(c, c.?volumeMounts.orValue([]).exists(m,\n  \
                   (m.mountPath == {directory} || m.mountPath.startsWith({below})) &&\n  \
                   object.spec.?volumes.orValue([]).exists(v, v.name == m.name && has(v.configMap))))"
            ),
        ),
        variable(
            "agents",
            format!(
                "({container} in variables.annotations\n  \
                   ? object.spec.containers.filter(c, c.name == variables.annotations[{container}])\n  \
                   : size(variables.mounting) > 0 ? variables.mounting : object.spec.containers).map(c, c.name)"
            ),
        ),
        // -1 where it cannot be told.
        variable(
            "agent",
            "size(variables.agents) == 1 ? object.spec.containers.map(c, c.name).indexOf(variables.agents[0]) : -1"
                .to_owned(),
        ),
        variable(
            "hasItsNode",
            "object.spec.?nodeName.orValue('') != '' ||\n  \
               object.metadata.?ownerReferences.orValue([]).exists(o, o.kind == 'DaemonSet')"
                .to_owned(),
        ),
    ];
    for (number, policy) in (1..).zip(policies) {
        variables.push(variable(
            &mutations::applies(number),
            format!("{}\n{}", comment(&policy.title()), matches(policy)),
        ));
    }
    Value::Array(variables)
}

/// Whether a policy applies.
fn matches(policy: &Policy) -> String {
    let selects = &policy.selects;
    let components: Vec<Value> = selects.components.iter().map(|one| one.as_str().into()).collect();
    let namespaces: Vec<Value> = policy
        .namespaces()
        .iter()
        .map(|one| one.as_str().into())
        .collect();
    let mut terms = Vec::new();
    if !components.is_empty() {
        let label = text(names::COMPONENT_LABEL);
        terms.push(one_of(
            &format!("variables.labels[{label}]"),
            &literal(&components.into()),
        ));
    }
    if !namespaces.is_empty() {
        terms.push(one_of("request.namespace", &literal(&namespaces.into())));
    }
    terms.extend(selected("variables.namespaceLabels", &selects.namespace_selector));
    terms.extend(selected("variables.labels", &selects.object_selector));
    all_of(&terms)
}
