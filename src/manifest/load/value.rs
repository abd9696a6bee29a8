//! From nodes to JSON: scalars resolved, aliases written out within a limit, merges applied, keys made strings.

use serde_json::{Map, Number, Value};

use super::{
    Loaded, MAX_DEPTH, binary,
    scalar::{self, Scalar},
    tree::{Content, Id, Node, Tree},
};
use crate::{
    finding::{Finding, Severity},
    manifest::{document::MAX_DOCUMENT, error::LoadError},
};

/// What the aliases of a document may add to it, in bytes: as much again as it may have.
const MAX_EXPANSION: usize = MAX_DOCUMENT;

/// What a node costs that an alias writes out, beside its text.
const NODE_COST: usize = 32;

/// How many findings are kept of one document. More tell a reader nothing.
const MAX_FINDINGS: usize = 20;

/// Turns a composed document into JSON.
pub(super) fn convert(tree: &Tree, first_line: &dyn Fn() -> usize) -> Result<Loaded, LoadError> {
    let mut converter = Converter {
        tree,
        first_line,
        expanding: Vec::new(),
        expansion: 0,
        path: Vec::new(),
        findings: Vec::new(),
    };
    let value = tree.root.map_or(Ok(Value::Null), |root| converter.value(root))?;
    Ok(Loaded {
        value,
        findings: converter.findings,
    })
}

struct Converter<'a> {
    tree: &'a Tree,
    first_line: &'a dyn Fn() -> usize,
    /// The targets of the aliases that are being written out, outermost first.
    expanding: Vec<Id>,
    expansion: usize,
    /// Keys and indexes down to the map or list at hand.
    path: Vec<String>,
    findings: Vec<Finding>,
}

impl Converter<'_> {
    fn value(&mut self, id: Id) -> Result<Value, LoadError> {
        let node = self.tree.node(id);
        self.pay(node)?;
        if self.path.len() > MAX_DEPTH {
            return Err(LoadError::TooDeep {
                at: node.at,
                limit: MAX_DEPTH,
            });
        }
        match &node.content {
            Content::Scalar { text, tag, plain } => scalar_value(node, text, tag.as_deref(), *plain),
            Content::Alias { name, target } => {
                self.enter(node, name, *target)?;
                let value = self.value(*target);
                self.expanding.pop();
                value
            }
            Content::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, &item) in items.iter().enumerate() {
                    values.push(self.child(item, || index.to_string())?);
                }
                Ok(Value::Array(values))
            }
            Content::Map(_) => {
                let mut map = Map::new();
                self.fill(id, &mut map)?;
                Ok(Value::Object(map))
            }
        }
    }

    /// Counts what an alias adds, before it is there.
    fn pay(&mut self, node: &Node) -> Result<(), LoadError> {
        if self.expanding.is_empty() {
            return Ok(());
        }
        let text = if let Content::Scalar { text, .. } = &node.content {
            text.len()
        } else {
            0
        };
        self.expansion += NODE_COST + text;
        if self.expansion > MAX_EXPANSION {
            return Err(LoadError::AliasBomb {
                at: node.at,
                limit: MAX_EXPANSION,
            });
        }
        Ok(())
    }

    fn enter(&mut self, node: &Node, name: &str, target: Id) -> Result<(), LoadError> {
        if self.expanding.contains(&target) {
            return Err(LoadError::AnchorCycle {
                at: node.at,
                name: name.to_owned(),
            });
        }
        if self.expanding.len() == MAX_DEPTH {
            return Err(LoadError::TooDeep {
                at: node.at,
                limit: MAX_DEPTH,
            });
        }
        self.expanding.push(target);
        Ok(())
    }

    /// The value of a list's item or a map's entry. A scalar needs no path.
    fn child(&mut self, id: Id, name: impl FnOnce() -> String) -> Result<Value, LoadError> {
        if matches!(self.tree.node(id).content, Content::Scalar { .. }) {
            return self.value(id);
        }
        self.path.push(name());
        let value = self.value(id);
        self.path.pop();
        value
    }

    /// Puts the entries of a map node into `map`. What comes later wins, merged or not: so does Go.
    fn fill(&mut self, id: Id, map: &mut Map<String, Value>) -> Result<(), LoadError> {
        let Content::Map(children) = &self.tree.node(id).content else {
            return Ok(());
        };
        let mut has_merge = !map.is_empty();
        for entry in children.chunks_exact(2) {
            let (key, value) = (self.tree.node(entry[0]), entry[1]);
            if is_merge(key) {
                has_merge = true;
                self.merge(value, map)?;
                continue;
            }
            let name = self.key(key, 0)?;
            let value = self.child(value, || name.clone())?;
            if map.contains_key(&name) && !has_merge {
                self.report_duplicate(key, &name);
            }
            map.insert(name, value);
        }
        Ok(())
    }

    fn merge(&mut self, id: Id, map: &mut Map<String, Value>) -> Result<(), LoadError> {
        let node = self.tree.node(id);
        let Content::List(items) = &node.content else {
            return self.merge_one(id, map);
        };
        // Of several maps, the first one wins.
        items.iter().rev().try_for_each(|&item| self.merge_one(item, map))
    }

    fn merge_one(&mut self, id: Id, map: &mut Map<String, Value>) -> Result<(), LoadError> {
        let node = self.tree.node(id);
        self.pay(node)?;
        match &node.content {
            Content::Map(_) => self.fill(id, map),
            Content::Alias { name, target } if matches!(self.tree.node(*target).content, Content::Map(_)) => {
                self.enter(node, name, *target)?;
                let filled = self.fill(*target, map);
                self.expanding.pop();
                filled
            }
            _ => Err(LoadError::Merge { at: node.at }),
        }
    }

    /// A key as a string, as `sigs.k8s.io/yaml` writes it.
    fn key(&mut self, node: &Node, depth: usize) -> Result<String, LoadError> {
        let refuse = |what| Err(LoadError::Key { at: node.at, what });
        let (text, scalar) = match &node.content {
            Content::Scalar { text, tag, plain } => (text, read_scalar(node, text, tag.as_deref(), *plain)?),
            // An alias names a node, never another alias.
            Content::Alias { target, .. } if depth == 0 => return self.key(self.tree.node(*target), 1),
            Content::Alias { .. } => return refuse("an alias"),
            Content::List(_) => return refuse("a list"),
            Content::Map(_) => return refuse("a map"),
        };
        match scalar {
            Scalar::Text => Ok(text.clone()),
            Scalar::Binary => binary::decode(text).ok_or_else(|| mismatch(node, "binary")),
            Scalar::Bool(bool) => Ok(bool.to_string()),
            Scalar::Int(number) => Ok(number.to_string()),
            Scalar::Float(number) => Ok(scalar::float_key(number)),
            Scalar::Uint(_) => refuse("a number beyond 9223372036854775807"),
            Scalar::Null => refuse("null"),
        }
    }

    fn report_duplicate(&mut self, key: &Node, name: &str) {
        if self.findings.len() == MAX_FINDINGS {
            return;
        }
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        let at = key.at.below((self.first_line)());
        self.findings.push(Finding {
            code: "duplicate-key",
            severity: Severity::Warning,
            path: path + name,
            message: format!("the key is there more than once (again at {at}), and the last one counts"),
            mend: "remove the others".to_owned(),
        });
    }
}

fn is_merge(key: &Node) -> bool {
    let Content::Scalar { text, tag, plain } = &key.content else {
        return false;
    };
    text == "<<" && (*plain || tag.as_deref() == Some("tag:yaml.org,2002:merge"))
}

fn read_scalar(node: &Node, text: &str, tag: Option<&str>, plain: bool) -> Result<Scalar, LoadError> {
    if tag.is_none() && !plain {
        return Ok(Scalar::Text);
    }
    scalar::resolve(tag, text).map_err(|scalar::Mismatch| {
        let tag = tag.unwrap_or_default();
        mismatch(node, tag.rsplit(':').next().unwrap_or(tag))
    })
}

fn mismatch(node: &Node, tag: &str) -> LoadError {
    LoadError::Tag {
        at: node.at,
        tag: format!("!!{tag}"),
    }
}

fn scalar_value(node: &Node, text: &str, tag: Option<&str>, plain: bool) -> Result<Value, LoadError> {
    Ok(match read_scalar(node, text, tag, plain)? {
        Scalar::Null => Value::Null,
        Scalar::Bool(bool) => Value::Bool(bool),
        Scalar::Int(number) => number.into(),
        Scalar::Uint(number) => number.into(),
        Scalar::Text => Value::String(text.to_owned()),
        Scalar::Binary => Value::String(binary::decode(text).ok_or_else(|| mismatch(node, "binary"))?),
        Scalar::Float(number) => {
            let number = float_number(number);
            Value::Number(number.ok_or_else(|| LoadError::NotFinite {
                at: node.at,
                text: text.to_owned(),
            })?)
        }
    })
}

/// A float as it comes out of Go's JSON, in which `1e3` is the integer 1000.
fn float_number(number: f64) -> Option<Number> {
    let is_short =
        number.fract() == 0.0 && number.abs() < 1e21 && !(number == 0.0 && number.is_sign_negative());
    let integer = is_short.then(|| number.to_string());
    let integer = integer.and_then(|digits| {
        digits
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| digits.parse::<u64>().map(Number::from))
            .ok()
    });
    integer.or_else(|| Number::from_f64(number))
}
