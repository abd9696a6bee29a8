//! Policies: defaults for the objects that they select, which of them apply to an object, and in which order.

pub mod index;
pub mod model;
pub mod precedence;
pub mod selector;
