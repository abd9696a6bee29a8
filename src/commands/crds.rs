//! `crds`: policies as custom resources, for `kubectl apply -f -`.

use super::{
    exit::{Exit, Failure},
    io,
};
use crate::{manifest::emit::to_yaml, policy_document::definition::definitions};

pub(super) fn run() -> Result<Exit, Failure> {
    let documents = definitions().map(|definition| format!("---\n{}", to_yaml(&definition)));
    io::print_text(&documents.concat())?;
    Ok(Exit::Done)
}
