//! The answer as the API server reads it, written in one go.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use json_patch::Patch;
use serde::{Serialize, Serializer};

use super::{
    audit::Audit,
    review::{API_VERSION, KIND},
};

/// What is answered to one request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    /// `uid` of the request.
    pub(super) uid: &'a str,
    /// Whether the request goes through.
    pub(super) allowed: bool,
    /// Why not, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Refusal<'a>>,
    /// Stands there with a patch, and only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    /// The patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Base64>,
    /// What the user is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// What the audit log keeps.
    audit_annotations: Audit,
}

/// Why a request does not go through, as the API server tells the user: `metav1.Status`.
#[derive(Debug, Serialize)]
pub(super) struct Refusal<'a> {
    message: &'a str,
    reason: &'static str,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

/// Which object is refused, and each cause, as kubectl lists them where an object is invalid.
#[derive(Debug, Serialize)]
struct Details<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
    causes: &'a [Cause],
}

/// One fault of an object, and where it stands.
#[derive(Debug, Serialize)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) field: String,
}

impl<'a> Refusal<'a> {
    /// Of a request that somebody does not want.
    pub(super) fn forbidden(message: &'a str) -> Self {
        Self {
            message,
            reason: "Forbidden",
            code: 403,
            details: None,
        }
    }

    /// Of an object that says what nobody can do. The words are those of the API server where its own schema refuses.
    pub(super) fn invalid(
        message: &'a str,
        group: &'a str,
        kind: &'a str,
        name: &'a str,
        causes: &'a [Cause],
    ) -> Self {
        Self {
            message,
            reason: "Invalid",
            code: 422,
            details: Some(Details {
                group,
                kind,
                name,
                causes,
            }),
        }
    }
}

impl<'a> Response<'a> {
    /// A response, which lets the request through where it is not refused. An empty patch is the same as none.
    pub(super) fn new(
        uid: &'a str,
        refused: Option<Refusal<'a>>,
        patch: Option<&Patch>,
        warnings: Vec<String>,
        audit_annotations: Audit,
    ) -> Self {
        // Numbers, texts and maps with texts as keys: there is nothing that JSON could not say.
        let patch = patch
            .filter(|patch| !patch.0.is_empty())
            .map(|patch| Base64(serde_json::to_vec(patch).unwrap_or_default()));
        Self {
            uid,
            allowed: refused.is_none(),
            status: refused,
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
            warnings,
            audit_annotations,
        }
    }

    /// The whole review that holds this response.
    pub(super) fn to_review(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Review<'r> {
            api_version: &'static str,
            kind: &'static str,
            response: &'r Response<'r>,
        }
        let review = Review {
            api_version: API_VERSION,
            kind: KIND,
            response: self,
        };
        // As above.
        serde_json::to_vec(&review).unwrap_or_default()
    }
}

/// Bytes that are written in base64 (RFC 4648 section 4), as the Go type `[]byte` is.
#[derive(Debug)]
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(&self.0, &STANDARD))
    }
}
