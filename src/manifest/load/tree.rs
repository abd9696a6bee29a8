//! Composing the events of one document into nodes, with anchors tied to what they name.

use std::collections::BTreeMap;

use super::{
    MAX_DEPTH,
    events::{Event, Events},
};
use crate::manifest::error::{LoadError, Place};

/// A node's place in its tree.
pub(super) type Id = usize;

/// One node and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) content: Content,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        tag: Option<String>,
        plain: bool,
    },
    List(Vec<Id>),
    /// Keys and values in turn.
    Map(Vec<Id>),
    Alias {
        name: String,
        target: Id,
    },
}

/// One document.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// The node at the top; `None` for a text without a document.
    pub(super) root: Option<Id>,
}

impl Tree {
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// Reads the only document of a text.
    pub(super) fn compose(text: &str) -> Result<Self, LoadError> {
        let mut events = Events::new(text);
        let mut tree = Self {
            nodes: Vec::new(),
            root: None,
        };
        let mut anchors = BTreeMap::new();
        // The lists and maps that are open, outermost first.
        let mut open: Vec<Id> = Vec::new();
        loop {
            let (event, at) = events.next()?;
            let (content, anchor) = match event {
                Event::TextEnd => return Ok(tree),
                Event::Document if tree.root.is_some() => return Err(LoadError::SeveralDocuments { at }),
                Event::Document => continue,
                Event::End => {
                    open.pop();
                    continue;
                }
                Event::Scalar {
                    text,
                    tag,
                    anchor,
                    plain,
                } => (Content::Scalar { text, tag, plain }, anchor),
                Event::ListStart { anchor } => (Content::List(Vec::new()), anchor),
                Event::MapStart { anchor } => (Content::Map(Vec::new()), anchor),
                Event::Alias(name) => match anchors.get(&name) {
                    Some(&target) => (Content::Alias { name, target }, None),
                    None => return Err(LoadError::UndefinedAnchor { at, name }),
                },
            };
            let opens = matches!(content, Content::List(_) | Content::Map(_));
            if opens && open.len() == MAX_DEPTH {
                return Err(LoadError::TooDeep { at, limit: MAX_DEPTH });
            }
            let id = tree.add(Node { at, content }, open.last().copied());
            if let Some(name) = anchor {
                anchors.insert(name, id);
            }
            if opens {
                open.push(id);
            }
        }
    }

    fn add(&mut self, node: Node, parent: Option<Id>) -> Id {
        let id = self.nodes.len();
        self.nodes.push(node);
        match parent.map(|parent| &mut self.nodes[parent].content) {
            Some(Content::List(children) | Content::Map(children)) => children.push(id),
            // Only lists and maps are ever open.
            Some(_) => {}
            None => self.root = Some(id),
        }
        id
    }
}
