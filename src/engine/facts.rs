//! What a door knows about the world around one object. Unknown is never the same as empty.

/// Something that a door may not be able to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Known<T> {
    /// The door knows it.
    Known(T),
    /// The door cannot know it.
    #[default]
    Unknown,
}

impl<T: Copy> Known<T> {
    /// The value, where it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// What is being done with the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is a manifest on its way to the cluster.
    Render,
    /// The API server is creating it.
    Create,
    /// The API server is changing it.
    Update,
}

/// What the door knows.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is being done with the object.
    pub operation: Operation,
    /// Namespace that the object is going to.
    pub namespace: Known<&'a str>,
    /// Helm release.
    pub release: Known<&'a str>,
    /// Version of the agent, for values that do not say one.
    pub agent_version: Known<&'a str>,
}

impl Facts<'_> {
    /// The facts of a manifest of which nothing more is known.
    pub const RENDER: Self = Self {
        operation: Operation::Render,
        namespace: Known::Unknown,
        release: Known::Unknown,
        agent_version: Known::Unknown,
    };
}
