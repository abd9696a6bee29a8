//! Tolerations among the agent values, held to what the API server asks of them (`ValidateTolerations` of
//! `k8s.io/kubernetes`, `pkg/apis/core/validation`): it refuses the whole object for one that it does not take.

use serde_json::{Map, Value};

use super::{Reader, join, present};
use crate::{
    agent_config::codes,
    kubernetes::{is_label_key, is_label_value},
};

const KEYS: [&str; 5] = ["key", "operator", "value", "effect", "tolerationSeconds"];

/// What a member that is a text may say.
struct Text {
    member: &'static str,
    fits: fn(&str) -> bool,
    expected: &'static str,
}

const TEXTS: [Text; 4] = [
    Text {
        member: "key",
        fits: |key| key.is_empty() || is_label_key(key),
        expected: "the key of a taint, such as `node-role.kubernetes.io/control-plane`",
    },
    // `Lt` and `Gt` are behind a feature gate that is off.
    Text {
        member: "operator",
        fits: |operator| matches!(operator, "" | EXISTS | "Equal"),
        expected: "`Exists` or `Equal`",
    },
    Text {
        member: "value",
        fits: is_label_value,
        expected: "at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends",
    },
    Text {
        member: "effect",
        fits: |effect| matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | NO_EXECUTE),
        expected: "`NoSchedule`, `PreferNoSchedule` or `NoExecute`",
    },
];

const EXISTS: &str = "Exists";
const NO_EXECUTE: &str = "NoExecute";

/// A toleration, each member of the right type.
struct Toleration<'a> {
    key: &'a str,
    operator: &'a str,
    value: &'a str,
    effect: &'a str,
    seconds: Option<&'a Value>,
}

/// What members may say together.
struct Rule {
    /// The member that is to blame.
    member: &'static str,
    fits: fn(&Toleration<'_>) -> bool,
    message: &'static str,
    mend: &'static str,
}

const RULES: [Rule; 3] = [
    Rule {
        member: "operator",
        fits: |toleration| !toleration.key.is_empty() || toleration.operator == EXISTS,
        message: "only `Exists` can stand without a key",
        mend: "name a key, or write `operator: Exists` to tolerate every taint",
    },
    Rule {
        member: "value",
        fits: |toleration| toleration.value.is_empty() || toleration.operator != EXISTS,
        message: "`Exists` looks at no value",
        mend: "leave the value out, or write `operator: Equal`",
    },
    Rule {
        member: "tolerationSeconds",
        fits: |toleration| toleration.seconds.is_none() || toleration.effect == NO_EXECUTE,
        message: "only the effect `NoExecute` can be tolerated for a time",
        mend: "leave it out, or write `effect: NoExecute`",
    },
];

impl Reader {
    /// The tolerations that the API server takes.
    pub(super) fn tolerations(&mut self, map: &Map<String, Value>) -> Vec<Value> {
        let mut taken = Vec::new();
        for (index, item) in self.list(map, "tolerations").iter().enumerate() {
            let path = format!("tolerations[{index}]");
            if let Some(toleration) = self.object(item, &path)
                && self.is_toleration(toleration, &path)
            {
                taken.push(item.clone());
            }
        }
        taken
    }

    fn is_toleration(&mut self, map: &Map<String, Value>, path: &str) -> bool {
        self.known(map, path, &KEYS);
        let [key, operator, value, effect] = TEXTS.map(|text| self.member(map, path, &text));
        let seconds = present(map, "tolerationSeconds");
        let no_number = seconds.filter(|seconds| !seconds.is_i64());
        if let Some(seconds) = no_number {
            self.wrong(&join(path, "tolerationSeconds"), "a whole number", seconds);
        }
        let (Some(key), Some(operator), Some(value), Some(effect), None) =
            (key, operator, value, effect, no_number)
        else {
            return false;
        };
        let toleration = Toleration {
            key,
            operator,
            value,
            effect,
            seconds,
        };
        let broken: Vec<&Rule> = RULES.iter().filter(|rule| !(rule.fits)(&toleration)).collect();
        for rule in &broken {
            let path = join(path, rule.member);
            self.findings
                .error(codes::CONSTRAINT, &path, rule.message.to_owned(), rule.mend);
        }
        broken.is_empty()
    }

    /// A member that may be absent, which is the same as empty; none where it is wrong.
    fn member<'a>(&mut self, map: &'a Map<String, Value>, path: &str, text: &Text) -> Option<&'a str> {
        let value = present(map, text.member);
        let found = value
            .map_or(Some(""), Value::as_str)
            .filter(|found| (text.fits)(found));
        if let (None, Some(value)) = (found, value) {
            let expected = if value.is_string() {
                text.expected
            } else {
                "a text"
            };
            self.wrong(&join(path, text.member), expected, value);
        }
        found
    }
}
