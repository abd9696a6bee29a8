//! `resources`: what Kubernetes would refuse on a container, told while the policy is read.

use serde_json::{Map, Value};

use super::{Code, shape::Problems};
use crate::policy::selector::is_label_key;

/// Resources of every node. All others have a domain in their names, and cannot be shared.
const COMMON: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// What the letters behind a number multiply it with.
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// Complains of names, quantities, and requests that do not fit their limits.
pub(super) fn check(resources: &Map<String, Value>, path: &str, problems: &mut Problems) {
    let part = |name: &str| resources.get(name).and_then(Value::as_object);
    let (requests, limits) = (part("requests"), part("limits"));
    for (name, part) in [("requests", requests), ("limits", limits)] {
        for (resource, value) in part.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let path = format!("{path}.{name}.{resource}");
            if !COMMON.contains(&resource.as_str()) && !is_extended(resource) {
                problems.error(
                    Code::BadValue,
                    &path,
                    "no container has such a resource",
                    "use cpu, memory, ephemeral-storage, or a name with a domain such as nvidia.com/gpu",
                );
            } else if quantity(value).is_none() {
                problems.error(
                    Code::BadValue,
                    &path,
                    "it is no quantity",
                    "write one such as 500m, 2 or 1Gi",
                );
            }
        }
    }
    for (resource, request) in requests.into_iter().flatten() {
        let limit = limits
            .and_then(|limits| limits.get(resource))
            .filter(|limit| !limit.is_null());
        let path = format!("{path}.requests.{resource}");
        match (quantity(request), limit.map(quantity)) {
            (Some(request), Some(Some(limit))) if request > limit => {
                problems.error(
                    Code::BadValue,
                    &path,
                    "it is more than its limit",
                    "raise the limit",
                );
            }
            (Some(request), limit) if is_extended(resource) && limit != Some(Some(request)) => problems
                .error(
                    Code::BadValue,
                    &path,
                    "a resource of this kind has a limit of the same quantity",
                    "give the limit alone: it is the request, too",
                ),
            _ => {}
        }
    }
}

fn is_extended(resource: &str) -> bool {
    resource.contains('/') && is_label_key(resource)
}

/// The quantity as a number (apimachinery, `resource.ParseQuantity`); none for what is no quantity or less than 0.
fn quantity(value: &Value) -> Option<f64> {
    let Value::String(text) = value else {
        return value.as_f64().filter(|number| *number >= 0.0);
    };
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    // `parse` would take an exponent, which stands in the suffix here.
    let number: f64 = number.parse().ok()?;
    let factor = SUFFIXES
        .iter()
        .find(|(known, _)| *known == suffix)
        .map(|(_, factor)| *factor);
    let exponent = || {
        let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        Some(10_f64.powi(exponent))
    };
    Some(number * factor.or_else(exponent)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::quantity;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (value, expected) in [
            (json!(2), Some(2.0)),
            (json!(0.5), Some(0.5)),
            (json!("500m"), Some(0.5)),
            (json!("1Gi"), Some(1_073_741_824.0)),
            (json!("1.5k"), Some(1500.0)),
            (json!("1e3"), Some(1000.0)),
            (json!("1E"), Some(1e18)),
            (json!("+1"), Some(1.0)),
            (json!("-1"), None),
            (json!(-1), None),
            (json!(""), None),
            (json!("1 Gi"), None),
            (json!("1GB"), None),
            (json!("Gi"), None),
            (json!("."), None),
            (json!("1.2.3"), None),
            (json!(true), None),
        ] {
            assert_eq!(quantity(&value), expected, "{value}");
        }
    }
}
