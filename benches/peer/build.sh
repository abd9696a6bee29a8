#!/usr/bin/env bash
# Builds the webhook that the benchmark `webhook` compares with, and prints where it is: nothing where Go is missing or
# cannot build it, for the benchmark does without. Go's own cache makes the second time short. Progress goes to stderr.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=${CARGO_TARGET_DIR:-$here/../../target}/webhook-peer/peer
mkdir -p "$(dirname "$program")"
program=$(cd "$(dirname "$program")" && pwd)/peer

if ! command -v go >/dev/null; then
    echo "without Go there is no webhook on controller-runtime to compare with" >&2
    exit
fi
echo "building a webhook on controller-runtime to compare with; 2 minutes the first time" >&2
# Only what is set here decides about the program; proxy and caches stay the user's own.
if env -u GOOS -u GOARCH -u GOEXPERIMENT \
    GOTOOLCHAIN=local GOWORK=off GO111MODULE=on CGO_ENABLED=0 GOFLAGS=-trimpath \
    go build -C "$here" -mod=readonly -ldflags '-s -w' -o "$program" . >&2; then
    echo "$program"
else
    echo "Go could not build it; it is left out" >&2
fi
