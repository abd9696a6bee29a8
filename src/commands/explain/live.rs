//! `explain KIND/NAME`: an object as a cluster has it, what it is worth today, and where its values come from.

use kube::Client;
use serde_json::Value;

use super::{
    super::{
        cluster::with_client,
        exit::{Exit, Failure},
        io,
        mend::mend,
        policies,
        post_render::known,
        print,
    },
    text::{Head, text},
};
use crate::{
    cli::{Explain, FactsArgs, Output},
    cluster::{
        Error,
        kinds::{CONFIG_MAP, KINDS, Kind},
        objects::Objects,
    },
    engine::{
        self,
        facts::{Facts, Operation},
        object::ObjectView,
        report::{Outcome, Report},
        setup::{Fresh, Snapshot},
        survey::{Standing, Surveyed, made_for, survey_one},
    },
    telemetry::with_causes,
    text::printable,
};

/// An object that the cluster has.
struct Live {
    /// Code and sentence of what it is worth.
    code: &'static str,
    sentence: &'static str,
    /// What there is to do about it, or to know.
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
            let object = view(&object, *kind)?;
            let mounted = mounted(&client, &namespace, &object).await?;
            let mounted = mounted.as_ref().map(|it| view(it, CONFIG_MAP)).transpose()?;
            found.push(live(*kind, &object, mounted.as_ref(), &args.facts, &snapshot));
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

fn view(object: &Value, kind: Kind) -> Result<ObjectView<'_>, Failure> {
    ObjectView::read(object)
        .map_err(|_| Failure::Refused(format!("the cluster's {} is no object", kind.name)))
}

/// The `ConfigMap` with which a workload has to be in step. Without the right to read it the other standings are told.
async fn mounted(
    client: &Client,
    namespace: &str,
    object: &ObjectView<'_>,
) -> Result<Option<Value>, Failure> {
    let Some(name) = made_for(object) else {
        return Ok(None);
    };
    match Objects::of_kind(client.clone(), CONFIG_MAP, namespace)
        .get(name)
        .await
    {
        Ok(config_map) => Ok(Some(config_map)),
        Err(Error::Missing { .. }) => Ok(None),
        Err(error @ Error::ForbiddenResource { .. }) => {
            let out_of_step = Standing::OutOfStep.code();
            io::complain(&format!(
                "warning: it cannot be told whether the object is {out_of_step}: {}\n",
                with_causes(&error)
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn live(
    kind: Kind,
    object: &ObjectView<'_>,
    mounted: Option<&ObjectView<'_>>,
    facts: &FactsArgs,
    snapshot: &Snapshot,
) -> Live {
    let known = known(facts);
    let Surveyed { standing, plan } = survey_one(object, mounted, &known, snapshot, &Fresh);
    // What is completed as it is created alone is explained as if it were created now; of a pod that has its record the
    // values are those of a manifest.
    let operation = match kind.name {
        "Pod" => Operation::Render,
        "Job" | "CronJob" => Operation::Create,
        _ => Operation::Update,
    };
    let facts = Facts { operation, ..known };
    let report = engine::explain(object, &facts, snapshot, &Fresh).report;
    let (code, sentence) = match plan.report.outcome {
        // Why it is left alone says more.
        outcome if standing == Standing::LeftAlone => (outcome.code(), outcome.sentence()),
        _ => (standing.code(), standing.sentence()),
    };
    let keeps_others = operation != Operation::Update && report.outcome == Outcome::Injected;
    let mend = match standing {
        Standing::UpToDate if keeps_others => Some(format!(
            "a {} keeps what it was made with; the values are those of one that is made now",
            kind.name
        )),
        standing => mend(standing, &report),
    };
    Live {
        code,
        sentence,
        mend,
        report,
    }
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
