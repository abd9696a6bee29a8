//! The engine: one object in, a JSON Patch and a report out.
//!
//! It does no I/O, reads no clock and cannot fail on a well-formed object: what it cannot do, it reports. Every door
//! calls [`plan`], so that all doors give the same answer.

mod conclusion;
mod content;
pub mod facts;
pub mod field;
mod kind;
mod mutate;
pub mod object;
mod patch;
mod plan;
pub mod record;
pub mod report;
mod selection;
pub mod setup;
pub mod survey;
mod target;
mod unplan;

pub use conclusion::Plan;
pub use plan::{explain, plan};
pub use selection::configure;
pub use unplan::unplan;
