//! `resources`: what Kubernetes would refuse on a container is told while the policy is read, and the rest is written
//! as the API server stores it, so that it is recognized when it comes back.

use serde_json::{Map, Value, json};

use super::{Code, shape::Problems};
use crate::kubernetes::is_label_key;

/// Resources of every node. All others have a domain in their names, and cannot be shared.
const COMMON: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// What the letters behind a number multiply it with, in billionths; each a thousand times the one before.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// The same with powers of 1024, from 1024 on.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// One, in billionths.
const ONE: i128 = 1_000_000_000;

/// A thousandth, in billionths: the API server rounds what is finer.
const FINEST_CPU: i128 = 1_000_000;

/// The resources as the API server stores them: quantities in their shortest form, and the limit as the request where
/// none is asked for. What Kubernetes would refuse is complained of.
pub(super) fn read(
    resources: &Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) -> Map<String, Value> {
    let mut part = |name: &str| {
        let mut quantities = Vec::new();
        let part = resources.get(name).and_then(Value::as_object);
        for (resource, value) in part.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let path = format!("{path}.{name}.{resource}");
            if !COMMON.contains(&resource.as_str()) && !is_extended(resource) && page_size(resource).is_none()
            {
                problems.bad(
                    &path,
                    "no container has such a resource",
                    "use cpu, memory, ephemeral-storage, hugepages-<size>, or a name with a domain such as nvidia.com/gpu",
                );
            }
            match Quantity::read(value) {
                Some(quantity) if page_size(resource).is_some_and(|size| quantity.billionths % size != 0) => {
                    problems.bad(
                        &path,
                        "it is no whole number of pages",
                        "write a multiple of the page's size",
                    );
                }
                None => problems.bad(&path, "it is no quantity", "write one such as 500m, 2 or 1Gi"),
                Some(quantity) if is_extended(resource) && quantity.billionths % ONE != 0 => {
                    problems.bad(
                        &path,
                        "a resource of this kind is counted",
                        "write a whole number",
                    );
                }
                Some(quantity) if resource == "cpu" && quantity.billionths % FINEST_CPU != 0 => {
                    problems.bad(&path, "it is finer than 1m", "write a multiple of 1m");
                }
                Some(quantity) => quantities.push((resource.clone(), quantity)),
            }
        }
        quantities
    };
    let (mut requests, limits) = (part("requests"), part("limits"));
    for (resource, request) in &requests {
        let limit = limits.iter().find(|(limited, _)| limited == resource);
        let limit = limit.map(|(_, limit)| limit.billionths);
        let path = format!("{path}.requests.{resource}");
        if limit.is_some_and(|limit| request.billionths > limit) {
            problems.bad(&path, "it is more than its limit", "raise the limit");
        } else if is_fixed(resource) && limit != Some(request.billionths) {
            problems.error(
                Code::BadValue,
                &path,
                "a resource of this kind has a limit of the same quantity",
                "give the limit alone: it is the request, too",
            );
        }
    }
    for (resource, limit) in &limits {
        if !requests.iter().any(|(requested, _)| requested == resource) {
            requests.push((resource.clone(), *limit));
        }
    }
    let asks_for = |has: &dyn Fn(&str) -> bool| requests.iter().any(|(resource, _)| has(resource));
    if asks_for(&|resource| page_size(resource).is_some())
        && !asks_for(&|resource| matches!(resource, "cpu" | "memory"))
    {
        problems.missing(
            &format!("{path}.requests.memory"),
            "huge pages come with cpu or memory: write one of them",
        );
    }
    let written = |quantities: Vec<(String, Quantity)>| -> Map<String, Value> {
        let text = |(resource, quantity): (String, Quantity)| (resource, json!(quantity.canonical()));
        quantities.into_iter().map(text).collect()
    };
    [("limits", written(limits)), ("requests", written(requests))]
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (name.to_owned(), Value::Object(part)))
        .collect()
}

/// Whether it is a resource that a device plugin or the like offers (`IsExtendedResourceName`). A quota counts it under
/// its name behind `requests.`, so that has to be a name, too.
fn is_extended(resource: &str) -> bool {
    resource.contains('/')
        && !resource.contains("kubernetes.io/")
        && !resource.starts_with("requests.")
        && is_label_key(&format!("requests.{resource}"))
}

/// Size of a page in billionths of a byte, where the resource is huge pages (`hugepages-2Mi`).
fn page_size(resource: &str) -> Option<i128> {
    let size = Quantity::read(&json!(resource.strip_prefix("hugepages-")?))?;
    (size.billionths > 0 && size.billionths % ONE == 0).then_some(size.billionths)
}

/// Whether nobody gets more of it than was asked for: request and limit are one.
fn is_fixed(resource: &str) -> bool {
    is_extended(resource) || page_size(resource).is_some()
}

/// A quantity (apimachinery, `resource.Quantity`), without exponents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quantity {
    billionths: i128,
    is_binary: bool,
}

impl Quantity {
    /// Reads a text or a number; none for what is no quantity, less than 0 or finer than a billionth.
    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let text = text.strip_prefix('+').unwrap_or(&text);
        let end = text
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        let power = |base: i128, exponent: usize| base.checked_pow(u32::try_from(exponent).ok()?);
        let place = |suffixes: &[&str]| suffixes.iter().position(|known| *known == suffix);
        let (factor, is_binary) = match (place(&DECIMAL), place(&BINARY)) {
            (Some(place), _) => (power(1_000, place)?, false),
            (_, Some(place)) => (power(1_024, place + 1)?.checked_mul(ONE)?, true),
            (None, None) => return None,
        };
        // Parsing refuses a second point, and a number without digits.
        let scaled = digits.parse::<i128>().ok()?.checked_mul(factor)?;
        let divisor = power(10, fraction.len())?;
        (scaled % divisor == 0).then(|| Self {
            billionths: scaled / divisor,
            is_binary,
        })
    }

    /// The text as the API server writes it: no fraction, the longest suffix.
    fn canonical(self) -> String {
        let Self {
            billionths,
            is_binary,
        } = self;
        let is_binary = is_binary && billionths % ONE == 0 && billionths >= 1_024 * ONE;
        let (mut number, step, suffixes) = if is_binary {
            (billionths / ONE / 1_024, 1_024, &BINARY[..])
        } else {
            (billionths, 1_000, &DECIMAL[..])
        };
        if number == 0 {
            return "0".to_owned();
        }
        if is_binary && billionths / ONE % 1_024 != 0 {
            return (billionths / ONE).to_string();
        }
        let mut suffixes = suffixes.iter().copied();
        let mut suffix = suffixes.next().unwrap_or_default();
        for longer in suffixes {
            if number % step != 0 {
                break;
            }
            number /= step;
            suffix = longer;
        }
        format!("{number}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Quantity;

    #[test]
    fn quantities_are_read_and_written_as_by_kubernetes() {
        for (value, expected) in [
            (json!(2), Some("2")),
            (json!(0), Some("0")),
            (json!("0Gi"), Some("0")),
            (json!(0.5), Some("500m")),
            (json!("1000m"), Some("1")),
            (json!("1500m"), Some("1500m")),
            (json!("1000"), Some("1k")),
            (json!("1.5k"), Some("1500")),
            (json!("+1"), Some("1")),
            (json!("1."), Some("1")),
            (json!(".5"), Some("500m")),
            (json!("1Gi"), Some("1Gi")),
            (json!("1024Mi"), Some("1Gi")),
            (json!("1.5Gi"), Some("1536Mi")),
            (json!("1.5Ki"), Some("1536")),
            (json!("0.5Ki"), Some("512")),
            (json!("0.1Ki"), Some("102400m")),
            (json!("1E"), Some("1E")),
            (json!("-1"), None),
            (json!(-1), None),
            (json!(""), None),
            (json!("1 Gi"), None),
            (json!("1GB"), None),
            (json!("1e3"), None),
            (json!("Gi"), None),
            (json!("."), None),
            (json!("1.2.3"), None),
            (json!("0.1n"), None),
            (json!(true), None),
        ] {
            let read = Quantity::read(&value).map(Quantity::canonical);
            assert_eq!(read.as_deref(), expected, "{value}");
        }
    }
}
