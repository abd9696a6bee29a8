//! Policies are read from YAML and JSON; and each bad one is refused in one sentence that names place, fault and mend.

use alumet_injector::{
    engine::{
        self,
        facts::{Facts, Known},
        setup::Snapshot,
    },
    names::Component,
    policy::{
        index::PolicyIndex,
        model::{EnvValue, InfluxDb, OnError, Policy, Scope},
    },
    policy_document::{PolicyReader, Problem, any_error},
};
use serde_json::{Value, json};

use crate::odd_documents::{Odd, odd_documents};

fn read(files: &[(&str, &str)]) -> (Vec<Policy>, Vec<Problem>) {
    let mut reader = PolicyReader::default();
    for (name, text) in files {
        reader.read(name, text.as_bytes());
    }
    reader.finish()
}

/// A policy of the cluster with this `spec`, as one line of YAML.
fn policy(spec: &str) -> String {
    format!(
        "{{apiVersion: injector.alumet.dev/v1alpha1, kind: ClusterInjectionPolicy, metadata: {{name: p}}, spec: {spec}}}"
    )
}

fn problems(text: &str) -> String {
    let (_, problems) = read(&[("f.yaml", text)]);
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

const WHOLE: &str = include_str!("../fixtures/policies.yaml");

#[test]
fn a_whole_policy_is_read() {
    let (policies, problems) = read(&[("f.yaml", WHOLE)]);
    assert_eq!(problems, []);
    let [first, second] = policies.as_slice() else {
        panic!("{policies:?}")
    };
    assert_eq!(
        (first.title(), first.priority, first.on_error),
        ("central-influxdb".to_owned(), 10, Some(OnError::Deny))
    );
    let selects = &first.selects;
    assert_eq!(
        selects.components,
        [Component::RelayClient, Component::RelayServer]
    );
    assert_eq!(selects.namespaces, ["a", "b"]);
    let labels = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert!(selects.namespace_selector.matches(&labels(&[("team", "hpc")])));
    assert!(
        !selects
            .namespace_selector
            .matches(&labels(&[("team", "hpc"), ("stage", "test")]))
    );
    let text = |text: &str| Some(text.to_owned());
    let defaults = &first.defaults;
    assert_eq!(defaults.image_registry, text("registry.example.org/alumet"));
    assert_eq!(defaults.image_pull_secrets, ["gh-registry-secret"]);
    assert_eq!(defaults.tolerations[0]["operator"], "Exists");
    assert_eq!(
        defaults.influxdb,
        Some(InfluxDb {
            host: text("https://influx.example.org"),
            organization: text("hpc"),
            bucket: text("energy"),
            secret_name: text("influxdb2-auth"),
            secret_key: text("admin-token"),
        })
    );
    assert_eq!(
        defaults.plugins["rapl"],
        json!({"enable": true, "poll_interval": "1s"})
    );
    let secret = EnvValue::Secret {
        name: "proxy".to_owned(),
        key: "url".to_owned(),
    };
    assert_eq!(defaults.env["RUST_LOG"], EnvValue::Text("info".to_owned()));
    assert_eq!(defaults.env["PROXY"], secret);
    assert_eq!(defaults.node_selector["disk"], "ssd");
    assert_eq!(
        json!(defaults.resources),
        json!({
            "limits": {"memory": "1Gi", "nvidia.com/gpu": "1", "hugepages-2Mi": "4Mi"},
            "requests": {"cpu": "100m", "memory": "64Mi", "nvidia.com/gpu": "1", "hugepages-2Mi": "4Mi"},
        })
    );
    assert_eq!(defaults.runtime_class_name, text("nvidia"));

    assert_eq!(second.scope, Scope::Namespace("team-a".to_owned()));
    assert_eq!(
        (second.title(), second.on_error),
        ("team-a/pods".to_owned(), None)
    );
    assert!(second.selects.object_selector.matches(&labels(&[("tier", "")])));
    assert!(!second.selects.object_selector.matches(&labels(&[])));
}

#[test]
fn json_and_lists_say_the_same() {
    let documents: Vec<Value> = WHOLE
        .split("---")
        .map(|text| alumet_injector::manifest::load::parse(text).unwrap().value)
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents}).to_string();
    let (as_list, problems) = read(&[("f.json", &list)]);
    assert_eq!(problems, []);
    assert_eq!(as_list, read(&[("f.yaml", WHOLE)]).0);
    let (one, problems) = read(&[("f.json", &documents[1].to_string())]);
    assert_eq!(problems, []);
    assert_eq!(one, as_list[1..]);
}

/// Each bad policy, and every word of what is said about it.
#[test]
fn each_fault_has_its_sentence() {
    let p = "f.yaml: document 1: ClusterInjectionPolicy p: ";
    for (fault, text, expected) in [
        ("an unknown field", policy("{defaults: {imagePullSecret: []}}"),
         format!("{p}error[policy-field]: spec.defaults.imagePullSecret: a policy has no field `imagePullSecret` here; did you mean `imagePullSecrets`?\n")),
        ("an unknown plugin", policy("{defaults: {plugins: {rapll: {enable: true}}}}"),
         format!("{p}error[unknown-plugin]: spec.defaults.plugins.rapll: unknown plugin `rapll`; did you mean `rapl`?\n")),
        ("an unknown key of a plugin", policy("{defaults: {plugins: {rapl: {pol_interval: 1s}}}}"),
         format!("{p}error[unknown-key]: spec.defaults.plugins.rapl.pol_interval: `rapl` has no key `pol_interval`; did you mean `poll_interval`?\n")),
        ("a key of a plugin of a wrong type", policy("{defaults: {plugins: {rapl: {no_perf_events: [1]}}}}"),
         format!("{p}error[wrong-type]: spec.defaults.plugins.rapl.no_perf_events: expected true or false, found a list\n")),
        ("a field of a wrong type", policy("{priority: high}"),
         format!("{p}error[policy-type]: spec.priority: expected a whole number of at most 32 bits, found a text\n")),
        ("a number where a text is", policy("{defaults: {env: {LEVEL: 5}}}"),
         format!("{p}error[policy-type]: spec.defaults.env.LEVEL: expected a text, found a number; put quotes around it\n")),
        ("a literal secret of a plugin", policy("{defaults: {plugins: {influxdb: {host: 'https://a.example.org', token: hunter2}}}}"),
         format!("{p}error[literal-secret]: spec.defaults.plugins.influxdb.token: a secret stands here as plain text (not shown); write {{fromSecret: {{name: <Secret>, key: <key>}}}}\n")),
        ("a literal secret in a variable", policy("{defaults: {env: {INFLUX_TOKEN: hunter2}}}"),
         format!("{p}error[literal-secret]: spec.defaults.env.INFLUX_TOKEN: a secret stands here as plain text (not shown); write `secretEnv: {{INFLUX_TOKEN: {{name: <Secret>, key: <key>}}}}`\n")),
        ("a password in a variable", policy("{defaults: {env: {HTTPS_PROXY: 'http://me:hunter2@proxy.example.org'}}}"),
         format!("{p}error[literal-secret]: spec.defaults.env.HTTPS_PROXY: the address has a password in it (not shown); write `secretEnv: {{HTTPS_PROXY: {{name: <Secret>, key: <key>}}}}`\n")),
        ("lists that select nothing", policy("{match: {components: [], namespaces: []}}"),
         format!("{p}error[policy-value]: spec.match.components: an empty list would select nothing; leave it out to select all of them\n\
                  {p}error[policy-value]: spec.match.namespaces: an empty list would select nothing; leave it out to select all of them\n")),
        ("a key that commands a terminal", policy(r#"{"\e[2J": 1}"#),
         format!("{p}error[policy-field]: spec. [2J: a policy has no field ` [2J` here; known are `defaults`, `match`, `onError`, `priority`\n")),
        ("a password in an address", policy("{defaults: {influxdb: {host: 'https://me:hunter2@influx.example.org', secretName: s}}}"),
         format!("{p}error[literal-secret]: spec.defaults.influxdb.host: the address has a password in it (not shown); take it out\n")),
        ("a token in the group", policy("{defaults: {influxdb: {host: 'https://a.example.org', secretName: s, token: hunter2}}}"),
         format!("{p}error[policy-field]: spec.defaults.influxdb.token: a policy has no field `token` here; known are `bucket`, `host`, `organization`, `secretKey`, `secretName`\n\
                  {p}error[literal-secret]: spec.defaults.influxdb.token: a secret stands here as plain text (not shown); write {{fromSecret: {{name: <Secret>, key: <key>}}}}\n")),
        ("a database twice", policy("{defaults: {influxdb: {bucket: a, host: 'https://a.example.org', secretName: s}, plugins: {influxdb: {org: b}}}}"),
         format!("{p}error[policy-twice]: spec.defaults.influxdb: plugins.influxdb of the same policy names a database, too; keep them in one of the two places\n")),
        ("a host without its Secret among the plugins", policy("{defaults: {plugins: {influxdb: {host: 'https://a.example.org', existingSecret: ''}}}}"),
         format!("{p}error[policy-missing]: spec.defaults.plugins.influxdb.existingSecret: it is not there, and a policy needs it; host and Secret come from one source: write both\n")),
        ("a Secret without its host among the plugins", policy("{defaults: {plugins: {influxdb: {secretName: s}}}}"),
         format!("{p}error[policy-missing]: spec.defaults.plugins.influxdb.host: it is not there, and a policy needs it; host and Secret come from one source: write both\n")),
        ("half a database", policy("{defaults: {influxdb: {organization: a}}}"),
         format!("{p}error[policy-missing]: spec.defaults.influxdb.host: it is not there, and a policy needs it; host and Secret come from one source: write both\n\
                  {p}error[policy-missing]: spec.defaults.influxdb.secretName: it is not there, and a policy needs it; host and Secret come from one source: write both\n")),
        ("a selector that cannot be parsed", policy("{match: {objectSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}}"),
         format!("{p}error[policy-value]: spec.match.objectSelector.matchExpressions[0].operator: there is no such operator; did you mean `In`?\n")),
        ("a selector without values", policy("{match: {namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}}"),
         format!("{p}error[policy-value]: spec.match.namespaceSelector.matchExpressions[0]: `In` needs at least one value; add one, or use `Exists` or `DoesNotExist`\n")),
        ("a selector with values too many", policy("{match: {objectSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}}"),
         format!("{p}error[policy-value]: spec.match.objectSelector.matchExpressions[0]: `Exists` takes no values; take them out, or use `In` or `NotIn`\n")),
        ("a selector with a bad label", policy("{match: {objectSelector: {matchLabels: {a: 'b c', '-': d}}}}"),
         format!("{p}error[policy-value]: spec.match.objectSelector.matchLabels.a: no label has such a value; use at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at either end\n\
                  {p}error[policy-value]: spec.match.objectSelector.matchLabels.-: no label has such a key; write a name such as `team` or `example.org/team`\n")),
        ("a selector whose value is missing", policy("{match: {objectSelector: {matchLabels: {a: }}}}"),
         format!("{p}error[policy-type]: spec.match.objectSelector.matchLabels.a: expected a text, found nothing\n")),
        ("an unknown component", policy("{match: {components: [relay-cleint]}}"),
         format!("{p}error[policy-value]: spec.match.components[0]: there is no such component; did you mean `relay-client`?\n")),
        ("a namespace that cannot be", policy("{match: {namespaces: ['team-*']}}"),
         format!("{p}error[policy-value]: spec.match.namespaces[0]: no namespace has such a name; name it, or use namespaceSelector\n")),
        ("configuration for some pods", policy("{match: {objectSelector: {matchLabels: {a: b}}}, defaults: {plugins: {rapl: {enable: true}}}}"),
         format!("{p}error[policy-reach]: spec.match.objectSelector: plugins and influxdb are for all pods of a component, which share one configuration, and cannot be given to some of them; leave it out, or give plugins and influxdb by a policy of their own\n")),
        ("an answer that is none", policy("{onError: Ignore}"),
         format!("{p}error[policy-value]: spec.onError: there is no such answer; write `Allow` or `Deny`\n")),
        ("a registry that is none", policy("{defaults: {image: {registry: 'https://registry.example.org'}}}"),
         format!("{p}error[wrong-type]: spec.defaults.image.registry: expected a registry such as `registry.example.org/alumet`, found nothing\n")),
        ("a variable that cannot be", policy("{defaults: {env: {1A: x}}}"),
         format!("{p}error[policy-value]: spec.defaults.env.1A: no variable has such a name; use letters, digits and `_`, no digit first\n")),
        ("a variable twice", policy("{defaults: {env: {A: x}, secretEnv: {A: {name: s, key: k}}}}"),
         format!("{p}error[policy-twice]: spec.defaults.secretEnv.A: `env` of the same policy has this variable, too; keep one of the two\n")),
        ("a Secret that cannot be", policy("{defaults: {secretEnv: {A: {name: S}}}}"),
         format!("{p}error[policy-value]: spec.defaults.secretEnv.A.name: no Secret has such a name; name a Secret\n\
                  {p}error[policy-value]: spec.defaults.secretEnv.A.key: no Secret has such a key; name a key of the Secret\n")),
        ("a label of a node that cannot be", policy("{defaults: {nodeSelector: {disk: 'a b'}}}"),
         format!("{p}error[policy-value]: spec.defaults.nodeSelector.disk: no node has such a label; write key and value of a label\n")),
        ("a runtime class that cannot be", policy("{defaults: {runtimeClassName: NVIDIA}}"),
         format!("{p}error[policy-value]: spec.defaults.runtimeClassName: no RuntimeClass has such a name; use small letters, digits and `-`\n")),
        ("resources that cannot be", policy("{defaults: {resources: {requests: {cpu: 2, disk: 1, memory: 1GB, nvidia.com/gpu: 1}, limits: {cpu: 1}}}}"),
         format!("{p}error[policy-value]: spec.defaults.resources.requests.disk: no container has such a resource; use cpu, memory, ephemeral-storage, hugepages-<size>, or a name with a domain such as nvidia.com/gpu\n\
                  {p}error[policy-value]: spec.defaults.resources.requests.memory: it is no quantity; write one such as 500m, 2 or 1Gi\n\
                  {p}error[policy-value]: spec.defaults.resources.requests.cpu: it is more than its limit; raise the limit\n\
                  {p}error[policy-value]: spec.defaults.resources.requests.nvidia.com/gpu: a resource of this kind has a limit of the same quantity; give the limit alone: it is the request, too\n")),
        ("huge pages that cannot be", policy("{defaults: {resources: {limits: {hugepages-2Mi: 3Mi, hugepages-1Gi: 2Gi, hugepages-big: 1}, requests: {hugepages-1Gi: 1Gi}}}}"),
         format!("{p}error[policy-value]: spec.defaults.resources.limits.hugepages-2Mi: it is no whole number of pages; write a multiple of the page's size\n\
                  {p}error[policy-value]: spec.defaults.resources.limits.hugepages-big: no container has such a resource; use cpu, memory, ephemeral-storage, hugepages-<size>, or a name with a domain such as nvidia.com/gpu\n\
                  {p}error[policy-value]: spec.defaults.resources.requests.hugepages-1Gi: a resource of this kind has a limit of the same quantity; give the limit alone: it is the request, too\n\
                  {p}error[policy-missing]: spec.defaults.resources.requests.memory: it is not there, and a policy needs it; huge pages come with cpu or memory: write one of them\n")),
        ("resources that are counted", policy("{defaults: {resources: {limits: {nvidia.com/gpu: 500m, requests.nvidia.com/gpu: 1, a.kubernetes.io/b: 1, cpu: 1500u}}}}"),
         format!("{p}error[policy-value]: spec.defaults.resources.limits.nvidia.com/gpu: a resource of this kind is counted; write a whole number\n\
                  {p}error[policy-value]: spec.defaults.resources.limits.requests.nvidia.com/gpu: no container has such a resource; use cpu, memory, ephemeral-storage, hugepages-<size>, or a name with a domain such as nvidia.com/gpu\n\
                  {p}error[policy-value]: spec.defaults.resources.limits.a.kubernetes.io/b: no container has such a resource; use cpu, memory, ephemeral-storage, hugepages-<size>, or a name with a domain such as nvidia.com/gpu\n\
                  {p}error[policy-value]: spec.defaults.resources.limits.cpu: it is finer than 1m; write a multiple of 1m\n")),
        ("no spec", "{apiVersion: injector.alumet.dev/v1alpha1, kind: ClusterInjectionPolicy, metadata: {name: p}}".to_owned(),
         format!("{p}error[policy-missing]: spec: it is not there, and a policy needs it; write what the policy selects and gives\n")),
        ("no name", "{apiVersion: injector.alumet.dev/v1alpha1, kind: ClusterInjectionPolicy, spec: {}}".to_owned(),
         "f.yaml: document 1: error[policy-missing]: metadata.name: it is not there, and a policy needs it; write it\n".to_owned()),
        ("a namespaced policy without its namespace", policy("{}").replace("ClusterI", "I"),
         "f.yaml: document 1: InjectionPolicy p: error[policy-missing]: metadata.namespace: it is not there, and a policy needs it; write it\n".to_owned()),
        ("a document of a newer version", policy("{}").replace("v1alpha1", "v2"),
         format!("{p}error[policy-version]: apiVersion: the document has the form of v2, and this injector reads v1alpha1; write it as injector.alumet.dev/v1alpha1, or use an injector that reads the other one\n")),
        ("another kind of ours", policy("{}").replace("ClusterI", "ClusterRI"),
         "f.yaml: document 1: error[policy-none]: kind: the document is no policy; did you mean `ClusterInjectionPolicy`?\n".to_owned()),
        ("something else", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}".to_owned(),
         "f.yaml: document 1: error[policy-none]: apiVersion: the document is no policy; write `apiVersion: injector.alumet.dev/v1alpha1` and `kind: ClusterInjectionPolicy` or `InjectionPolicy`\n".to_owned()),
        ("no YAML", "# fine\n---\na: [\n".to_owned(),
         "f.yaml: document 1: error[policy-unreadable]: line 4, column 1: the document ends in the middle; it seems to be cut off, render it again\n".to_owned()),
        ("an empty file", String::new(),
         "f.yaml: error[policy-none]: the file holds no policy; write one into it, or leave it out\n".to_owned()),
        ("a file of comments", "# nothing\n---\n# here\n".to_owned(),
         "f.yaml: error[policy-none]: the file holds no policy; write one into it, or leave it out\n".to_owned()),
    ] {
        assert_eq!(problems(&text), expected, "{fault}");
        assert!(!expected.contains("hunter2"), "{fault}");
        let (policies, problems) = read(&[("f.yaml", &text)]);
        assert!(policies.is_empty() && any_error(&problems), "{fault}: nothing of it is used");
    }
}

#[test]
fn a_policy_can_ask_for_no_privilege() {
    let of_namespace = |defaults: &str| {
        policy(&format!("{{defaults: {defaults}}}"))
            .replace("ClusterI", "I")
            .replace("{name: p}", "{name: p, namespace: ns}")
    };
    for word in ["securityContext", "hostPID", "volumes", "serviceAccountName"] {
        assert_eq!(
            problems(&of_namespace(&format!("{{{word}: x}}"))),
            format!(
                "f.yaml: document 1: InjectionPolicy p: error[policy-privilege]: spec.defaults.{word}: `{word}` is a privilege, \
                 and a policy can give none; take it out: the chart gives the pods what their plugins need\n"
            )
        );
    }
    let reach = of_namespace("{}").replace(
        "spec: {",
        "spec: {match: {namespaces: [other], namespaceSelector: {}}, ",
    );
    assert_eq!(
        problems(&reach),
        ["namespaces", "namespaceSelector"]
            .map(|field| format!(
                "f.yaml: document 1: InjectionPolicy p: error[policy-reach]: spec.match.{field}: an InjectionPolicy reaches the \
                 namespace that it stands in, and no other; take it out, or write a ClusterInjectionPolicy\n"
            ))
            .concat()
    );
}

#[test]
fn one_kind_and_namespace_has_one_policy_of_a_name() {
    let cluster = policy("{}");
    let of = |namespace: &str| {
        cluster
            .replace("ClusterI", "I")
            .replace("{name: p}", &format!("{{name: p, namespace: {namespace}}}"))
    };
    let apart = [cluster.as_str(), &of("a"), &of("b")].join("\n---\n");
    assert_eq!(problems(&apart), "");
    let (policies, problems) = read(&[("one.yaml", &apart), ("two.yaml", &of("b"))]);
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "two.yaml: document 1: InjectionPolicy p: error[policy-twice]: metadata.name: another policy has the same kind, \
          namespace and name: one.yaml: document 3: InjectionPolicy p; rename or remove one of the two"
        ]
    );
    assert_eq!(policies.len(), 3);
}

#[test]
fn a_warning_leaves_the_policy_in_force() {
    let twice = "apiVersion: injector.alumet.dev/v1alpha1\nkind: ClusterInjectionPolicy\nmetadata: {name: p}\nspec: {}\nspec: {priority: 3}\n";
    let (policies, problems) = read(&[("f.yaml", twice)]);
    assert_eq!(policies[0].priority, 3);
    assert!(!any_error(&problems) && problems.len() == 1, "{problems:?}");
}

#[test]
fn ten_thousand_policies_are_read_each_at_its_place() {
    let mut stream: String = (0..10_000)
        .map(|number| {
            policy("{defaults: {env: {A: x}}}").replace("name: p", &format!("name: p{number}")) + "\n---\n"
        })
        .collect();
    stream.push_str(&policy("{onError: x}"));
    let (policies, problems) = read(&[("f.yaml", &stream)]);
    assert_eq!(policies.len(), 10_000);
    assert_eq!(policies[9_999].name, "p9999");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].place,
        "f.yaml: document 10001: ClusterInjectionPolicy p"
    );
}

/// Whatever stands at whatever place: what is read as a policy is one that the engine can work with.
#[test]
fn no_document_is_too_odd() {
    let whole = alumet_injector::manifest::load::parse(WHOLE.split("---").next().unwrap())
        .unwrap()
        .value;
    let (mut taken, mut refused) = (0, 0);
    for Odd {
        place,
        value,
        document,
    } in odd_documents(&whole)
    {
        let (policy, findings) = alumet_injector::policy_document::policy(&document);
        assert_eq!(
            policy.is_none(),
            alumet_injector::finding::any_error(&findings),
            "{place}: {value}"
        );
        let Some(policy) = policy else {
            refused += 1;
            continue;
        };
        taken += 1;
        let snapshot = Snapshot {
            policies: PolicyIndex::new(vec![policy]),
        };
        let facts = Facts {
            namespace: Known::Known("a"),
            ..Facts::RENDER
        };
        let setup = engine::configure(Component::RelayServer, "{}", &facts, &snapshot);
        assert!(setup.config.is_some() || setup.has_errors(), "{place}: {value}");
    }
    println!("{taken} documents were taken, {refused} refused");
    assert!(taken >= 50 && refused >= 200, "{taken} {refused}");
}

#[test]
fn many_warnings_hide_no_error() {
    let formulas: Vec<String> = (0..120)
        .map(|number| format!("f{number}: {{expr: \"${{A{number}}}\"}}"))
        .collect();
    let plugins = format!("energyAttribution: {{formulas: {{{}}}}}", formulas.join(", "));
    let told = problems(&policy(&format!(
        "{{defaults: {{plugins: {{{plugins}}}, nodeSelector: {{\"!!\": x}}}}}}"
    )));
    let lines = |start: &str| told.lines().filter(|line| line.contains(start)).count();
    assert!(lines("warning[") >= 100, "{told}");
    assert!(told.contains("spec.defaults.nodeSelector"), "{told}");
    assert!(lines("error[") >= 1, "{told}");
}
