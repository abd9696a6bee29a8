#!/usr/bin/env bash
# Shows the main job: a manifest stream as Helm renders it from the chart, completed, and each injected value explained.
# Needs Rust. With a `helm` on PATH it renders anew; without, it takes the streams of tests/streams.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly release=test-alumet namespace=test
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

title() {
    printf '\n== %s\n\n' "$*"
}

# Prints the configuration that the ConfigMap of component $1 holds in the stream $2.
config_of() {
    awk -v component="$1" '
        /^---/ { kind = ""; ours = 0 }
        /^kind: / { kind = $2 }
        index($0, "injector.alumet.dev/component: " component) { ours = 1 }
        shown && !/^    / && !/^$/ { shown = 0 }
        shown { sub(/^    /, "  "); print }
        kind == "ConfigMap" && ours && /^  config: \|/ { shown = 1 }
    ' "$2"
}

echo "building alumet-injector (a minute or two the first time)"
cargo build --release --quiet
injector=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/alumet-injector

if helm=$(command -v helm) && version=$("$helm" version --template '{{.Version}}' 2>/dev/null); then
    title "helm template $release chart --namespace $namespace (helm $version, from PATH)"
    "$helm" template "$release" chart --namespace "$namespace" >"$work/stream.yaml"
    streams=("$work/stream.yaml")
else
    title "no helm on PATH: the streams that Helm 3 and Helm 4 rendered from the chart, tests/streams/helm3.yaml and helm4.yaml"
    streams=(tests/streams/helm3.yaml tests/streams/helm4.yaml)
fi

for stream in "${streams[@]}"; do
    "$injector" post-render <"$stream" >"$work/$(basename "$stream").completed"
    echo "$(basename "$stream"): $(grep -c '^kind:' "$stream") objects in, $(grep -c '^kind:' "$work/$(basename "$stream").completed") objects out"
done
completed=$work/$(basename "${streams[0]}").completed

title "what happened to each of Alumet's objects, and where each value came from"
"$injector" explain "${streams[0]}"

title "the relay client's configuration"
config_of relay-client "$completed"

title "the relay server's configuration"
config_of relay-server "$completed"

title "try next"
cat <<END
  alumet-injector config relay-client --agent-version 0.9.5    the TOML for values of your own (--values FILE)
  alumet-injector check chart/ci/everything-on-values.yaml     what is wrong with a values file
  alumet-injector catalog rapl                                 all about one plugin
  docs/install.md                                              helm install with the post-renderer
END
echo "  (alumet-injector is ${injector#"$PWD"/})"
