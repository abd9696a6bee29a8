//! The manifest stream: bytes that Helm or a person hands over, and bytes that Kubernetes reads back.
//!
//! [`stream`] finds the documents that carry our mark without parsing anything, [`load`] reads such a document as
//! Kubernetes reads it, [`list`] walks the objects in it, and [`emit`] writes it so that every reader sees the same.
//! What does not carry the mark is a slice to be copied.

pub mod document;
pub mod emit;
pub mod error;
pub mod list;
pub mod load;
pub mod stream;
