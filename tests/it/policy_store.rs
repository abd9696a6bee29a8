//! The store of policies as changes come in: what is in force, what is said of each policy, and what is written.

use std::{collections::BTreeMap, time::SystemTime};

use alumet_injector::{
    names::Component,
    policy::{index::Asked, model::Policy},
    policy_document::{
        PolicyReader,
        store::{Cause, Change, ConditionReason, Counts, Key, News, PolicyObject, Resource, Store, Watched},
    },
};
use serde_json::{Value, json};

use crate::policies::of_cluster;

/// The interval that a form gives, by whether its generation is even.
const FORMS: [&str; 2] = ["1s", "2s"];

pub(crate) fn key(name: &str) -> Key {
    Key {
        resource: Resource::ClusterPolicies,
        namespace: None,
        name: name.to_owned(),
    }
}

/// A form of a policy of the cluster, of which each has its generation.
fn form(name: &str, generation: i64, spec: &Value) -> PolicyObject {
    PolicyObject {
        key: key(name),
        uid: Some("first".to_owned()),
        resource_version: Some(format!("v{generation}")),
        generation: Some(generation),
        document: json!({
            "apiVersion": "injector.alumet.dev/v1alpha1", "kind": "ClusterInjectionPolicy",
            "metadata": {"name": name}, "spec": spec,
        }),
    }
}

pub(crate) fn good(name: &str, generation: i64) -> PolicyObject {
    let interval = FORMS[usize::try_from(generation).unwrap() % FORMS.len()];
    let spec = json!({"defaults": {"plugins": {"rapl": {"enable": true, "poll_interval": interval}}}});
    form(name, generation, &spec)
}

pub(crate) fn bad(name: &str, generation: i64) -> PolicyObject {
    form(name, generation, &json!({"prio": 1}))
}

pub(crate) fn is_there(object: PolicyObject) -> Change {
    Change::Policy(Box::new(object))
}

fn take(store: &mut Store, changes: impl IntoIterator<Item = Change>) {
    changes.into_iter().for_each(|change| store.take(change));
}

/// What a first listing of a cluster brings.
pub(crate) fn listed(policies: impl IntoIterator<Item = PolicyObject>) -> Vec<Change> {
    let mut changes: Vec<Change> = Resource::ALL.map(Change::Listing).into();
    changes.extend(policies.into_iter().map(is_there));
    changes.extend(Resource::ALL.map(Change::Listed));
    changes
}

/// A store that knows these policies of a cluster.
fn knowing(policies: impl IntoIterator<Item = PolicyObject>) -> Store {
    let mut store = Store::new(Vec::new(), Watched::Cluster);
    take(&mut store, listed(policies));
    store.renewed();
    store.news();
    while store.next_write().is_some() {}
    store
}

/// What is in force: names, with the interval that each gives.
fn in_force(store: &Store) -> Vec<String> {
    let all = store.index().policies().iter();
    all.map(|policy| {
        let interval = policy
            .defaults
            .plugins
            .get("rapl")
            .map(|rapl| &rapl["poll_interval"]);
        let interval = interval.and_then(Value::as_str).unwrap_or("-");
        format!("{} {interval}", policy.title())
    })
    .collect()
}

fn of_files(stream: &str) -> Vec<Policy> {
    let mut reader = PolicyReader::default();
    reader.read("policies", stream.as_bytes());
    reader.finish().0
}

#[test]
fn nothing_of_a_cluster_holds_before_every_resource_was_listed_or_refused() {
    for refused in [None, Some(Cause::Forbidden), Some(Cause::NotInstalled)] {
        let mut store = Store::new(of_files(&of_cluster("of-a-file", "{}")), Watched::Cluster);
        take(
            &mut store,
            [Change::Listing(Resource::ClusterPolicies), is_there(good("a", 1))],
        );
        assert!(store.renewed().is_none());
        take(
            &mut store,
            [Resource::ClusterPolicies, Resource::Namespaces].map(Change::Listed),
        );
        assert!(store.renewed().is_none() && !store.is_read());
        assert_eq!(
            in_force(&store),
            ["of-a-file -"],
            "files are in force from the start"
        );
        let last = Resource::NamespacedPolicies;
        let unavailable = Change::Failed(last, Cause::Unavailable, "no answer".to_owned());
        take(&mut store, [unavailable]);
        assert!(!store.is_read(), "it may answer yet");
        store.take(refused.map_or(Change::Listed(last), |cause| {
            Change::Failed(last, cause, "no".to_owned())
        }));
        assert!(store.is_read());
        assert!(store.renewed().is_some());
        assert_eq!(in_force(&store), ["a 2s", "of-a-file -"]);
        assert!(store.renewed().is_none(), "once");
    }
    assert!(Store::new(Vec::new(), Watched::Nothing).is_read());
}

#[test]
fn a_form_that_cannot_be_read_leaves_the_last_good_one_in_force() {
    let mut store = knowing([good("a", 1), bad("b", 1)]);
    assert_eq!(in_force(&store), ["a 2s"]);

    store.take(is_there(bad("a", 2)));
    assert!(store.renewed().is_none(), "nothing else is in force");
    let news = store.news();
    let [
        News::Rejected {
            policy,
            condition,
            stays: true,
        },
    ] = news.as_slice()
    else {
        panic!("{news:?}")
    };
    assert_eq!(policy, "ClusterInjectionPolicy a");
    assert_eq!(condition.reason, ConditionReason::Invalid);
    assert_eq!(
        condition.message,
        "error[policy-field]: spec.prio: a policy has no field `prio` here; known are `defaults`, `match`, `onError`, `priority`\n\
         an earlier form, if one was accepted, stays in force until the injector restarts"
    );
    assert_eq!(in_force(&store), ["a 2s"]);
    assert_eq!(
        store.counts(),
        Counts {
            from_files: 0,
            from_cluster: 1,
            rejected: 2
        }
    );
    store.take(is_there(bad("a", 2)));
    assert_eq!(store.news(), [], "it is told once");

    store.take(is_there(good("a", 3)));
    assert!(store.renewed().is_none(), "it says what is in force already");
    assert_eq!(
        store.news(),
        [News::Mended("ClusterInjectionPolicy a".to_owned())]
    );
    store.take(is_there(good("a", 4)));
    assert!(store.renewed().is_some());
    assert_eq!(in_force(&store), ["a 1s"]);

    let mut another = bad("a", 1);
    another.uid = Some("second".to_owned());
    store.take(is_there(another));
    assert!(store.renewed().is_some());
    assert_eq!(
        in_force(&store),
        [""; 0],
        "what has the name now is another policy"
    );
}

#[test]
fn what_is_gone_is_not_in_force() {
    let mut store = knowing([good("a", 1), good("b", 1), bad("c", 1)]);
    store.take(Change::Gone(key("a")));
    assert!(store.renewed().is_some());
    assert_eq!(in_force(&store), ["b 2s"]);
    store.take(Change::Gone(key("never-there")));
    assert!(store.renewed().is_none());
    store.take(Change::Gone(key("c")));
    assert_eq!(
        store.news(),
        [News::Mended("ClusterInjectionPolicy c".to_owned())]
    );
    assert_eq!(store.counts().rejected, 0);

    // A watch that begins anew says what is there, not what went meanwhile.
    take(
        &mut store,
        [Change::Listing(Resource::ClusterPolicies), is_there(good("d", 1))],
    );
    assert!(store.renewed().is_none(), "the listing is not whole yet");
    // It breaks off, and begins again.
    take(&mut store, [Change::Listing(Resource::ClusterPolicies)]);
    store.take(Change::Listed(Resource::ClusterPolicies));
    store.renewed();
    assert_eq!(in_force(&store), [""; 0]);
}

#[test]
fn a_listing_that_brings_nothing_new_changes_nothing() {
    let mut store = knowing([good("a", 1)]);
    take(&mut store, listed([good("a", 1)]));
    assert!(store.renewed().is_none());
}

#[test]
fn a_file_stands_before_the_cluster() {
    let mut store = knowing([good("a", 1), good("b", 1)]);
    store.take(Change::Files(of_files(&of_cluster(
        "a",
        "{defaults: {plugins: {rapl: {poll_interval: 3s}}}}",
    ))));
    assert!(store.renewed().is_some());
    assert_eq!(in_force(&store), ["a 3s", "b 2s"]);
    let news = store.news();
    let [News::Rejected { condition, stays, .. }] = news.as_slice() else {
        panic!("{news:?}")
    };
    assert_eq!((condition.reason, *stays), (ConditionReason::InFile, false));
    assert_eq!(store.counts().from_files, 1);

    store.take(is_there(good("a", 2)));
    assert!(store.renewed().is_some(), "it is held, for when the file goes");
    assert_eq!(in_force(&store), ["a 3s", "b 2s"]);
    store.take(Change::FilesRefused("they cannot be read".to_owned()));
    assert!(store.renewed().is_none());
    store.take(Change::Files(Vec::new()));
    assert!(store.renewed().is_some());
    assert_eq!(in_force(&store), ["a 1s", "b 2s"]);
    assert!(
        store
            .news()
            .contains(&News::Mended("ClusterInjectionPolicy a".to_owned()))
    );
}

/// Says of the policy what is to be written, as the API server would hold it.
fn written(
    store: &mut Store,
    mut object: PolicyObject,
    at: SystemTime,
) -> (Option<Vec<Value>>, PolicyObject) {
    store.news();
    let write = store.next_write();
    let conditions = write.map(|write| {
        assert_eq!(write.key, object.key);
        assert_eq!(Some(write.resource_version), object.resource_version);
        write.condition.joined(&write.seen, at)
    });
    if let Some(conditions) = &conditions {
        object.document["status"] = json!({"conditions": conditions});
        object.resource_version = object.resource_version.map(|version| version + "+");
    }
    store.take(is_there(object.clone()));
    (conditions, object)
}

#[test]
fn a_condition_is_written_where_it_says_something_new_and_others_stay() {
    let hour = |hours| SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(hours);
    let of_somebody =
        json!({"type": "Reviewed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let mut first = good("a", 1);
    first.document["status"] = json!({"conditions": [of_somebody]});
    let mut store = Store::new(Vec::new(), Watched::Cluster);
    take(&mut store, listed([first.clone()]));

    let (conditions, first) = written(&mut store, first, hour(1));
    let accepted = |generation, since: &str| {
        json!({"type": "Accepted", "status": "True", "reason": "Accepted", "message": "in force",
            "lastTransitionTime": since, "observedGeneration": generation})
    };
    assert_eq!(
        conditions.unwrap(),
        [of_somebody.clone(), accepted(1, "1970-01-01T01:00:00Z")]
    );
    let (conditions, _) = written(&mut store, first.clone(), hour(2));
    assert_eq!(conditions, None, "it is there already");

    let with_status = |mut object: PolicyObject, former: &PolicyObject| {
        object.document["status"] = former.document["status"].clone();
        object
    };
    let second = with_status(good("a", 2), &first);
    store.take(is_there(second.clone()));
    let (conditions, second) = written(&mut store, second, hour(3));
    assert_eq!(
        conditions.unwrap()[1],
        accepted(2, "1970-01-01T01:00:00Z"),
        "what it is since moves on a change alone"
    );

    let third = with_status(bad("a", 3), &second);
    store.take(is_there(third.clone()));
    let (conditions, third) = written(&mut store, third, hour(4));
    let refused = &conditions.unwrap()[1];
    assert_eq!(refused["status"], "False");
    assert_eq!(refused["reason"], "Invalid");
    assert_eq!(refused["lastTransitionTime"], "1970-01-01T04:00:00Z");
    assert_eq!(refused["observedGeneration"], 3);

    // Somebody takes it away.
    let mut bare = third;
    bare.document["status"] = json!({});
    store.take(is_there(bare.clone()));
    let (conditions, _) = written(&mut store, bare, hour(5));
    assert_eq!(conditions.unwrap().len(), 1);
}

#[test]
fn two_stores_say_the_same_whatever_each_saw_before() {
    let mut old = knowing([good("a", 1)]);
    old.take(is_there(bad("a", 2)));
    let mut new = Store::new(Vec::new(), Watched::Cluster);
    take(&mut new, listed([bad("a", 2)]));
    let condition = |store: &mut Store| {
        store.news();
        store.next_write().unwrap().condition
    };
    assert_eq!(condition(&mut old), condition(&mut new));
    assert_eq!((in_force(&old).len(), in_force(&new).len()), (1, 0));
}

#[test]
fn a_message_is_bounded_and_has_no_control_characters() {
    let fields: serde_json::Map<String, Value> = (0..50)
        .map(|number| (format!("\u{1b}[31m{}{number}", "x".repeat(3_000)), json!(1)))
        .collect();
    let mut store = Store::new(Vec::new(), Watched::Cluster);
    take(&mut store, listed([form("a", 1, &Value::Object(fields))]));
    store.news();
    let message = store.next_write().unwrap().condition.message;
    assert!(message.len() < 4_000, "{}", message.len());
    assert!(message.contains("and 45 more"), "{message}");
    assert!(message.split('\n').all(|line| !line.contains(char::is_control)));
}

#[test]
fn labels_of_namespaces_come_change_and_go() {
    let spec = json!({"match": {"namespaceSelector": {"matchLabels": {"team": "hpc"}}}});
    let mut store = knowing([form("of-hpc", 1, &spec)]);
    let labels = |team: &str| {
        Change::Namespace(
            "n".to_owned(),
            BTreeMap::from([("team".to_owned(), team.to_owned())]),
        )
    };
    let selected = |store: &Store| {
        let selected = store.index().select(Asked {
            component: Component::Agent,
            namespace: Some("n"),
            pods: None,
        });
        (selected.matching.len(), selected.undecided.len())
    };
    assert_eq!(selected(&store), (0, 1));
    for (change, expected) in [
        (labels("hpc"), (1, 0)),
        (labels("web"), (0, 0)),
        (
            Change::Gone(Key {
                resource: Resource::Namespaces,
                namespace: None,
                name: "n".to_owned(),
            }),
            (0, 1),
        ),
        (labels("hpc"), (1, 0)),
    ] {
        let before = store.index().clone();
        store.take(change);
        assert!(
            store
                .renewed()
                .is_some_and(|index| before.same_policies().are_of(&index)),
            "{expected:?}"
        );
        assert_eq!(selected(&store), expected);
    }
    store.take(labels("hpc"));
    assert!(store.renewed().is_none());
    // It outlives a change of policies, and does not outlive a listing without it.
    store.take(is_there(good("b", 1)));
    store.renewed();
    assert_eq!(selected(&store), (2, 0));
    take(&mut store, [Change::Listing(Resource::Namespaces), labels("web")]);
    assert!(store.renewed().is_none(), "the listing is not whole yet");
    assert_eq!(selected(&store), (2, 0));
    store.take(Change::Listed(Resource::Namespaces));
    assert!(store.renewed().is_some());
    assert_eq!(selected(&store), (1, 0));
    take(
        &mut store,
        [
            Change::Listing(Resource::Namespaces),
            Change::Listed(Resource::Namespaces),
        ],
    );
    store.renewed();
    assert_eq!(selected(&store), (1, 1));
}

#[test]
fn ten_thousand_policies_and_a_thousand_namespaces_come_in_at_once() {
    let mut store = Store::new(Vec::new(), Watched::Cluster);
    let mut changes: Vec<Change> = Resource::ALL.map(Change::Listing).into();
    changes.extend((0..10_000).map(|number| {
        let spec = json!({"match": {"namespaceSelector": {"matchLabels": {"team": format!("t{number}")}}}});
        is_there(form(&format!("p{number}"), 1, &spec))
    }));
    changes.extend((0..1_000).map(|number| {
        let labels = BTreeMap::from([("team".to_owned(), format!("t{number}"))]);
        Change::Namespace(format!("n{number}"), labels)
    }));
    changes.extend(Resource::ALL.map(Change::Listed));
    let mut renewed = 0;
    for change in changes {
        store.take(change);
        renewed += usize::from(store.renewed().is_some());
    }
    assert_eq!(
        renewed, 1,
        "the index is made once, however often it is asked for"
    );
    let selected = store.index().select(Asked {
        component: Component::Agent,
        namespace: Some("n7"),
        pods: None,
    });
    assert_eq!((selected.matching.len(), selected.undecided.len()), (1, 0));
    let writes = std::iter::from_fn(|| {
        store.news();
        store.next_write()
    });
    assert_eq!(writes.count(), 10_000, "each has its condition written");
}
