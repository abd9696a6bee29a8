//! Label selectors hold and are refused exactly as in Kubernetes (apimachinery, `LabelSelectorAsSelector`).

use std::collections::BTreeMap;

use alumet_injector::{
    kubernetes::{is_label_key, is_label_value},
    policy::selector::{BadRequirement, Operator, Requirement, Selector},
};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn requirement(key: &str, operator: Operator, values: &[&str]) -> Result<Requirement, BadRequirement> {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Requirement::new(key.to_owned(), operator, values)
}

#[test]
fn each_operator_holds_as_in_kubernetes() {
    use Operator::{DoesNotExist, Exists, In, NotIn};
    let absent = labels(&[("other", "x")]);
    let (one, two, empty) = (
        labels(&[("key", "one")]),
        labels(&[("key", "two"), ("other", "x")]),
        labels(&[("key", "")]),
    );
    // Operator, values; then whether it holds without the label, with `one`, with `two`, with an empty value.
    for (operator, values, expected) in [
        (In, &["one"][..], [false, true, false, false]),
        (In, &["one", "two"], [false, true, true, false]),
        (In, &[""], [false, false, false, true]),
        (NotIn, &["one"], [true, false, true, true]),
        (NotIn, &["one", "two"], [true, false, false, true]),
        (NotIn, &[""], [true, true, true, false]),
        (Exists, &[], [false, true, true, true]),
        (DoesNotExist, &[], [true, false, false, false]),
    ] {
        let selector = Selector::new(vec![requirement("key", operator, values).unwrap()]);
        let holds = [&absent, &one, &two, &empty].map(|labels| selector.matches(labels));
        assert_eq!(holds, expected, "{operator:?} {values:?}");
    }
}

#[test]
fn all_requirements_must_hold_and_none_select_everything() {
    let both = Selector::new(vec![
        requirement("a", Operator::In, &["x"]).unwrap(),
        requirement("b", Operator::Exists, &[]).unwrap(),
    ]);
    assert!(both.matches(&labels(&[("a", "x"), ("b", "")])));
    assert!(!both.matches(&labels(&[("a", "x")])));
    assert!(!both.matches(&labels(&[("b", "")])));
    assert!(Selector::default().matches(&labels(&[])));
    assert!(Selector::default().is_everything() && !both.is_everything());
}

#[test]
fn what_kubernetes_refuses_is_refused() {
    use Operator::{DoesNotExist, Exists, In, NotIn};
    for (key, operator, values, wrong) in [
        ("key", In, &[][..], BadRequirement::NoValues(In)),
        ("key", NotIn, &[], BadRequirement::NoValues(NotIn)),
        ("key", Exists, &["x"], BadRequirement::Values(Exists)),
        ("key", DoesNotExist, &["x"], BadRequirement::Values(DoesNotExist)),
        ("", Exists, &[], BadRequirement::Key),
        ("two words", Exists, &[], BadRequirement::Key),
        ("key", In, &["fine", "not fine"], BadRequirement::Value(1)),
    ] {
        assert_eq!(
            requirement(key, operator, values),
            Err(wrong),
            "{key} {operator:?} {values:?}"
        );
    }
    assert_eq!(Operator::parse("in"), None, "Kubernetes knows one spelling");
}

#[test]
fn keys_and_values_of_labels_are_those_of_kubernetes() {
    let name = "n".repeat(63);
    let domain = ["d".repeat(63), "d".repeat(63), "d".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(domain.len(), 253);
    for key in [
        "a",
        "A-b_c.9",
        "app.kubernetes.io/name",
        &name,
        &format!("{domain}/{name}"),
    ] {
        assert!(is_label_key(key), "{key}");
    }
    for key in [
        "",
        "-a",
        "a-",
        "a b",
        "ä",
        "/a",
        "a/",
        "a/b/c",
        "Upper.io/a",
        "a_b/c",
        "a..b/c",
        "-a.b/c",
        &format!("{name}n"),
        &format!("{domain}d/a"),
    ] {
        assert!(!is_label_key(key), "{key}");
    }
    for value in ["", "a", "A-b_c.9", &name] {
        assert!(is_label_value(value), "{value}");
    }
    for value in ["-a", "a-", ".", "a b", "a/b", "ä", &format!("{name}n")] {
        assert!(!is_label_value(value), "{value}");
    }
}
