//! What is told to the user and to the audit log is bounded, whatever the object holds.

use serde_json::{Value, json};

use crate::{
    admission::{answered, asked, review},
    policies,
};

fn config_map(values: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "c", "labels": {"injector.alumet.dev/component": "relay-client"},
            "annotations": {"injector.alumet.dev/values": values},
        },
    })
}

/// Values with keys that nothing has.
fn with_unknown_keys(keys: &[String]) -> String {
    let mut values = json!({"agentVersion": "0.9.5", "server": {"service": "s", "port": 50051}});
    for key in keys {
        values["plugins"]["rapl"][key] = json!(1);
    }
    values.to_string()
}

fn warnings(response: &Value) -> Vec<&str> {
    let warnings = response["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    warnings.iter().map(|warning| warning.as_str().unwrap()).collect()
}

#[test]
fn dozens_of_findings_are_eight_warnings() {
    let keys: Vec<String> = (0..400)
        .map(|number| format!("no\nsuch\tkey_{number}_{}", "ä".repeat(300)))
        .collect();
    // Less than the values may have, so that each key is a finding.
    let values = with_unknown_keys(&keys[..90]);
    let (answer, response, _) = answered(&review("CREATE", Some("n"), &config_map(&values)));
    let findings = answer.decision.findings().len();
    assert!(findings >= 90, "{findings}");
    let warnings = warnings(&response);
    assert_eq!(warnings.len(), 8);
    for warning in &warnings {
        assert!(warning.starts_with("alumet-injector: "), "{warning}");
        assert!(warning.chars().count() <= 256, "{warning}");
        assert!(!warning.contains(char::is_control), "{warning}");
    }
    assert!(warnings[0].contains("nothing was injected"), "{}", warnings[0]);
    assert!(warnings[1].ends_with('…'), "{}", warnings[1]);
    let (_, last) = warnings[7].split_once(": ").unwrap();
    assert_eq!(
        last,
        format!(
            "{} more; `alumet-injector explain` on the manifest shows all of them",
            findings - 6
        )
    );
    let total: usize = warnings.iter().map(|warning| warning.chars().count()).sum();
    assert!(total <= 2_048, "{total}");
}

#[test]
fn as_many_findings_as_there_is_room_for_are_all_told() {
    let told = |count: usize| {
        let keys: Vec<String> = (0..count).map(|number| format!("no_such_key_{number}")).collect();
        let (answer, response, _) = answered(&review(
            "CREATE",
            Some("n"),
            &config_map(&with_unknown_keys(&keys)),
        ));
        assert_eq!(answer.decision.findings().len(), count);
        let warnings = warnings(&response);
        (warnings.len(), warnings.last().unwrap().contains(" more; "))
    };
    assert_eq!(told(1), (2, false));
    assert_eq!(told(7), (8, false));
    assert_eq!(told(8), (8, true));
}

#[test]
fn errors_are_told_before_warnings() {
    let values = json!({
        "agentVersion": "0.9.5", "server": {"service": "s", "port": 50051},
        "plugins": {"csv": {"enable": true, "output_path": "${HOME}"}, "rapl": {"no_such_key": 1}},
    });
    let (answer, response, _) = answered(&review("CREATE", Some("n"), &config_map(&values.to_string())));
    let severities: Vec<&str> = answer
        .decision
        .findings()
        .iter()
        .map(|finding| finding.severity.as_str())
        .collect();
    let told: Vec<&str> = warnings(&response)
        .iter()
        .skip(1)
        .map(|warning| warning.split([' ', '[']).nth(1).unwrap())
        .collect();
    let mut expected = severities.clone();
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(told.contains(&"error") && told.contains(&"warning"), "{told:?}");
}

#[test]
fn the_audit_log_gets_the_policies_and_no_more_than_it_can_take() {
    let spec = r#"{"defaults": {"plugins": {"rapl": {"enable": true, "poll_interval": "3s"}, "procfs": {"enable": true}}}}"#;
    let values = with_unknown_keys(&[]);
    let body = |object: &Value| review("CREATE", Some("n"), object).to_string();
    let snapshot = policies::snapshot(&policies::of_cluster("central-energy", spec));
    let mut object = config_map(&values);
    let (_, response, patch) = asked(&snapshot, body(&object).as_bytes());
    let audit = &response["auditAnnotations"];
    assert_eq!(audit["outcome"], "injected");
    assert_eq!(audit["component"], "relay-client");
    assert_eq!(audit["policies"], "central-energy");
    let config = audit["config"].clone();
    assert_eq!(config.as_str().map(str::len), Some(16));

    // The same once the object is complete: the record knows it.
    json_patch::patch(&mut object, &patch).unwrap();
    let (_, response, _) = asked(&snapshot, body(&object).as_bytes());
    let audit = &response["auditAnnotations"];
    assert_eq!(audit["outcome"], "up-to-date");
    assert_eq!(audit["policies"], "central-energy");
    assert_eq!(audit["config"], config);

    // A record is an annotation, in which anybody may write anything.
    let record = &mut object["metadata"]["annotations"]["injector.alumet.dev/status"];
    let mut forged: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
    forged["from"] = json!(vec!["p\n".repeat(100); 100]);
    *record = json!(forged.to_string());
    let (answer, response, _) = asked(&snapshot, body(&object).as_bytes());
    assert_eq!(answer.decision.outcome.code(), "up-to-date");
    for (key, value) in response["auditAnnotations"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        assert!(
            value.chars().count() <= 256 && !value.contains(char::is_control),
            "{key}: {value}"
        );
        assert!(key.chars().all(|letter| letter.is_ascii_lowercase()), "{key}");
    }
    assert!(answer.body.len() < 1_000, "{}", answer.body.len());
}
