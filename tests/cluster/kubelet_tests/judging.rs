//! Whether a pod may start, as the judgement of the tests' kubelet: tables, no pods.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::agent;
use crate::support::{
    Case, Cluster, cases,
    kubelet::{
        judge::{Start, Verdict, judge},
        world::{Contents, Kind, World},
    },
};

pub(super) fn cases() -> Vec<Case> {
    cases![
        volumes_are_judged_as_a_kubelet_does,
        variables_are_judged_as_a_kubelet_does,
        the_agent_looks_for_its_variables,
        sub_path_is_refused_to_alumet_alone,
        containers_are_judged_in_order,
        mounted_volumes_stay_mounted,
    ]
}

/// What exists in the pure cases.
fn world() -> World {
    let contents = |data: &[(&str, &str)], binary: &[(&str, &str)]| {
        let own = |(key, text): &(&str, &str)| ((*key).to_owned(), text.as_bytes().to_vec());
        Contents {
            data: data.iter().map(own).collect(),
            binary: binary.iter().map(own).collect(),
        }
    };
    let mut world = World::default();
    world.put(
        Kind::ConfigMap,
        "settings",
        contents(&[("mode", "fast")], &[("blob", "\u{1}")]),
    );
    world.put(Kind::Secret, "token", contents(&[("value", "x")], &[]));
    for (name, text) in [
        ("plain", "a = 1"),
        ("variable", "a = \"${WANTED}\""),
        ("comment", "# ${WANTED}\na = 1"),
        ("escaped", r"a = '\${WANTED}'"),
        ("unicode", r#"a = "\u0024{WANTED}""#),
        ("dollar", "a = '$WANTED'"),
        ("default", "a = '${WANTED:-1}'"),
        ("unclosed", "a = 1 # ${WANTED"),
        ("second", r"a = '\${ONE} ${WANTED} ${OTHER}'"),
        ("host", "a = '${HOSTNAME}'"),
    ] {
        world.put(Kind::ConfigMap, name, contents(&[("config", text)], &[]));
    }
    world
}

/// A pod with this spec that is bound to a node; `marked` as Alumet's or not.
fn pod(marked: bool, spec: &Value) -> Pod {
    let labels = if marked {
        json!({"injector.alumet.dev/component": "agent"})
    } else {
        json!({})
    };
    let mut spec = spec.clone();
    spec["nodeName"] = json!("node-1");
    serde_json::from_value(json!({
        "metadata": {"name": "pod", "namespace": "ns", "uid": "7", "labels": labels},
        "spec": spec,
    }))
    .unwrap()
}

/// The verdict as one line (`go` or `REASON: MESSAGE`), and the events as `REASON: MESSAGE` lines.
fn verdict(pod: &Pod, world: &World, start: Start) -> (String, Vec<String>) {
    let judgement = judge(pod, world, start);
    let line = match judgement.verdict {
        Verdict::Go => "go".to_owned(),
        Verdict::Hold(hold) => hold.to_string(),
    };
    let events = judgement.events.iter().map(|event| {
        let at = event
            .field_path
            .as_ref()
            .map(|path| format!(" ({path})"))
            .unwrap_or_default();
        format!("{}: {}{at}", event.reason, event.message)
    });
    (line, events.collect())
}

/// A pod whose one container mounts the one volume.
fn with_volume(volume: &Value) -> Value {
    let mut volume = volume.clone();
    volume["name"] = json!("v");
    json!({
        "containers": [{"name": "main", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [volume],
    })
}

fn volumes_are_judged_as_a_kubelet_does(_: &Cluster) {
    let item = |key: &str| json!([{"key": key, "path": "p"}]);
    let rows = [
        (json!({"configMap": {"name": "settings"}}), ""),
        (
            json!({"configMap": {"name": "none"}}),
            r#"configmap "none" not found"#,
        ),
        (json!({"configMap": {"name": "none", "optional": true}}), ""),
        (
            json!({"configMap": {"name": "settings", "items": item("mode")}}),
            "",
        ),
        (
            json!({"configMap": {"name": "settings", "items": item("blob")}}),
            "",
        ),
        (
            json!({"configMap": {"name": "settings", "items": item("config")}}),
            "configmap references non-existent config key: config",
        ),
        (
            json!({"configMap": {"name": "settings", "items": item("config"), "optional": true}}),
            "",
        ),
        (
            json!({"secret": {"secretName": "none"}}),
            r#"secret "none" not found"#,
        ),
        (json!({"secret": {"secretName": "none", "optional": true}}), ""),
        (
            json!({"secret": {"secretName": "token", "items": item("key")}}),
            "references non-existent secret key: key",
        ),
        (json!({"emptyDir": {}}), ""),
        (
            json!({"projected": {"sources": [
                {"serviceAccountToken": {"path": "t"}},
                {"configMap": {"name": "none"}},
                {"secret": {"name": "token"}},
            ]}}),
            r#"configmap "none" not found"#,
        ),
        (
            json!({"projected": {"sources": [{"configMap": {"name": "none"}}, {"secret": {"name": "none"}}]}}),
            r#"[configmap "none" not found, secret "none" not found]"#,
        ),
    ];
    for (volume, error) in rows {
        let mut spec = with_volume(&volume);
        let found = verdict(&pod(false, &spec), &world(), Start::First);
        let expected = if error.is_empty() {
            ("go".to_owned(), vec![])
        } else {
            let message = format!("MountVolume.SetUp failed for volume \"v\" : {error}");
            (
                format!("ContainerCreating: {message}"),
                vec![format!("FailedMount: {message}")],
            )
        };
        assert_eq!(found, expected, "{volume}");

        // A volume that no container mounts is nothing to a kubelet.
        spec["containers"][0]["volumeMounts"] = json!([]);
        assert_eq!(
            verdict(&pod(false, &spec), &world(), Start::First).0,
            "go",
            "{volume}"
        );
    }
}

fn variables_are_judged_as_a_kubelet_does(_: &Cluster) {
    let env = |from: Value| json!({"env": [{"name": "A", "valueFrom": from}]});
    let rows = [
        (
            env(json!({"secretKeyRef": {"name": "token", "key": "value"}})),
            "",
        ),
        (
            env(json!({"secretKeyRef": {"name": "none", "key": "value"}})),
            r#"secret "none" not found"#,
        ),
        (
            env(json!({"secretKeyRef": {"name": "none", "key": "value", "optional": true}})),
            "",
        ),
        (
            env(json!({"secretKeyRef": {"name": "token", "key": "k"}})),
            "couldn't find key k in Secret ns/token",
        ),
        (
            env(json!({"secretKeyRef": {"name": "token", "key": "k", "optional": true}})),
            "",
        ),
        (
            env(json!({"configMapKeyRef": {"name": "settings", "key": "mode"}})),
            "",
        ),
        (
            env(json!({"configMapKeyRef": {"name": "none", "key": "mode"}})),
            r#"configmap "none" not found"#,
        ),
        // A variable is not made of binaryData.
        (
            env(json!({"configMapKeyRef": {"name": "settings", "key": "blob"}})),
            "couldn't find key blob in ConfigMap ns/settings",
        ),
        (env(json!({"fieldRef": {"fieldPath": "spec.nodeName"}})), ""),
        (
            json!({"envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "token"}}]}),
            "",
        ),
        (
            json!({"envFrom": [{"configMapRef": {"name": "none"}}]}),
            r#"configmap "none" not found"#,
        ),
        (
            json!({"envFrom": [{"secretRef": {"name": "none"}}]}),
            r#"secret "none" not found"#,
        ),
        (
            json!({"envFrom": [{"secretRef": {"name": "none", "optional": true}}]}),
            "",
        ),
    ];
    for (part, error) in rows {
        let mut container = part.clone();
        container["name"] = json!("main");
        let found = verdict(
            &pod(false, &json!({"containers": [container]})),
            &world(),
            Start::First,
        );
        let expected = if error.is_empty() {
            ("go".to_owned(), vec![])
        } else {
            let event = format!("Failed: Error: {error} (spec.containers{{main}})");
            (format!("CreateContainerConfigError: {error}"), vec![event])
        };
        assert_eq!(found, expected, "{part}");
    }
    // A kubelet warns of a missing pull secret, and goes on.
    let pulls = json!({
        "containers": [{"name": "main"}],
        "imagePullSecrets": [{"name": "none"}, {"name": "token"}, {"name": "other"}],
    });
    let warning = "FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (none, other); \
                   attempting to pull the image may not succeed.";
    assert_eq!(
        verdict(&pod(false, &pulls), &world(), Start::First),
        ("go".to_owned(), vec![warning.to_owned()])
    );
}

fn the_agent_looks_for_its_variables(_: &Cluster) {
    let wanted = "env var substitution failed\n    1: the environment variable WANTED does not exist";
    let set = json!({"env": [{"name": "WANTED", "value": ""}]});
    let none = json!({});
    let from = |from: Value| json!({"env": [{"name": "WANTED", "valueFrom": from}]});
    let rows = [
        ("plain", none.clone(), ""),
        ("variable", none.clone(), wanted),
        ("variable", set.clone(), ""),
        (
            "variable",
            from(json!({"secretKeyRef": {"name": "token", "key": "value"}})),
            "",
        ),
        // An optional reference to what is not there leaves the variable unset.
        (
            "variable",
            from(json!({"secretKeyRef": {"name": "none", "key": "value", "optional": true}})),
            wanted,
        ),
        (
            "variable",
            json!({"envFrom": [{"prefix": "WAN", "configMapRef": {"name": "ted"}}]}),
            "",
        ),
        ("comment", none.clone(), wanted),
        ("escaped", none.clone(), ""),
        ("unicode", none.clone(), ""),
        ("dollar", none.clone(), ""),
        ("second", none.clone(), wanted),
        ("host", none.clone(), ""),
        (
            "default",
            set.clone(),
            "env var substitution failed\n    1: the environment variable WANTED:-1 does not exist",
        ),
        (
            "unclosed",
            set.clone(),
            "env var substitution failed\n    1: wrong use of the substitution syntax, it should be ${ENV_VAR}",
        ),
        (
            "variable",
            json!({"args": ["--config=/etc/alumet/agent.toml"]}),
            wanted,
        ),
        (
            "variable",
            json!({"args": [], "env": [{"name": "ALUMET_CONFIG", "value": "/etc/alumet/agent.toml"}]}),
            wanted,
        ),
        // Programs that read something else.
        (
            "variable",
            json!({"args": ["--config", "/etc/other/agent.toml"]}),
            "",
        ),
        (
            "variable",
            json!({"args": ["--config", "/etc/alumet/agent.yaml"]}),
            "",
        ),
        ("variable", json!({"args": [], "command": ["/bin/sh"]}), ""),
        // The image reads alumet-config.toml, and writes one where there is none.
        (
            "plain",
            json!({"args": []}),
            "write (of default config) failed\n    1: Read-only file system (os error 30)",
        ),
    ];
    let mut world = world();
    let wan = Contents {
        data: [("TED".to_owned(), vec![])].into(),
        ..Contents::default()
    };
    world.put(Kind::ConfigMap, "ted", wan);
    for (config_map, container, cause) in rows {
        let (found, events) = verdict(&pod(true, &agent(config_map, &container)), &world, Start::First);
        let what = format!("{config_map} {container}");
        if cause.is_empty() {
            assert_eq!((found.as_str(), events.len()), ("go", 0), "{what}");
            continue;
        }
        let path = if cause.starts_with("write") {
            "alumet-config.toml"
        } else {
            "agent.toml"
        };
        let words =
            format!("Error: could not load config from '/etc/alumet/{path}'\n\nCaused by:\n    0: {cause}");
        assert_eq!(found, format!("CrashLoopBackOff: {words}"), "{what}");
        let event =
            "BackOff: Back-off restarting failed container main in pod pod_ns(7) (spec.containers{main})";
        assert_eq!(events, [event], "{what}");
    }
}

fn sub_path_is_refused_to_alumet_alone(_: &Cluster) {
    let mount = |path: &str| json!({"volumeMounts": [{"name": "config", "mountPath": path, "subPath": "agent.toml"}]});
    let spec = agent("plain", &mount("/etc/alumet/agent.toml"));
    let (found, events) = verdict(&pod(true, &spec), &world(), Start::First);
    assert!(
        found.starts_with(
            "CreateContainerConfigError: failed to prepare subPath for volumeMount \"config\" of container \"main\": "
        ),
        "{found}"
    );
    assert_eq!(events.len(), 1);
    assert_eq!(verdict(&pod(false, &spec), &world(), Start::First).0, "go");

    let mut directory = spec.clone();
    directory["volumes"][0] = json!({"name": "config", "emptyDir": {}});
    assert_eq!(verdict(&pod(true, &directory), &world(), Start::First).0, "go");

    // The agent of an unmarked pod still reads the file that is mounted so.
    let (found, _) = verdict(
        &pod(false, &agent("variable", &mount("/etc/alumet/agent.toml"))),
        &world(),
        Start::First,
    );
    assert!(
        found.ends_with("the environment variable WANTED does not exist"),
        "{found}"
    );

    // And finds a directory when the volume has no such file.
    let mount = json!({"volumeMounts": [{"name": "config", "mountPath": "/etc/alumet/agent.toml", "subPath": "other"}]});
    let (found, _) = verdict(&pod(false, &agent("plain", &mount)), &world(), Start::First);
    assert!(
        found.ends_with("0: read failed\n    1: Is a directory (os error 21)"),
        "{found}"
    );
}

fn containers_are_judged_in_order(_: &Cluster) {
    let broken = |name: &str| json!({"name": name, "envFrom": [{"secretRef": {"name": "none"}}]});
    let fine = |name: &str| json!({"name": name});
    let spec = json!({
        "initContainers": [fine("first"), broken("second"), broken("third")],
        "containers": [broken("main")],
    });
    let (found, events) = verdict(&pod(false, &spec), &world(), Start::First);
    assert_eq!(found, r#"CreateContainerConfigError: secret "none" not found"#);
    assert_eq!(
        events,
        [r#"Failed: Error: secret "none" not found (spec.initContainers{second})"#]
    );

    // The init containers are done when the containers start again.
    let (_, events) = verdict(&pod(false, &spec), &world(), Start::Again);
    assert_eq!(
        events,
        [r#"Failed: Error: secret "none" not found (spec.containers{main})"#]
    );

    let spec = json!({"containers": [broken("one"), fine("two"), broken("three")]});
    let (_, events) = verdict(&pod(false, &spec), &world(), Start::First);
    assert_eq!(events.len(), 2, "each container fails for itself: {events:?}");

    // Nothing is made before the volumes are mounted.
    let mut spec = with_volume(&json!({"configMap": {"name": "none"}}));
    spec["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "none"}}]);
    spec["imagePullSecrets"] = json!([{"name": "none"}]);
    let (found, events) = verdict(&pod(false, &spec), &world(), Start::First);
    assert_eq!(
        found,
        r#"ContainerCreating: MountVolume.SetUp failed for volume "v" : configmap "none" not found"#
    );
    assert_eq!(events.len(), 1, "{events:?}");
}

fn mounted_volumes_stay_mounted(_: &Cluster) {
    let spec = agent("variable", &json!({"env": [{"name": "WANTED", "value": "1"}]}));
    let mut world = world();
    assert_eq!(verdict(&pod(true, &spec), &world, Start::First).0, "go");
    world.remove(Kind::ConfigMap, "variable");
    let message = r#"MountVolume.SetUp failed for volume "config" : configmap "variable" not found"#;
    let event = vec![format!("FailedMount: {message}")];
    assert_eq!(
        verdict(&pod(true, &spec), &world, Start::First),
        (format!("ContainerCreating: {message}"), event.clone())
    );
    assert_eq!(
        verdict(&pod(true, &spec), &world, Start::Again),
        ("go".to_owned(), event)
    );
}
