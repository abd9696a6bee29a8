#!/usr/bin/env bash
# Builds the release binary and puts it where plugin.yaml looks for it: bin/<os>-<arch>/, in the words that Helm uses.
#
#   build.sh [TRIPLE]     for this machine, or for another one whose Rust target is installed

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}

case $triple in
    x86_64-*) arch=amd64 ;;
    aarch64-*) arch=arm64 ;;
    *) arch='' ;;
esac
case $triple in
    *-linux-*) os=linux suffix='' ;;
    *-apple-darwin) os=darwin suffix='' ;;
    *-windows-*) os=windows suffix=.exe ;;
    *) os='' suffix='' ;;
esac
if ! grep -q "/bin/$os-$arch/\|\\\\bin\\\\$os-$arch\\\\" plugin.yaml; then
    echo "error: plugin.yaml has no entry for $triple" >&2
    exit 1
fi

# The last artifact that cargo names is the program; asking keeps every way of setting the target folder working.
program=$(cargo build --release --bin alumet-injector ${1:+--target "$1"} --message-format json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)

folder=bin/$os-$arch
mkdir -p "$folder"
# By a rename, so that a Helm that runs the old file just now is not disturbed.
cp "$program" "$folder/.new"
mv -f "$folder/.new" "$folder/alumet-injector$suffix"
echo "deploy/helm-plugin/$folder/alumet-injector$suffix"
