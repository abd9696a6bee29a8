//! The rights that the injector's chart gives it: each is needed, one test for each, and there is no other.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    injector_chart::self_managed,
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation, WITH_POLICIES},
        poll::wait_for,
    },
};

const SOON: Duration = Duration::from_mins(1);

/// What was refused is tried again after a minute at most, and a bit.
const PATIENCE: Duration = Duration::from_mins(2);

/// A right: a verb, and the resource that it is for.
pub(crate) type Right = (&'static str, &'static str);

/// One test for each right, named by itself, and `RIGHTS`, the table of all of them.
macro_rules! rights {
    ($($test:ident: $verb:literal, $resource:literal;)+) => {
        const RIGHTS: &[Right] = &[$(($verb, $resource)),+];

        $(fn $test(cluster: &Cluster) {
            it_says_what_it_may_not(cluster, ($verb, $resource));
        })+

        fn one_for_each_right() -> Vec<Case> {
            cases![$($test),+]
        }
    };
}

rights! {
    without_get_of_secrets_it_says_so_and_is_not_ready: "get", "secrets";
    without_patch_of_secrets_it_says_so_and_is_not_ready: "patch", "secrets";
    without_list_of_mutatingwebhookconfigurations_it_says_so_and_is_not_ready:
        "list", "mutatingwebhookconfigurations";
    without_watch_of_mutatingwebhookconfigurations_it_says_so: "watch", "mutatingwebhookconfigurations";
    without_patch_of_mutatingwebhookconfigurations_it_says_so_and_is_not_ready:
        "patch", "mutatingwebhookconfigurations";
    without_list_of_validatingwebhookconfigurations_it_says_so_and_is_ready:
        "list", "validatingwebhookconfigurations";
    without_watch_of_validatingwebhookconfigurations_it_says_so_and_is_ready:
        "watch", "validatingwebhookconfigurations";
    without_patch_of_validatingwebhookconfigurations_it_says_so_and_is_ready:
        "patch", "validatingwebhookconfigurations";
}

/// The configuration for policies is one that all the rest can do without.
const BESIDES: &str = "validatingwebhookconfigurations";

pub(crate) fn cases() -> Vec<Case> {
    let mut all = one_for_each_right();
    all.extend(cases![
        the_installed_chart_gives_the_rights_that_have_a_test_and_no_other
    ]);
    all
}

/// One that makes its certificate itself, and checks policies.
fn installation(namespace: &str) -> Installation<'_> {
    Installation {
        set: &[WITH_POLICIES],
        ..self_managed(namespace)
    }
}

/// The roles of an installed chart, with what `kubectl` calls each of them.
fn roles(cluster: &Cluster, injector: &Injector) -> Vec<(Vec<String>, Value)> {
    let selector = format!("app.kubernetes.io/instance={}", injector.release);
    let found = cluster.get(&["roles,clusterroles", "--all-namespaces", "--selector", &selector]);
    let mut roles = Vec::new();
    for role in found["items"].as_array().unwrap() {
        let of = |pointer: &str| role.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let mut place = vec![of("/kind").unwrap(), of("/metadata/name").unwrap()];
        place.extend(
            of("/metadata/namespace")
                .into_iter()
                .flat_map(|name| ["-n".to_owned(), name]),
        );
        roles.push((place, role["rules"].clone()));
    }
    roles
}

/// The texts of a list.
pub(crate) fn texts<'a>(rule: &'a Value, field: &str) -> Vec<&'a str> {
    let list = rule[field]
        .as_array()
        .unwrap_or_else(|| panic!("{field} of {rule}"));
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

fn the_installed_chart_gives_the_rights_that_have_a_test_and_no_other(cluster: &Cluster) {
    let namespace = cluster.namespace("rights");
    let injector = Injector::install_only(cluster, &installation(&namespace));
    let roles = roles(cluster, &injector);
    let mut given = BTreeSet::new();
    // Those for policies and for Events have tables of their own, in `policy_rights.rs` and `events.rs`.
    let others = ["policies", "events"].map(|what| format!("{}-{what}", injector.webhook));
    for (_, rules) in roles.iter().filter(|(place, _)| !others.contains(&place[1])) {
        for rule in rules.as_array().unwrap() {
            assert_eq!(
                texts(rule, "resourceNames").len(),
                1,
                "of one object alone: {rule}"
            );
        }
        given.extend(rights_of(rules));
    }
    assert_eq!(given, RIGHTS.iter().copied().collect());
}

/// The rights that the rules of a role give.
pub(crate) fn rights_of(rules: &Value) -> BTreeSet<(&str, &str)> {
    let rules = rules.as_array().unwrap().iter();
    rules
        .flat_map(|rule| {
            let verbs = texts(rule, "verbs");
            let of_resource = move |resource| verbs.clone().into_iter().map(move |verb| (verb, resource));
            texts(rule, "resources").into_iter().flat_map(of_resource)
        })
        .collect()
}

/// The rules without one right.
fn without((verb, resource): Right, rules: &Value) -> Value {
    let mut less = Vec::new();
    for rule in rules.as_array().unwrap() {
        let (touched, others): (Vec<&str>, Vec<&str>) = texts(rule, "resources")
            .into_iter()
            .partition(|it| *it == resource);
        let verbs: Vec<&str> = texts(rule, "verbs")
            .into_iter()
            .filter(|it| *it != verb)
            .collect();
        for (resources, verbs) in [(others, rule["verbs"].clone()), (touched, json!(verbs))] {
            if !resources.is_empty() && verbs != json!([]) {
                let mut rule = rule.clone();
                rule["resources"] = json!(resources);
                rule["verbs"] = verbs;
                less.push(rule);
            }
        }
    }
    assert_ne!(&json!(less), rules, "{verb} is given");
    json!(less)
}

/// Takes one right away from a role, and waits until the account of the injector does not have it any more; `what` is that
/// right's resource, as `kubectl auth can-i` takes it. The rules that the role had, for [`give`].
#[track_caller]
pub(crate) fn take_away(
    cluster: &Cluster,
    injector: &Injector,
    role: &[String],
    right: Right,
    what: &[String],
) -> Value {
    let rules = cluster.get(role)["rules"].clone();
    give(cluster, role, &without(right, &rules));
    may_not(cluster, injector, right.0, what);
    rules
}

/// Gives a role these rules, in place of those that it has.
pub(crate) fn give(cluster: &Cluster, role: &[String], rules: &Value) {
    patch(cluster, role, "merge", &json!({"rules": rules}));
}

pub(crate) fn patch(cluster: &Cluster, place: &[String], kind: &str, patch: &Value) {
    let mut arguments: Vec<String> = vec!["patch".to_owned()];
    arguments.extend_from_slice(place);
    arguments.extend([format!("--type={kind}"), format!("--patch={patch}")]);
    cluster.kubectl(&arguments).ok();
}

/// Without the right it tells which one, in its own words and in those of the API server; with it, it is ready.
fn it_says_what_it_may_not(cluster: &Cluster, (verb, resource): Right) {
    let namespace = cluster.namespace("without");
    let injector = Injector::install_only(cluster, &installation(&namespace));
    let (role, name) = roles(cluster, &injector)
        .into_iter()
        .find_map(|(role, rules)| {
            let mut each = rules.as_array().unwrap().iter();
            let rule = each.find(|rule| texts(rule, "resources") == [resource])?;
            Some((role, texts(rule, "resourceNames")[0].to_owned()))
        })
        .unwrap_or_else(|| panic!("no role is for {resource}"));
    let what = format!("{resource}/{name}");
    let rules = take_away(cluster, &injector, &role, (verb, resource), &[what]);
    let account = injector.account();

    injector.begin(cluster);
    // The log is JSON.
    let sentences = [
        format!("may not {verb} the "),
        format!(r#"User \"{account}\" cannot {verb} resource \"{resource}\""#),
    ];
    wait_for(&format!("{sentences:?} in the log"), SOON, || {
        let log = injector.log();
        sentences
            .iter()
            .all(|sentence| log.contains(sentence))
            .then_some(())
    });
    // A watch that may list sees changes by listing again, later.
    if resource == BESIDES {
        wait_for("it to be ready all the same", SOON, || {
            injector.is_ready(cluster).then_some(())
        });
        wait_for("it to be refused twice", PATIENCE, || {
            let refused = cluster.audit_events(|event| {
                event["user"]["username"] == account.as_str()
                    && event["verb"] == verb
                    && event["objectRef"]["resource"] == resource
                    && event["responseStatus"]["code"] == 403
            });
            (refused.len() >= 2).then_some(())
        });
        // Once, however often it tries.
        assert_eq!(
            injector.log().matches(&sentences[0]).count(),
            1,
            "{}",
            injector.log()
        );
    } else if verb != "watch" {
        assert!(!injector.is_ready(cluster), "{}", injector.log());
    }
    give(cluster, &role, &rules);
    wait_for("it to be ready with the right", SOON, || {
        injector.is_ready(cluster).then_some(())
    });
    wait_for("both configurations to trust the same", SOON, || {
        let bundle = |kind: &str| {
            let config = cluster.get(&[kind, &injector.webhook]);
            let bundle = &config["webhooks"][0]["clientConfig"]["caBundle"];
            bundle.as_str().map(str::to_owned)
        };
        let both = ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"].map(bundle);
        (both[0].is_some() && both[0] == both[1]).then_some(())
    });
    injector.stop();
}

/// Waits until it does not have the right any more: the authorizer follows the roles by a watch of its own.
#[track_caller]
pub(crate) fn may_not(cluster: &Cluster, injector: &Injector, verb: &str, what: &[String]) {
    let account = injector.account();
    let asked = ["auth", "can-i", verb, "--as", &account, "-n", &injector.namespace].map(str::to_owned);
    let asked = [&asked, what].concat();
    wait_for("the right to be gone", SOON, || {
        (cluster.kubectl(&asked).code != Some(0)).then_some(())
    });
}
