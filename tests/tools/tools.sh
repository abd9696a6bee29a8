#!/usr/bin/env bash
# Gets the programs that the tests run, each in one exact version: Helm 3, Helm 4, helm-unittest, and a Kubernetes
# control plane.
#
#   tools.sh plan [NAME ...]    say what is there and what would be built, and about how long that takes
#   tools.sh build [NAME ...]   build what is missing
#   tools.sh env [NAME ...]     the same, then print one `export VARIABLE=path` line a program, and nothing else, on stdout
#
# With names, only those programs; without, all.
#
# A program comes from PATH when it stands there in the very version that its go.mod names, else from a cache outside
# the source tree, else Go builds it into that cache. Progress goes to stderr.
#
# Before all that: a program that stands in the folder KUBEBUILDER_ASSETS is taken in whatever version it is, since
# whoever sets that asks for it (say, to test with another Kubernetes); `plan` says which version that is.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The XDG rules say that a relative path counts as none.
case ${XDG_CACHE_HOME:-} in
    /*) cache=$XDG_CACHE_HOME/alumet-injector/tools ;;
    *) cache=$HOME/.cache/alumet-injector/tools ;;
esac
readonly here cache

# folder with a go.mod | flags for the linker | first build
# Helm takes its own version from a variable that its release sets: without the flag it calls itself v3.21, or v4.2.
# Helm 3 takes the Kubernetes that it renders for from more of them, and a release sets the one of its client library;
# without them it renders for 1.20. (Helm 4 reads it from the list of its own modules.) Without its flags the API server
# calls itself v0.0.0-master, and no chart installs that asks for a Kubernetes version.
readonly folders='
helm3|-s -w -X helm.sh/helm/v3/internal/version.version=@VERSION@ -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=@CLIENT_MINOR@ -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=@CLIENT_MINOR@|2 minutes
helm4|-s -w -X helm.sh/helm/v4/internal/version.version=@VERSION@|2 minutes
helm-unittest|-s -w|1 minute
etcd|-s -w|1 minute
kubernetes|-s -w -X k8s.io/component-base/version.gitVersion=@VERSION@ -X k8s.io/client-go/pkg/version.gitVersion=@VERSION@ -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=@MINOR@ -X k8s.io/component-base/version.gitTreeState=clean|8 minutes
kwok|-s -w|2 minutes
'

# name | variable | folder | package | names on PATH, in the order of trust
readonly programs='
helm3|HELM3|helm3|helm.sh/helm/v3/cmd/helm|helm3 helm
helm4|HELM4|helm4|helm.sh/helm/v4/cmd/helm|helm4 helm
helm-unittest|HELM_UNITTEST|helm-unittest|github.com/helm-unittest/helm-unittest/cmd/helm-unittest|helm-unittest
etcd|ETCD|etcd|go.etcd.io/etcd/server/v3|etcd
kube-apiserver|KUBE_APISERVER|kubernetes|k8s.io/kubernetes/cmd/kube-apiserver|kube-apiserver
kube-controller-manager|KUBE_CONTROLLER_MANAGER|kubernetes|k8s.io/kubernetes/cmd/kube-controller-manager|kube-controller-manager
kube-scheduler|KUBE_SCHEDULER|kubernetes|k8s.io/kubernetes/cmd/kube-scheduler|kube-scheduler
kubectl|KUBECTL|kubernetes|k8s.io/kubernetes/cmd/kubectl|kubectl
kwok|KWOK|kwok|sigs.k8s.io/kwok/cmd/kwok|kwok
'

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "error: $*"
    exit 1
}

# Sets the variables that the functions below read: name, variable, folder, package, on_path, ldflags, duration, module,
# version, home (the cache folder of this build), program (the file in it) and built (what Go calls it).
select_program() {
    IFS='|' read -r name variable folder package on_path <<<"$1"
    IFS='|' read -r _ ldflags duration <<<"$(grep "^$folder|" <<<"$folders")"
    module=${package%/cmd/*}
    version=$(required "$module")
    built=${package%/v[0-9]}
    built=${built##*/}
    ldflags=${ldflags//@VERSION@/$version}
    ldflags=${ldflags//@MINOR@/$(cut -d . -f 2 <<<"$version")}
    if [[ $ldflags == *@CLIENT_MINOR@* ]]; then
        # v0.36.2 of the library is that of Kubernetes 1.36.
        ldflags=${ldflags//@CLIENT_MINOR@/$(required k8s.io/client-go | cut -d . -f 2)}
    fi
    home=$cache/$folder-$(key)
    program=$home/$name
}

# Prints the version of the module $1 that the go.mod of the selected program requires.
required() {
    awk -v module="$1" '
        $1 == "require" { $1 = ""; $0 = $0 }
        $1 == module { print $2; found = 1; exit }
        END { exit !found }
    ' "$here/$folder/go.mod" || die "tests/tools/$folder/go.mod does not require $1"
}

# Prints the packages that are built together with the selected program.
packages() {
    awk -F '|' -v folder="$folder" '$3 == folder { print $4 }' <<<"$programs"
}

# Names one build: the sources by go.sum, and everything else here that decides about the bytes.
key() {
    {
        cat "$here/$folder/go.mod" "$here/$folder/go.sum"
        packages
        printf '%s\n' "$ldflags" "CGO_ENABLED=0 -trimpath -mod=readonly" "$(uname -s) $(uname -m)"
    } | checksum | cut -c 1-16
}

checksum() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# Prints the version that the program $1 says it is, written as a go.mod does; nothing when it does not say. helm-unittest
# has no flag for it, but like every Go program it carries the list of the modules that it was built from.
said_version() {
    case $name in
        helm3 | helm4) "$1" version --template '{{.Version}}' ;;
        helm-unittest) LC_ALL=C grep -aoE "$(printf '\t%s\tv[0-9][0-9A-Za-z.+-]*' "$module")" "$1" | cut -f 3 | sed -n 1p ;;
        etcd) "$1" --version | sed -n 's/^etcd Version: /v/p' ;;
        kubectl) "$1" version --client -o json | sed -n 's/.*"gitVersion": "\([^"]*\)".*/\1/p' ;;
        kube-*) "$1" --version | sed -n 's/^Kubernetes //p' ;;
        kwok) "$1" --version | sed -n 's/^kwok version \([^ ]*\).*/\1/p' ;;
    esac 2>/dev/null || true
}

# Whether the program $1 is the selected one in exactly the pinned version.
is_pinned() {
    [ "$(said_version "$1")" = "$version" ]
}

# Prints the absolute path of $1.
absolute() {
    printf '%s/%s\n' "$(cd "$(dirname "$1")" && pwd)" "$(basename "$1")"
}

# Prints the absolute path of the selected program in KUBEBUILDER_ASSETS, in any version; fails when it is not there.
find_asset() {
    local candidate=${KUBEBUILDER_ASSETS:-}/$name
    [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -f "$candidate" ] && [ -x "$candidate" ] && absolute "$candidate"
}

# Prints the absolute path of the selected program on PATH; fails when it is not there in the pinned version.
find_on_path() {
    local candidate found
    for candidate in $on_path; do
        found=$(type -P "$candidate") || continue
        if is_pinned "$found"; then
            absolute "$found"
            return
        fi
    done
    return 1
}

# Prints where the selected program is; fails when it has to be built.
find_program() {
    find_asset && return
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
            say "waiting for another build of $folder ${version#v}"
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
        ((waited > 0)) || say "waiting for another build of $folder ${version#v}"
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
            say "  $folder: $second s, $(grep -c -v '^go: ' "$1" || true) packages compiled"
        fi
    done
}

# Builds the selected program, and what else its folder gives.
compile() {
    [ ! -x "$program" ] || return 0
    # Left behind by builds that were killed.
    find "$home" -maxdepth 1 -name 'build.*' -mmin +600 -exec rm -rf {} +
    local start=$SECONDS
    scratch=$(mktemp -d "$home/build.XXXXXX")
    say "building $folder ${version#v} with Go; about $duration the first time"
    : >"$scratch/log"
    tick "$scratch/log" >&2 9>&- &
    ticker=$!
    # Only what is set here decides about the programs; proxy and caches stay the user's own.
    # shellcheck disable=SC2046 # Package paths have no spaces.
    if ! env -u GOOS -u GOARCH -u GOEXPERIMENT \
        GOTOOLCHAIN=local GOWORK=off GO111MODULE=on CGO_ENABLED=0 GOFLAGS=-trimpath \
        go build -C "$here/$folder" -v -mod=readonly -ldflags "$ldflags" -o "$scratch/bin/" $(packages) \
        2>"$scratch/log" 9>&-; then
        tail -n 20 "$scratch/log" >&2
        die "Go could not build $folder ${version#v} from tests/tools/$folder"
    fi
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    ticker=
    local row
    while IFS= read -r row; do
        select_program "$row"
        is_pinned "$scratch/bin/$built" || die "$name, built from tests/tools/$folder, does not say that it is $version"
        mv -f "$scratch/bin/$built" "$program"
    done <<<"$(awk -F '|' -v folder="$folder" '$3 == folder' <<<"$programs")"
    rm -rf "$scratch"
    scratch=
    say "  $folder: built in $((SECONDS - start)) s"
}

# Calls $1 for each program that was asked for, selected.
each_program() {
    local row
    while IFS= read -r row; do
        [ -n "$row" ] || continue
        # The name is what a row begins with; to select it takes longer.
        [[ -z $asked || " $asked " == *" ${row%%|*} "* ]] || continue
        select_program "$row"
        "$1"
    done <<<"$programs"
}

missing=
plan_program() {
    local found
    if found=$(find_asset); then
        say "  $name $(said_version "$found" | sed 's/^v//'): $found (KUBEBUILDER_ASSETS)"
    elif found=$(find_program); then
        say "  $name ${version#v}: $found"
    elif [[ " $missing " == *" $folder "* ]]; then
        say "  $name ${version#v}: will be built with Go, in the same build"
    else
        need_go
        say "  $name ${version#v}: will be built with Go, about $duration"
        missing="$missing $folder"
    fi
}

check_program() {
    find_program >/dev/null || need_go
}

build_program() {
    find_program >/dev/null || with_lock compile
}

export_program() {
    printf 'export %s=%q\n' "$variable" "$(find_program)"
}

command=${1:-}
asked=${*:2}
for one in $asked; do
    grep -q "^$one|" <<<"$programs" || die "tools.sh knows no program $one"
done
case $command in
    plan)
        each_program plan_program
        [ -z "$missing" ] || say "  (the sources come from Go's module proxy; Go's own caches grow by up to 7 GB)"
        ;;
    build)
        each_program check_program
        each_program build_program
        ;;
    env)
        each_program check_program
        each_program build_program
        each_program export_program
        ;;
    *)
        die "tools.sh takes one of: plan, build, env"
        ;;
esac
