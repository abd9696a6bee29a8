//! Any values for any component: no panic; and what is rendered, the check finds no error in.

#![no_main]

use alumet_injector::{
    agent_config::{Request, check_toml, configure, values::AgentValues},
    finding::Severity,
    names::Component,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str)| {
    let (component, text) = input;
    let component = Component::ALL[usize::from(component) % Component::ALL.len()];
    let (values, findings) = AgentValues::parse(text);
    let configuration = configure(&Request { component, values: &values, layers: &[], release: None, namespace: None });
    let errors = |findings: &[alumet_injector::finding::Finding]| {
        findings.iter().any(|finding| finding.severity == Severity::Error)
    };
    if errors(&findings) || errors(&configuration.findings) {
        return;
    }
    if let Some(toml) = configuration.toml {
        let found = check_toml(&toml, Some(component), values.agent_version.as_deref());
        assert!(!errors(&found), "{toml}\n{found:?}");
    }
});
