//! The server as a whole process over TLS, beside a bare echo of the same libraries ("the floor") and beside a webhook
//! on controller-runtime: CPU time per call, latency and memory. Prints one table.
//!
//! The reviews `*.json` are what a real API server (Kubernetes 1.36) sent when the chart was installed with
//! `chart/ci/private-images-values.yaml` and `chart/ci/tainted-nodes-values.yaml`: `pod.json` for a pod of the relay
//! client whose template nobody completed, `pod-complete.json` for one whose template went through `post-render`.
//!
//! `make bench` builds the peer and hands it over in `WEBHOOK_PEER`; without that it is left out.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints what it measured, and what it is doing"
)]

#[cfg(target_os = "linux")]
mod bodies;
#[cfg(target_os = "linux")]
mod echo;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod rounds;
#[cfg(target_os = "linux")]
mod table;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the webhook's benchmark is left out: it reads CPU time and memory from Linux's /proc");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        // How this program starts the others, and itself as the floor.
        [process::ON_CORE, core, program, ref rest @ ..] => process::turn_into(core, program, rest),
        [echo::MODE, port, certificate, key] => echo::serve(port, certificate, key),
        _ => rounds::run().map(|table| println!("{table}")),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
