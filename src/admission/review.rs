//! The question as the API server asks it: the few members of an `AdmissionReview` that are read, borrowing from the
//! body.
//!
//! `oldObject`, `userInfo` and every other member are skipped without being built. The order of the members is free.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    engine::{
        field::{Field, Text, shape_of_object},
        object::ObjectView,
    },
    text::one_line,
};

/// `apiVersion` of the reviews that are taken and answered.
pub(super) const API_VERSION: &str = "admission.k8s.io/v1";

/// `kind` of the reviews that are taken and answered.
pub(super) const KIND: &str = "AdmissionReview";

/// How many bytes a `uid` has at most. The API server sends UUIDs, which have 36.
const MAX_UID: usize = 128;

/// How many characters of a text from the body a message shows at most.
const MAX_SHOWN: usize = 64;

/// Why a body is no question that can be answered. The sentence shows no more of the body than what it complains of.
#[derive(Debug, thiserror::Error)]
pub enum BadReview {
    /// The body is not JSON, holds a member twice, or is nested too deep.
    #[error("the body cannot be read as JSON: {0}; send one {KIND} of {API_VERSION}")]
    Json(#[from] serde_json::Error),
    /// The body is JSON, but a list, a text or the like.
    #[error("the body is no JSON object; send one {KIND} of {API_VERSION}")]
    NotAnObject,
    /// The body is an object of another kind or version.
    #[error(
        "the body has apiVersion `{api_version}` and kind `{kind}`; only an {KIND} of {API_VERSION} is taken"
    )]
    OtherKind {
        /// The `apiVersion` that came.
        api_version: String,
        /// The `kind` that came.
        kind: String,
    },
    /// A member that the answer depends on is not there.
    #[error("the review has no {0}; send the review as the API server writes it")]
    Missing(&'static str),
    /// A member is of another JSON type than the API has for it.
    #[error("{member} of the review is not {expected}; send the review as the API server writes it")]
    WrongType {
        /// The member.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The `uid` is longer than any that the API server makes.
    #[error("request.uid of the review has {0} bytes; at most {MAX_UID} are taken")]
    LongUid(usize),
    /// The operation is none that the API has.
    #[error("request.operation of the review is `{0}`; it must be one of CREATE, UPDATE, DELETE and CONNECT")]
    UnknownOperation(String),
}

/// What is being done with the object, in the API server's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is being created.
    Create,
    /// It is being changed.
    Update,
    /// It is being deleted.
    Delete,
    /// Somebody connects to it, such as `kubectl exec` does to a pod.
    Connect,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Delete, Self::Connect];

    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// A question that can be answered.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// What the answer has to repeat.
    pub(super) uid: Text<'a>,
    /// What is being done.
    pub(super) operation: Operation,
    /// Whether the request is for a part of the object alone.
    pub(super) is_for_subresource: bool,
    /// Whether nothing is going to be stored.
    pub(super) dry_run: bool,
    /// Kind of the object.
    pub(super) kind: Option<Text<'a>>,
    /// Namespace of the object; pods that controllers make have it nowhere else.
    pub(super) namespace: Option<Text<'a>>,
    /// Name of the object, where it has one already.
    pub(super) name: Option<Text<'a>>,
    /// The object; `None` where the request has none, as at its deletion.
    pub(super) object: Option<ObjectView<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Review<'a> {
    #[serde(borrow)]
    api_version: Field<Text<'a>>,
    #[serde(borrow)]
    kind: Field<Text<'a>>,
    #[serde(borrow)]
    request: Field<Request<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request<'a> {
    #[serde(borrow)]
    uid: Field<Text<'a>>,
    #[serde(borrow)]
    kind: Field<GroupVersionKind<'a>>,
    #[serde(borrow)]
    sub_resource: Field<Text<'a>>,
    #[serde(borrow)]
    name: Field<Text<'a>>,
    #[serde(borrow)]
    namespace: Field<Text<'a>>,
    #[serde(borrow)]
    operation: Field<Text<'a>>,
    dry_run: Field<bool>,
    #[serde(borrow)]
    object: Field<ObjectView<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionKind<'a> {
    #[serde(borrow)]
    kind: Field<Text<'a>>,
}

shape_of_object!(Review, Request, GroupVersionKind);

/// Reads a body.
pub(super) fn read(body: &[u8]) -> Result<Question<'_>, BadReview> {
    let Field::Is(review) = serde_json::from_slice::<Field<Review<'_>>>(body)? else {
        return Err(BadReview::NotAnObject);
    };
    let Review {
        api_version,
        kind,
        request,
    } = review;
    let is_ours = api_version.text() == Some(API_VERSION) && kind.text() == Some(KIND);
    if !is_ours {
        let shown = |text: Field<Text<'_>>| one_line(text.text().unwrap_or_default(), MAX_SHOWN);
        return Err(BadReview::OtherKind {
            api_version: shown(api_version),
            kind: shown(kind),
        });
    }
    let Request {
        uid,
        kind,
        sub_resource,
        name,
        namespace,
        operation,
        dry_run,
        object,
    } = checked(request, "request", "an object")?.ok_or(BadReview::Missing("request"))?;

    let uid = text(uid, "request.uid")?.ok_or(BadReview::Missing("request.uid"))?;
    if uid.len() > MAX_UID {
        return Err(BadReview::LongUid(uid.len()));
    }
    let operation = text(operation, "request.operation")?.ok_or(BadReview::Missing("request.operation"))?;
    let operation = Operation::ALL
        .into_iter()
        .find(|known| known.as_str() == operation)
        .ok_or_else(|| BadReview::UnknownOperation(one_line(&operation, MAX_SHOWN)))?;
    let kind = match checked(kind, "request.kind", "an object")? {
        Some(kind) => text(kind.kind, "request.kind.kind")?,
        None => None,
    };
    Ok(Question {
        uid,
        operation,
        is_for_subresource: text(sub_resource, "request.subResource")?.is_some(),
        dry_run: checked(dry_run, "request.dryRun", "a boolean")?.unwrap_or_default(),
        kind,
        namespace: text(namespace, "request.namespace")?,
        name: text(name, "request.name")?,
        object: checked(object, "request.object", "an object")?,
    })
}

/// The object of a body that [`read`] took, with every field; `null` where there is none.
///
/// Questions are many, and of most objects some fields are enough. A policy is read whole, and seldom.
pub(super) fn object(body: &[u8]) -> Result<Value, BadReview> {
    #[derive(Deserialize)]
    struct Review {
        request: Request,
    }
    #[derive(Deserialize)]
    struct Request {
        #[serde(default)]
        object: Value,
    }
    Ok(serde_json::from_slice::<Review>(body)?.request.object)
}

/// The member, where it is there and of the right type.
fn checked<T>(field: Field<T>, member: &'static str, expected: &'static str) -> Result<Option<T>, BadReview> {
    match field {
        Field::Is(value) => Ok(Some(value)),
        Field::Absent => Ok(None),
        Field::Wrong => Err(BadReview::WrongType { member, expected }),
    }
}

/// A member that is a text. An empty one counts as none: Go writes it where there is nothing to say.
fn text<'a>(field: Field<Text<'a>>, member: &'static str) -> Result<Option<Text<'a>>, BadReview> {
    Ok(checked(field, member, "a text")?.filter(|text| !text.is_empty()))
}
