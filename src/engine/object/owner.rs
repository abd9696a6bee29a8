//! Whom an object belongs to.

use serde::Deserialize;

use crate::engine::field::{Field, Text, shape_of_object};

/// The object that an object belongs to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner<'a> {
    /// `apiVersion`.
    #[serde(borrow)]
    pub api_version: Field<Text<'a>>,
    /// `kind`.
    #[serde(borrow)]
    pub kind: Field<Text<'a>>,
    /// `name`.
    #[serde(borrow)]
    pub name: Field<Text<'a>>,
    /// `uid`.
    #[serde(borrow)]
    pub uid: Field<Text<'a>>,
    /// `controller`: whether it is the one that manages the object.
    pub controller: Field<bool>,
}

shape_of_object!(Owner);
