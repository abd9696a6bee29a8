//! Every object of a stream, marked or not, as Kubernetes would read it.

use serde_json::Value;

use super::{Origin, Refused, kind_of};
use crate::manifest::{list, load, stream};

/// The objects of all documents, and where each stands.
///
/// # Errors
/// When a document cannot be read, or an item of a list is no object.
pub fn objects(stream: &[u8]) -> Result<Vec<(Origin, Value)>, Refused> {
    let mut objects = Vec::new();
    let mut number = 0;
    for document in stream::documents(stream) {
        if document.body().trim_ascii().is_empty() {
            continue;
        }
        number += 1;
        // A template that renders nothing leaves its comments.
        if document.head().len() == document.body().len() {
            continue;
        }
        let origin = Origin {
            file: None,
            number,
            source: document.source().map(str::to_owned),
        };
        let loaded = load::read(&document).map_err(|problem| Refused::Unreadable {
            origin: origin.clone(),
            problem,
        })?;
        for item in list::objects(&loaded.value) {
            if !item.object.is_object() {
                return Err(Refused::NotAnObject {
                    origin,
                    found: kind_of(item.object),
                });
            }
            objects.push((origin.clone(), item.object.clone()));
        }
    }
    Ok(objects)
}
