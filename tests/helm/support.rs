//! Runs one real Helm, alone in a temporary home, and says all that is known when it fails.

use std::{
    env,
    ffi::OsString,
    fmt::{self, Display},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// The binary under test.
pub(crate) const INJECTOR: &str = env!("CARGO_BIN_EXE_alumet-injector");

/// The Helm 4 plugin as users install it.
pub(crate) const PLUGIN: &str = include_str!("../../deploy/helm-plugin/plugin.yaml");

/// A plugin that gives back what it gets: what Helm 4 does to a stream by itself is seen by it.
const COPY_PLUGIN: &str = "\
apiVersion: v1
type: postrenderer/v1
name: copy
version: 0.1.0
runtime: subprocess
runtimeConfig:
  platformCommand:
    - command: cat
";

/// A plugin that gives back what it gets, and keeps it in the file that its argument names.
const KEEP_PLUGIN: &str = "\
apiVersion: v1
type: postrenderer/v1
name: keep
version: 0.1.0
runtime: subprocess
runtimeConfig:
  platformCommand:
    - command: tee
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Major {
    Three,
    Four,
}

impl Major {
    fn variable(self) -> &'static str {
        match self {
            Self::Three => "HELM3",
            Self::Four => "HELM4",
        }
    }
}

/// What Helm hands its stream to before it prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renderer<'a> {
    None,
    /// `cat`.
    Copy,
    /// `tee`: the report is what the renderer got.
    Keep,
    /// `alumet-injector post-render`, with these arguments after those that are always given.
    Injector(&'a [&'a str]),
}

/// One `helm template`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template<'a> {
    pub(crate) chart: &'a Path,
    pub(crate) release: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) values: &'a [&'a Path],
    pub(crate) set: &'a [&'a str],
    pub(crate) renderer: Renderer<'a>,
}

impl<'a> Template<'a> {
    /// The chart with its own values, through no post-renderer, under the names that the tests use.
    pub(crate) fn of(chart: &'a Path) -> Self {
        Self {
            chart,
            release: "test-alumet",
            namespace: "test",
            values: &[],
            set: &[],
            renderer: Renderer::None,
        }
    }
}

/// What came out of a `helm template` that went well.
pub(crate) struct Rendered {
    pub(crate) stdout: String,
    /// What the renderer wrote to its report file; empty where it writes none.
    pub(crate) report: String,
}

/// What is known about a call of Helm that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) call: String,
    pub(crate) stderr: String,
    pub(crate) report: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed\n--- stderr of Helm:\n{}", self.call, self.stderr)?;
        if !self.report.is_empty() {
            write!(f, "--- report of the post-renderer:\n{}", self.report)?;
        }
        Ok(())
    }
}

/// One Helm with homes of its own: nothing of the user's settings, plugins and clusters reaches it.
pub(crate) struct Helm {
    pub(crate) major: Major,
    path: PathBuf,
    home: TempDir,
    /// The cluster that it sees; none without.
    pub(crate) kubeconfig: Option<PathBuf>,
}

impl Helm {
    pub(crate) fn both() -> [Self; 2] {
        [Self::new(Major::Three), Self::new(Major::Four)]
    }

    pub(crate) fn new(major: Major) -> Self {
        let helm = Self {
            major,
            path: program(major.variable()),
            home: tempfile::tempdir().expect("a temporary folder can be made"),
            kubeconfig: None,
        };
        // Helm 3 refuses to load plugins of Helm 4, so it gets none.
        if major == Major::Four {
            let folder = helm.plugins().join("alumet-injector");
            write(&folder.join("plugin.yaml"), PLUGIN);
            lay_binary(&folder);
            write(&helm.plugins().join("copy/plugin.yaml"), COPY_PLUGIN);
            write(&helm.plugins().join("keep/plugin.yaml"), KEEP_PLUGIN);
        }
        helm
    }

    fn plugins(&self) -> PathBuf {
        self.home.path().join("plugins")
    }

    /// Runs Helm with `arguments`; `Err` when it cannot be started or its exit code is not 0.
    pub(crate) fn run(&self, arguments: &[OsString]) -> Result<String, Failure> {
        let mut command = isolated(&self.path, self.home.path());
        command.env("HELM_PLUGINS", self.plugins()).args(arguments);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let output = command
            .output()
            .unwrap_or_else(|e| fail(&format!("{} cannot be started: {e}", self.path.display())));
        outcome(&format!("{:?} {arguments:?}", self.major), output)
    }

    /// Runs `helm template`, which has to go well.
    pub(crate) fn template(&self, template: &Template<'_>) -> Rendered {
        self.try_template(template)
            .unwrap_or_else(|failure| fail(&failure.to_string()))
    }

    pub(crate) fn try_template(&self, template: &Template<'_>) -> Result<Rendered, Failure> {
        let report_file = self.home.path().join("report");
        let mut arguments: Vec<OsString> =
            vec!["template".into(), template.release.into(), template.chart.into()];
        arguments.extend(["--namespace".into(), template.namespace.into()]);
        for file in template.values {
            arguments.extend(["--values".into(), file.into()]);
        }
        for set in template.set {
            arguments.extend(["--set".into(), set.into()]);
        }
        arguments.extend(self.renderer_arguments(template.renderer, &report_file));

        let result = self.run(&arguments);
        // Not there without the injector, and when it could not even begin.
        let report = fs::read_to_string(&report_file).unwrap_or_default();
        match result {
            Ok(stdout) => Ok(Rendered { stdout, report }),
            Err(failure) => Err(Failure { report, ..failure }),
        }
    }

    /// Helm 3 names a program and all its arguments, Helm 4 a plugin that has the first argument already.
    pub(crate) fn renderer_arguments(&self, renderer: Renderer<'_>, report: &Path) -> Vec<OsString> {
        let (program, plugin) = match renderer {
            Renderer::None => return Vec::new(),
            Renderer::Copy => ("cat", "copy"),
            Renderer::Keep => ("tee", "keep"),
            Renderer::Injector(_) => (INJECTOR, "alumet-injector"),
        };
        let mut own: Vec<OsString> = Vec::new();
        if renderer == Renderer::Keep {
            own.push(report.into());
        }
        if let Renderer::Injector(more) = renderer {
            if self.major == Major::Three {
                own.push("post-render".into());
            }
            own.extend(["--report".into(), report.into()]);
            own.extend(more.iter().map(Into::into));
        }
        let name = if self.major == Major::Three {
            program
        } else {
            plugin
        };
        let mut arguments = vec!["--post-renderer".into(), name.into()];
        for argument in own {
            arguments.extend(["--post-renderer-args".into(), argument]);
        }
        arguments
    }
}

/// Runs helm-unittest, which has its own Helm inside.
pub(crate) fn unittest(arguments: &[OsString]) -> Result<String, Failure> {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let path = program("HELM_UNITTEST");
    let output = isolated(&path, home.path())
        .args(arguments)
        .output()
        .unwrap_or_else(|e| fail(&format!("{} cannot be started: {e}", path.display())));
    outcome(&format!("helm-unittest {arguments:?}"), output)
}

/// The program that an environment variable names; the test ends when there is none.
pub(crate) fn program(variable: &str) -> PathBuf {
    located(variable, env::var_os(variable)).unwrap_or_else(|sentence| fail(&sentence))
}

pub(crate) fn located(variable: &str, value: Option<OsString>) -> Result<PathBuf, String> {
    const MEND: &str = "run `make test`, or first `eval \"$(make -s tools-env)\"`";
    let path = PathBuf::from(
        value
            .filter(|v| !v.is_empty())
            .ok_or_else(|| format!("{variable} is not set: {MEND}"))?,
    );
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{variable} is {}, and no file: {MEND}", path.display()))
    }
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("the folder can be made");
    fs::write(path, text).expect("the file can be written");
}

/// Only PATH is handed on: `HELM_NAMESPACE` and its like would change what is rendered.
pub(crate) fn isolated(path: &Path, home: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .stdin(Stdio::null())
        .env("HOME", home)
        .env("KUBECONFIG", home.join("no-cluster"));
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    for (variable, folder) in [
        ("HELM_CACHE_HOME", "cache"),
        ("HELM_CONFIG_HOME", "config"),
        ("HELM_DATA_HOME", "data"),
    ] {
        command.env(variable, home.join(folder));
    }
    command
}

fn outcome(call: &str, output: Output) -> Result<String, Failure> {
    let text =
        |bytes| String::from_utf8(bytes).unwrap_or_else(|e| fail(&format!("{call} wrote no UTF-8: {e}")));
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        return Ok(stdout);
    }
    // What a program printed before it failed is part of the story: helm-unittest tells it on stdout.
    Err(Failure {
        call: call.to_owned(),
        stderr: stderr + &stdout,
        report: String::new(),
    })
}

/// Puts the binary under test where plugin.yaml has it for this machine.
pub(crate) fn lay_binary(plugin: &Path) {
    let os = if env::consts::OS == "macos" {
        "darwin"
    } else {
        env::consts::OS
    };
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let folder = plugin.join(format!("bin/{os}-{arch}"));
    fs::create_dir_all(&folder).expect("the folder can be made");
    let file = folder.join(format!("alumet-injector{}", env::consts::EXE_SUFFIX));
    // A link costs nothing, but only works within one file system.
    fs::hard_link(INJECTOR, &file)
        .or_else(|_| fs::copy(INJECTOR, &file).map(|_| ()))
        .expect("the binary can be laid into the plugin");
}

/// Ends the test that runs.
fn fail(why: &str) -> ! {
    panic!("{why}")
}
