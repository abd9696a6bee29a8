//! Policies as custom resources: the two `CustomResourceDefinition`s, made of the table of fields.
//!
//! What the schema does not know it keeps: a misspelt field that the API server dropped would leave a policy in force
//! that says less than was written, such as one without its namespaceSelector. So `/validate` and the watch see the
//! document as it was written, and refuse it with the sentence that a file gets.

use serde_json::{Map, Value, json};

use super::{
    GROUP, KINDS, VERSION,
    fields::{DOCUMENT, Field, Kinds, LONGEST_TEXT, MOST_ENTRIES, Need, Rule, Shape},
};

/// What a kind is called in the API, and what it is.
struct Names {
    plural: &'static str,
    singular: &'static str,
    short: &'static str,
    scope: &'static str,
    about: &'static str,
}

/// In the order of [`KINDS`].
const NAMES: [Names; 2] = [
    Names {
        plural: "clusterinjectionpolicies",
        singular: "clusterinjectionpolicy",
        short: "cinjpol",
        scope: "Cluster",
        about: "Defaults for the Alumet objects of all namespaces that it selects. What the user set wins over them.",
    },
    Names {
        plural: "injectionpolicies",
        singular: "injectionpolicy",
        short: "injpol",
        scope: "Namespaced",
        about: "Defaults for the Alumet objects of its namespace, stronger than those of any ClusterInjectionPolicy. What the user set wins over them.",
    },
];

/// The definitions, as objects for the API server, in the order of [`KINDS`].
pub fn definitions() -> [Value; 2] {
    let kinds = [Kinds::Cluster, Kinds::Both];
    [0, 1].map(|index| definition(KINDS[index], kinds[index], &NAMES[index]))
}

fn definition(kind: &str, kinds: Kinds, names: &Names) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{GROUP}", names.plural)},
        "spec": {
            "group": GROUP,
            "scope": names.scope,
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": [names.short],
                "categories": ["alumet"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": document(kinds, names)},
            }],
        },
    })
}

/// What `kubectl get` shows. The condition comes from the injector.
fn columns() -> Value {
    let of_condition = |member| format!(".status.conditions[?(@.type==\"Accepted\")].{member}");
    json!([
        {"name": "Priority", "type": "integer", "jsonPath": ".spec.priority",
         "description": "Of two policies of one kind the one with the higher priority wins; 0 where it is not shown."},
        {"name": "Accepted", "type": "string", "jsonPath": of_condition("status"),
         "description": "Whether the policy is in force; empty until an injector has seen it."},
        {"name": "Reason", "type": "string", "jsonPath": of_condition("reason"),
         "description": "Why it is, or is not."},
        {"name": "Message", "type": "string", "jsonPath": of_condition("message"), "priority": 1,
         "description": "The same in a sentence."},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
         "description": "How long it has been there."},
    ])
}

/// A whole document. What stands in `metadata` is the API server's to say.
fn document(kinds: Kinds, names: &Names) -> Value {
    let mut schema = table(DOCUMENT, kinds, &[]);
    schema["description"] = names.about.into();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert("metadata".to_owned(), json!({"type": "object"}));
        properties.insert("status".to_owned(), status());
        for name in ["apiVersion", "kind"] {
            properties[name]
                .as_object_mut()
                .map(|text| text.remove("nullable"));
        }
    }
    schema
}

/// The schema of a field. `null` where the schema has none is dropped by the API server, and reads as absent in a file.
fn property(field: &Field, kinds: Kinds) -> Value {
    let mut schema = match &field.shape {
        Shape::Text => text(field.words),
        Shape::Number => {
            json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX})
        }
        Shape::Texts => list(&text(field.words)),
        // It is no text, but it has to be seen that it is none: without it a selector selects more than was meant.
        Shape::TextMap => {
            let mut entry = text(&[]);
            entry["nullable"] = true.into();
            map(&entry)
        }
        Shape::Quantities => map(&json!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        })),
        Shape::Table(fields) => table(fields, kinds, field.rules),
        Shape::Tables(fields) => list(&table(fields, kinds, field.rules)),
        Shape::TableMap(fields) => map(&table(fields, kinds, field.rules)),
        Shape::Open => open(),
        Shape::OpenTables => {
            let mut entry = open();
            entry["nullable"] = true.into();
            map(&entry)
        }
    };
    schema["description"] = sentence(field.about).into();
    schema
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn text(words: &[&str]) -> Value {
    if words.is_empty() {
        json!({"type": "string", "maxLength": LONGEST_TEXT})
    } else {
        json!({"type": "string", "enum": words})
    }
}

fn list(item: &Value) -> Value {
    json!({"type": "array", "maxItems": MOST_ENTRIES, "x-kubernetes-list-type": "atomic", "items": item})
}

fn map(entry: &Value) -> Value {
    json!({"type": "object", "maxProperties": MOST_ENTRIES, "additionalProperties": entry})
}

fn table(fields: &[Field], kinds: Kinds, rules: &[Rule]) -> Value {
    let fields = || {
        fields
            .iter()
            .filter(|field| field.kinds == Kinds::Both || kinds == Kinds::Cluster)
    };
    let properties: Map<String, Value> = fields()
        .map(|field| (field.name.to_owned(), property(field, kinds)))
        .collect();
    let required: Vec<&str> = fields()
        .filter(|field| field.need == Need::Required)
        .map(|field| field.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !rules.is_empty() {
        let rules = rules
            .iter()
            .map(|rule| json!({"rule": rule.holds, "message": rule.message, "fieldPath": rule.blames}));
        schema["x-kubernetes-validations"] = rules.collect();
    }
    schema
}

/// `metav1.Condition`, as every status has it.
fn status() -> Value {
    let text =
        |about: &str, longest: usize| json!({"type": "string", "maxLength": longest, "description": about});
    json!({
        "type": "object",
        "description": "What the injector says of it; nothing else reads it.",
        "properties": {
            "observedGeneration": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "The generation of the policy that the conditions speak of.",
            },
            "conditions": {
                "type": "array",
                "maxItems": 8,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "description": "`Accepted`: whether the policy is in force, or why not.",
                "items": {
                    "type": "object",
                    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
                    "properties": {
                        "type": text("What the condition is about.", 316),
                        "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                        "observedGeneration": {
                            "type": "integer", "format": "int64", "minimum": 0,
                            "description": "The generation of the policy that it speaks of.",
                        },
                        "lastTransitionTime": {
                            "type": "string", "format": "date-time",
                            "description": "When its status changed last.",
                        },
                        "reason": text("Why, in one word.", 1_024),
                        "message": text("Why, in a sentence.", 32_768),
                    },
                },
            },
        },
    })
}

/// A note as a sentence of its own.
fn sentence(about: &str) -> String {
    let mut letters = about.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}
