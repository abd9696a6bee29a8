//! A builder of JSON Patches (RFC 6902) whose operations always apply to the object that they were made for.

use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::Value;

/// A place in an object: the member names and indices on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(PointerBuf);

impl Place {
    /// The object itself.
    pub(super) fn root() -> Self {
        Self(PointerBuf::new())
    }

    /// A member of this place.
    pub(super) fn member(&self, name: &str) -> Self {
        let mut pointer = self.0.clone();
        pointer.push_back(Token::new(name));
        Self(pointer)
    }

    /// An element of this place.
    pub(super) fn element(&self, index: usize) -> Self {
        let mut pointer = self.0.clone();
        pointer.push_back(Token::from(index));
        Self(pointer)
    }

    /// The place after the last element of this place (RFC 6901 section 4).
    fn end(&self) -> Self {
        self.member("-")
    }
}

/// Collects operations.
#[derive(Debug, Default)]
pub(super) struct PatchBuilder {
    operations: Vec<PatchOperation>,
}

impl PatchBuilder {
    /// Sets a member or inserts an element. What a member held before is replaced (RFC 6902 section 4.1).
    pub(super) fn add(&mut self, place: Place, value: Value) {
        self.operations
            .push(PatchOperation::Add(AddOperation { path: place.0, value }));
    }

    /// Appends to the array at `place`.
    pub(super) fn append(&mut self, place: &Place, value: Value) {
        self.add(place.end(), value);
    }

    /// Replaces what is at `place`.
    pub(super) fn replace(&mut self, place: Place, value: Value) {
        self.operations
            .push(PatchOperation::Replace(ReplaceOperation { path: place.0, value }));
    }

    /// Takes away what is at `place`.
    pub(super) fn remove(&mut self, place: Place) {
        self.operations
            .push(PatchOperation::Remove(RemoveOperation { path: place.0 }));
    }

    /// The patch.
    pub(super) fn finish(self) -> Patch {
        Patch(self.operations)
    }
}
