//! The arguments that the injector's chart renders are ones that the program takes, and its times fit each other.

use std::{fs, time::Duration};

use alumet_injector::cli::{Cli, Command, Serve};
use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;

use crate::{
    files::root,
    injector_chart::{ci_files, rendered},
    support::{Helm, Major},
};

fn serve_command() -> clap::Command {
    let program = Cli::command();
    program
        .find_subcommand("serve")
        .expect("the program serves")
        .clone()
}

/// The arguments of a rendered Deployment.
fn arguments(deployment: &Value) -> Vec<&str> {
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    arguments
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .collect()
}

/// The arguments as the program reads them.
fn read(arguments: &[&str]) -> Result<Serve, String> {
    let words = ["alumet-injector"].iter().chain(arguments);
    match Cli::try_parse_from(words) {
        Ok(Cli {
            command: Some(Command::Serve(serve)),
            ..
        }) => Ok(*serve),
        Ok(other) => Err(format!("it is not `serve`: {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_program_takes_what_the_chart_renders_and_is_given_time() {
    let helm = Helm::new(Major::Four);
    let mut count = 0;
    for file in ci_files() {
        let objects = rendered(&helm, &file);
        let Some(deployment) = objects.values().find(|one| one["kind"] == "Deployment") else {
            continue;
        };
        let arguments = arguments(deployment);
        let serve = read(&arguments).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let pod = &deployment["spec"]["template"]["spec"];
        let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
        assert!(
            grace > serve.shutdown_delay + serve.drain_timeout,
            "{}: killed after {grace:?}",
            file.display()
        );
        let configuration = objects
            .values()
            .find(|one| one["kind"] == "MutatingWebhookConfiguration")
            .unwrap();
        let waits = Duration::from_secs(configuration["webhooks"][0]["timeoutSeconds"].as_u64().unwrap());
        assert!(
            serve.request_timeout < waits,
            "{}: an answer that nobody waits for",
            file.display()
        );
        for (name, address) in [("https", serve.listen), ("metrics", serve.admin_listen)] {
            let ports = pod["containers"][0]["ports"].as_array().unwrap();
            let port = ports.iter().find(|port| port["name"] == name).unwrap();
            assert_eq!(
                port["containerPort"],
                address.port(),
                "{}: {name}",
                file.display()
            );
        }
        count += 1;
    }
    assert!(count >= 4, "only {count} files were read");
}

/// `maxBodyBytes` is `max-body-bytes`, `bodyTimeoutSeconds` is `body-timeout`.
fn flag(value: &str) -> String {
    let name = value.strip_suffix("Seconds").unwrap_or(value);
    name.chars()
        .flat_map(|c| {
            let dash = c.is_ascii_uppercase().then_some('-');
            dash.into_iter().chain([c.to_ascii_lowercase()])
        })
        .collect()
}

/// What values.yaml says of a value that it leaves to the program is what the program does.
#[test]
fn the_defaults_that_are_told_are_those_of_the_program() {
    let text = fs::read_to_string(root("deploy/injector/values.yaml")).unwrap();
    let (_, server) = text.split_once("\nserver:\n").unwrap();
    let (server, _) = server.split_once("\nservice:\n").unwrap();
    let lines: Vec<&str> = server.lines().map(str::trim).collect();
    let command = serve_command();
    let mut count = 0;
    for pair in lines.windows(2) {
        let Some(value) = pair[1].strip_suffix(": null") else {
            continue;
        };
        let (_, told) = pair[0].split_once("Default: ").expect("the default is told");
        let name = flag(value);
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_long() == Some(&name))
            .unwrap_or_else(|| panic!("no --{name}"));
        let unit = if value.ends_with("Seconds") { "s" } else { "" };
        let defaults = argument.get_default_values();
        assert_eq!(defaults, [format!("{told}{unit}").as_str()], "--{name}");
        count += 1;
    }
    assert!(count >= 12, "only {count} values were found");
}
