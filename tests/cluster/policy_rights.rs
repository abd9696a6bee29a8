//! The rights that the injector's chart gives it for policies: without any one of them it says which, goes on with what it
//! has, and takes up the rest when the right comes, without a restart.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    injector_rights::{Right, give, rights_of, take_away},
    policies_live::{apply, delete, form, of_cluster, of_namespace, wait_for_form},
    support::{
        Case, Cluster, cases,
        injector::{Injector, Installation},
        poll::wait_for,
    },
};

/// A watch that was refused is tried again after half a minute at most, and a bit.
const PATIENCE: Duration = Duration::from_mins(2);

/// One test for each right, named by itself, and `RIGHTS`, the table of all of them.
macro_rules! rights {
    ($($test:ident: $verb:literal, $resource:literal;)+) => {
        const RIGHTS: &[Right] = &[$(($verb, $resource)),+];

        $(fn $test(cluster: &Cluster) {
            it_goes_on_without(cluster, ($verb, $resource));
        })+

        pub(crate) fn cases() -> Vec<Case> {
            cases![the_installed_chart_gives_these_rights_and_no_other, $($test),+]
        }
    };
}

rights! {
    without_list_of_clusterinjectionpolicies_it_says_so_and_goes_on: "list", "clusterinjectionpolicies";
    without_watch_of_clusterinjectionpolicies_it_says_so_and_goes_on: "watch", "clusterinjectionpolicies";
    without_list_of_injectionpolicies_it_says_so_and_goes_on: "list", "injectionpolicies";
    without_watch_of_injectionpolicies_it_says_so_and_goes_on: "watch", "injectionpolicies";
    without_list_of_namespaces_it_says_so_and_goes_on: "list", "namespaces";
    without_watch_of_namespaces_it_says_so_and_goes_on: "watch", "namespaces";
    without_patch_of_the_status_of_clusterinjectionpolicies_it_says_so_and_goes_on:
        "patch", "clusterinjectionpolicies/status";
    without_patch_of_the_status_of_injectionpolicies_it_says_so_and_goes_on: "patch", "injectionpolicies/status";
}

fn role(injector: &Injector) -> [String; 2] {
    ["clusterrole".to_owned(), format!("{}-policies", injector.webhook)]
}

fn the_installed_chart_gives_these_rights_and_no_other(cluster: &Cluster) {
    let namespace = cluster.namespace("rights");
    let injector = Injector::install_only(cluster, &Installation::serving(&namespace));
    let role = cluster.get(&role(&injector));
    assert_eq!(rights_of(&role["rules"]), RIGHTS.iter().copied().collect());
}

/// A policy that the right matters for, and that would be in force with it.
fn policy_for(resource: &str, namespace: &str) -> Value {
    match resource.split('/').next() {
        Some("injectionpolicies") => of_namespace(namespace, "late"),
        Some("namespaces") => {
            let mut policy = of_cluster(namespace, "late");
            policy["spec"]["match"] = json!({"namespaceSelector": {"matchLabels": {"late": namespace}}});
            policy
        }
        _ => of_cluster(namespace, "late"),
    }
}

/// A policy of the other kind, or one that looks at no namespace's labels.
fn policy_beside(resource: &str, namespace: &str) -> Value {
    let mut policy = match resource {
        "clusterinjectionpolicies" => of_namespace(namespace, "early"),
        _ => of_cluster(namespace, "early"),
    };
    policy["metadata"]["name"] = json!(format!("early-{namespace}"));
    policy["spec"]["priority"] = json!(-1);
    policy
}

fn it_goes_on_without(cluster: &Cluster, (verb, resource): Right) {
    cluster.policy_resources();
    let namespace = cluster.namespace("without");
    let injector = Injector::install_only(cluster, &Installation::serving(&namespace));
    let role = role(&injector);
    let group = if resource == "namespaces" {
        ""
    } else {
        ".injector.alumet.dev"
    };
    let asked = match resource.split_once('/') {
        Some((resource, part)) => vec![format!("{resource}{group}"), format!("--subresource={part}")],
        None => vec![format!("{resource}{group}")],
    };
    let rules = take_away(cluster, &injector, &role, (verb, resource), &asked);
    injector.start(cluster);

    let beside = policy_beside(resource, &namespace);
    apply(cluster, &beside);
    wait_for_form(cluster, &namespace, Some("early"));
    let late = policy_for(resource, &namespace);
    apply(cluster, &late);
    if resource == "namespaces" {
        cluster
            .kubectl(&["label", "namespace", &namespace, &format!("late={namespace}")])
            .ok();
    }

    let counter = match verb {
        "patch" => "alumet_injector_failed_policy_status_writes_total".to_owned(),
        _ => format!(r#"alumet_injector_failed_watches_total{{resource="{resource}",cause="forbidden"}}"#),
    };
    let mut priority = 0;
    // Another injector may write the condition before this one tries: then the next form is tried.
    let mut next_form = || {
        priority += 1;
        let mut next = late.clone();
        next["spec"]["priority"] = json!(priority);
        apply(cluster, &next);
    };
    wait_for("it to have been refused twice", PATIENCE, || {
        if verb == "patch" {
            next_form();
        }
        (injector.sample(cluster, &counter) >= 2).then_some(())
    });
    let of_group = if resource.contains('/') { "" } else { group };
    let sentence = format!("may not {verb} {resource}{of_group}; give the account the verb");
    let log = injector.log();
    assert!(log.contains(&sentence), "{sentence}: {log}");
    assert!(
        log.contains("system:serviceaccount:"),
        "in the API server's words, too: {log}"
    );
    assert_eq!(log.matches(&sentence).count(), 1, "once: {log}");
    if verb != "patch" {
        assert_eq!(
            form(cluster, &namespace).as_deref(),
            Some("early"),
            "it goes on with what it has"
        );
    }

    delete(cluster, &beside);
    give(cluster, &role, &rules);
    if verb == "patch" {
        let account = injector.account();
        wait_for("a condition that it may write", PATIENCE, || {
            next_form();
            let allowed = cluster.audit_events(|event| {
                event["user"]["username"] == account.as_str()
                    && event["objectRef"]["subresource"] == "status"
                    && event["responseStatus"]["code"] != 403
            });
            (!allowed.is_empty()).then_some(())
        });
    } else {
        wait_for("what the right brings", PATIENCE, || {
            (form(cluster, &namespace).as_deref() == Some("late")).then_some(())
        });
    }
    delete(cluster, &late);
    injector.stop();
}
