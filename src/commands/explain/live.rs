//! `explain KIND/NAME`: an object as a cluster has it, and what its record is worth today.

use serde_json::Value;

use super::{
    super::{
        cluster::with_client,
        exit::{Exit, Failure},
        io, policies,
        post_render::known,
        print,
    },
    text::{Head, text},
};
use crate::{
    cli::{Explain, FactsArgs, Output},
    cluster::{
        kinds::{KINDS, Kind},
        objects::Objects,
    },
    engine::{
        self,
        facts::{Facts, Operation},
        object::ObjectView,
        report::{Outcome, Reason, Report},
        setup::{Fresh, Snapshot},
    },
    text::printable,
};

/// What became of an object that the cluster has.
struct Live {
    code: &'static str,
    sentence: &'static str,
    mend: Option<String>,
    report: Report,
}

pub(super) fn run(objects: &[(String, String)], args: &Explain) -> Result<Exit, Failure> {
    let objects: Vec<(Kind, &str)> = objects
        .iter()
        .map(|(kind, name)| Ok((kind_of(kind)?, name.as_str())))
        .collect::<Result<_, Failure>>()?;
    let found = with_client(&args.cluster, async |client| {
        let namespace = args.facts.namespace.as_deref();
        let namespace = namespace.unwrap_or_else(|| client.default_namespace()).to_owned();
        let snapshot = policies::of_cluster(client.clone(), &args.facts).await?;
        let mut found = Vec::new();
        for (kind, name) in &objects {
            let object = Objects::of_kind(client.clone(), *kind, &namespace)
                .get(name)
                .await?;
            found.push(live(*kind, &object, &args.facts, &snapshot)?);
        }
        Ok(found)
    })?;
    match args.output {
        Output::Text => {
            let texts: Vec<String> = found.iter().map(in_words).collect();
            io::print_styled(&texts.join("\n"))?;
        }
        Output::Json => {
            let entries = found.iter().map(for_programs).collect();
            io::print_text(&print::pretty(&entries))?;
        }
    }
    let has_errors = found.iter().any(|one| one.report.has_errors());
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

fn kind_of(word: &str) -> Result<Kind, Failure> {
    Kind::called(word).ok_or_else(|| {
        let known = KINDS.map(|kind| kind.name).join(", ");
        let word = printable(word);
        Failure::Usage(format!(
            "nothing is injected into objects of the kind `{word}`; name one of a {known}"
        ))
    })
}

fn live(kind: Kind, object: &Value, facts: &FactsArgs, snapshot: &Snapshot) -> Result<Live, Failure> {
    let view = ObjectView::read(object)
        .map_err(|_| Failure::Refused(format!("the cluster's {} is no object", kind.name)))?;
    // A pod and a Job are completed as they are created, so they are explained as if they were now; of a pod that has
    // its record the values are those of a manifest.
    let operation = match kind.name {
        "Pod" => Operation::Render,
        "Job" => Operation::Create,
        _ => Operation::Update,
    };
    let facts = Facts {
        operation,
        ..known(facts)
    };
    let planned = engine::plan(&view, &facts, snapshot, &Fresh);
    let anew = engine::explain(&view, &facts, snapshot, &Fresh);
    let is_stale = anew.report.outcome == Outcome::Injected;
    let refreshed = || refreshed(kind, &anew.report);
    let (code, sentence, mend) = match planned.report.outcome {
        Outcome::LeftAlone(Reason::UpToDate) if is_stale => (
            "stale",
            "it belongs to the object's values, but policies and catalogue would give something else now",
            Some(refreshed()),
        ),
        Outcome::Injected => (
            "missed",
            "the object lacks what it needs: it was created or changed while no injector was asked",
            Some(refreshed()),
        ),
        outcome => (outcome.code(), outcome.sentence(), None),
    };
    Ok(Live {
        code,
        sentence,
        mend,
        report: anew.report,
    })
}

/// What brings the object up to date.
fn refreshed(kind: Kind, report: &Report) -> String {
    if matches!(kind.name, "Pod" | "Job") {
        return format!(
            "a {} is completed when it is created: delete it, and have it made again",
            kind.name
        );
    }
    let name = printable(&report.name);
    let namespace = printable(report.namespace.as_deref().unwrap_or_default());
    let word = kind.name.to_ascii_lowercase();
    format!(
        "bring it up to date: kubectl annotate {word} {name} -n {namespace} {}=now",
        crate::names::REFRESH_ANNOTATION
    )
}

fn in_words(live: &Live) -> String {
    let head = Head {
        code: live.code,
        sentence: live.sentence,
        place: "the cluster",
        mend: live.mend.as_deref(),
    };
    text(&live.report, &head)
}

fn for_programs(live: &Live) -> Value {
    let mut entry = print::report(&live.report);
    entry["outcome"] = live.code.into();
    entry
}
