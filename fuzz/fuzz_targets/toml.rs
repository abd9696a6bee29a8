//! The renderer: any text at a key of the user's is in the TOML what it was, whatever the agent pastes; and any text as
//! TOML is checked without a panic.

#![no_main]

use alumet_injector::{
    agent_config::{Request, check_toml, configure, values::AgentValues},
    names::Component,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    check_toml(text, None, Some("0.9.5"));

    let values = json!({"agentVersion": "0.9.5", "plugins": {"csv": {"enable": true, "output_path": text}}});
    let (values, _) = AgentValues::from_value(&values);
    let request = Request { component: Component::Agent, values: &values, layers: &[], release: None, namespace: None };
    let Some(toml) = configure(&request).toml else { return };
    assert!(!toml.contains("${"), "the agent would paste a variable: {toml}");
    let table: toml::Table = toml.parse().expect("it is TOML");
    assert_eq!(table["plugins"]["csv"]["output_path"].as_str(), Some(text));
});
