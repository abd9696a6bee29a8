#!/usr/bin/env bash
# Gets the programs that the tests run: Helm 3, Helm 4 and helm-unittest, each in one exact version.
#
#   tools.sh plan    say what is there and what would be built, and about how long that takes
#   tools.sh build   build what is missing
#   tools.sh env     the same, then print one `export NAME=path` line a program, and nothing else, on stdout
#
# A program comes from PATH when it stands there in the very version that its go.mod names, else from a cache outside
# the source tree, else Go builds it into that cache. Progress goes to stderr.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The XDG rules say that a relative path counts as none.
case ${XDG_CACHE_HOME:-} in
    /*) cache=$XDG_CACHE_HOME/alumet-injector/tools ;;
    *) cache=$HOME/.cache/alumet-injector/tools ;;
esac
readonly here cache

# name | variable | package | flags for the linker | names on PATH, in the order of trust | first build
# Helm takes its own version from a variable that its release sets: without the flag it calls itself v3.21, or v4.2.
# Helm 3 takes the Kubernetes that it renders for from more of them, and a release sets the one of its client library;
# without them it renders for 1.20. (Helm 4 reads it from the list of its own modules.)
readonly tools='
helm3|HELM3|helm.sh/helm/v3/cmd/helm|-s -w -X helm.sh/helm/v3/internal/version.version=@VERSION@ -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=@KUBE_MINOR@ -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=@KUBE_MINOR@|helm3 helm|2 minutes
helm4|HELM4|helm.sh/helm/v4/cmd/helm|-s -w -X helm.sh/helm/v4/internal/version.version=@VERSION@|helm4 helm|2 minutes
helm-unittest|HELM_UNITTEST|github.com/helm-unittest/helm-unittest/cmd/helm-unittest|-s -w|helm-unittest|1 minute
'

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "error: $*"
    exit 1
}

# Sets the variables that the functions below read: name, variable, package, ldflags, on_path, duration, module,
# version, home (the cache folder of this program) and program (the file in it).
select_tool() {
    IFS='|' read -r name variable package ldflags on_path duration <<<"$1"
    module=${package%/cmd/*}
    version=$(required "$module")
    ldflags=${ldflags//@VERSION@/$version}
    if [[ $ldflags == *@KUBE_MINOR@* ]]; then
        # v0.36.2 of the library is that of Kubernetes 1.36.
        ldflags=${ldflags//@KUBE_MINOR@/$(required k8s.io/client-go | cut -d . -f 2)}
    fi
    home=$cache/$name-$(key)
    program=$home/$name
}

# Prints the version of the module $1 that the go.mod of the selected program requires.
required() {
    awk -v module="$1" '
        $1 == "require" { $1 = ""; $0 = $0 }
        $1 == module { print $2; found = 1; exit }
        END { exit !found }
    ' "$here/$name/go.mod" || die "tests/tools/$name/go.mod does not require $1"
}

# Names one build: the sources by go.sum, and everything else here that decides about the bytes.
key() {
    {
        cat "$here/$name/go.mod" "$here/$name/go.sum"
        printf '%s\n' "$package" "$ldflags" "CGO_ENABLED=0 -trimpath -mod=readonly" "$(uname -s) $(uname -m)"
    } | checksum | cut -c 1-16
}

checksum() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# Whether the program $1 is the selected one in exactly the pinned version. Helm says its version. helm-unittest has no
# such flag, but like every Go program it carries the list of the modules that it was built from.
is_pinned() {
    case $name in
        helm-unittest) LC_ALL=C grep -aqF "$(printf '\t%s\t%s' "$module" "$version")" "$1" ;;
        *) [ "$("$1" version --template '{{.Version}}' 2>/dev/null)" = "$version" ] ;;
    esac
}

# Prints the absolute path of the selected program on PATH; fails when it is not there in the pinned version.
find_on_path() {
    local candidate found
    for candidate in $on_path; do
        found=$(type -P "$candidate") || continue
        found=$(cd "$(dirname "$found")" && pwd)/$(basename "$found")
        if is_pinned "$found"; then
            printf '%s\n' "$found"
            return
        fi
    done
    return 1
}

# Prints where the selected program is, on PATH or in the cache; fails when it has to be built.
find_tool() {
    find_on_path && return
    [ -x "$program" ] && printf '%s\n' "$program"
}

# Ends with one sentence unless a Go that is new enough is there.
need_go() {
    local needed have mend
    needed=$(awk '$1 == "go" { print $2 }' "$here"/*/go.mod | sort -t. -k1,1n -k2,2n -k3,3n | tail -n 1)
    mend="install Go $needed or newer to build $name ${version#v}, or put that version on PATH; \`make check\` and \`make demo\` work without it"
    command -v go >/dev/null || die "Go is missing: $mend"
    have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
    awk -v have="$have" -v needed="$needed" 'BEGIN {
        split(have, h, "."); split(needed, n, ".")
        for (i = 1; i <= 3; i++) if (h[i] + 0 != n[i] + 0) exit h[i] + 0 < n[i] + 0
    }' || die "Go $have is too old: $mend"
}

# Runs "$@" while nobody else builds the selected program. The lock only saves double work: whoever gets past it, as
# where its owner was killed, builds in a folder of his own and renames one file into place.
with_lock() {
    mkdir -p "$home"
    if command -v flock >/dev/null; then
        exec 9>"$home/lock"
        if ! flock -n 9; then
            say "waiting for another build of $name ${version#v}"
            flock 9
        fi
        "$@"
        exec 9>&-
        return
    fi
    local owner waited=0
    until mkdir "$home/lock.d" 2>/dev/null; do
        owner=$(cat "$home/lock.d/owner" 2>/dev/null || true)
        # The number of an owner that is gone; or none at all, of one that did not live to write it.
        if { [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; } || { [ -z "$owner" ] && ((waited > 10)); }; then
            rm -rf "$home/lock.d"
            continue
        fi
        ((waited > 0)) || say "waiting for another build of $name ${version#v}"
        sleep 1
        waited=$((waited + 1))
    done
    held=$home/lock.d
    echo $$ >"$held/owner"
    "$@"
    rm -rf "$held"
    held=
}

# What has to go when this script ends, however it ends.
held=
scratch=
ticker=
cleanup() {
    [ -z "$ticker" ] || kill "$ticker" 2>/dev/null || true
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "$held" ] || rm -rf "$held"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Says twice a minute how far the build is that writes one line for each compiled package to $1.
tick() {
    local second
    for ((second = 1; ; second++)); do
        sleep 1
        kill -0 $$ 2>/dev/null || return 0
        if ((second % 30 == 0)); then
            say "  $name: $second s, $(grep -c -v '^go: ' "$1" || true) packages compiled"
        fi
    done
}

compile() {
    [ ! -x "$program" ] || return 0
    # Left behind by builds that were killed.
    find "$home" -maxdepth 1 -name 'build.*' -mmin +600 -exec rm -rf {} +
    local start=$SECONDS
    scratch=$(mktemp -d "$home/build.XXXXXX")
    say "building $name ${version#v} with Go; about $duration the first time"
    : >"$scratch/log"
    tick "$scratch/log" >&2 9>&- &
    ticker=$!
    # Only what is set here decides about the program; proxy and caches stay the user's own.
    if ! env -u GOOS -u GOARCH -u GOEXPERIMENT \
        GOTOOLCHAIN=local GOWORK=off GO111MODULE=on CGO_ENABLED=0 GOFLAGS=-trimpath \
        go build -C "$here/$name" -v -mod=readonly -ldflags "$ldflags" -o "$scratch/$name" "$package" \
        2>"$scratch/log" 9>&-; then
        tail -n 20 "$scratch/log" >&2
        die "Go could not build $name ${version#v} from tests/tools/$name"
    fi
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    ticker=
    is_pinned "$scratch/$name" || die "the program built from tests/tools/$name does not say that it is $version"
    mv -f "$scratch/$name" "$program"
    rm -rf "$scratch"
    scratch=
    say "  $name: built in $((SECONDS - start)) s"
}

# Calls $1 for each program, selected.
each_tool() {
    local row
    while IFS= read -r row; do
        [ -n "$row" ] || continue
        select_tool "$row"
        "$1"
    done <<<"$tools"
}

missing=0
plan_tool() {
    local found
    if found=$(find_tool); then
        say "  $name ${version#v}: $found"
    else
        need_go
        say "  $name ${version#v}: will be built with Go, about $duration"
        missing=$((missing + 1))
    fi
}

check_tool() {
    find_tool >/dev/null || need_go
}

build_tool() {
    find_tool >/dev/null || with_lock compile
}

export_tool() {
    printf 'export %s=%q\n' "$variable" "$(find_tool)"
}

case ${1:-} in
    plan)
        each_tool plan_tool
        ((missing == 0)) || say "  (the sources come from Go's module proxy; Go's own caches grow by up to 3 GB)"
        ;;
    build)
        each_tool check_tool
        each_tool build_tool
        ;;
    env)
        each_tool check_tool
        each_tool build_tool
        each_tool export_tool
        ;;
    *)
        die "tools.sh takes one of: plan, build, env"
        ;;
esac
