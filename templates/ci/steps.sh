#!/usr/bin/env bash
# What the pipelines of this project do, a step at a time: bash ci/steps.sh install|drift|build|publish|steer
# The host's own file says when, and with which secrets. Yours to change; it begins as hakobu @VERSION@ wrote it.
#
#   DEPOT_REMOTE                         where the depot is, for rsync: a mounted folder, or user@server:/srv/depot
#   HUB_DATABASE                         where the devices' counts come home: the database of the hub, as postgresql://...
#   DEVICES_REMOTE                       without a hub: where the devices' state folders are collected, one in it for each
#   SSH_KEY, SSH_KNOWN_HOSTS             if one of them is on a server: base64 of the key, and the server's line
#   RELEASE_KEY, RELEASE_PASSPHRASE      signs boxes:   base64 -w0 keys/release.pem
#   DEPOT_KEYS, DEPOT_PASSPHRASE         signs releases: tar -C depot-keys -cz {MODEL,snapshot,timestamp}.{pem,pub} | base64 -w0
#                                        never those of root and targets
#   REASON                               why it builds, for people
#   ONLY_NEW_DATA=yes                    builds nothing from data that the last release was learned from
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH"

# What must not outlive a step: secrets, and copies of what is elsewhere.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; [ ! -L keys/release.pem ] || rm keys/release.pem' EXIT
export HAKOBU_DEPOT="$scratch/depot" HAKOBU_DEPOT_KEYS="$scratch/keys"
export RSYNC_RSH="ssh -i $scratch/ssh -o UserKnownHostsFile=$scratch/known_hosts -o IdentitiesOnly=yes -o BatchMode=yes"

fail() {
    echo "ci/steps.sh: $*" >&2
    exit 2
}

# The value of a key of hakobu.toml: of model name
of() {
    python3 -c 'import sys, tomllib; print(tomllib.load(open("hakobu.toml", "rb"))[sys.argv[1]][sys.argv[2]])' "$@"
}

# Copies from elsewhere: fetched FROM TO
fetched() {
    if [ -n "${SSH_KEY:-}" ]; then
        (umask 077 && base64 -d <<<"$SSH_KEY" >"$scratch/ssh" && echo "${SSH_KNOWN_HOSTS:-}" >"$scratch/known_hosts")
    fi
    rsync -a --delete "${1%/}/" "$2/"
}

depot_fetched() {
    fetched "${DEPOT_REMOTE:?says where the depot is}" "$scratch/depot"
    cp "$scratch/depot/metadata/timestamp.json" "$scratch/before.json"
}

# Brings the changed depot back, timestamp.json last: until then, devices see it as it was.
depot_sent() {
    local apart=(--exclude metadata.lock --exclude pending.root.json)
    rsync -a "${DEPOT_REMOTE%/}/metadata/timestamp.json" "$scratch/now.json"
    cmp -s "$scratch/before.json" "$scratch/now.json" || fail "the depot was changed meanwhile: run this step again"
    rsync -a "${apart[@]}" --exclude timestamp.json "$scratch/depot/" "${DEPOT_REMOTE%/}/"
    # It has always the same size: of two signed in one second, rsync would take the second for the first.
    rsync -a --ignore-times "$scratch/depot/metadata/timestamp.json" "${DEPOT_REMOTE%/}/metadata/timestamp.json"
}

depot_keys() {
    mkdir -m 700 "$scratch/keys"
    base64 -d <<<"${DEPOT_KEYS:?holds the keys that sign releases}" | tar -C "$scratch/keys" -xz
    local secret=("$scratch"/keys/{root,targets}*.pem)
    [ ${#secret[@]} = 0 ] || fail "DEPOT_KEYS holds ${secret[*]##*/}: keep keys of root and targets away from pipelines"
    export HAKOBU_KEY_PASSPHRASE="${DEPOT_PASSPHRASE:-}"
}

release_key() {
    [ -n "${RELEASE_KEY:-}" ] || return 0
    [ ! -f keys/release.pem ] || fail "keys/release.pem is there: it comes from RELEASE_KEY, and belongs in no repository"
    (umask 077 && base64 -d <<<"$RELEASE_KEY" >"$scratch/release.pem")
    mkdir -p keys
    ln -sf "$scratch/release.pem" keys/release.pem
    export HAKOBU_KEY_PASSPHRASE="${RELEASE_PASSPHRASE:-}"
}

# Brings the table: ci/refresh.sh, if you write one, fetches new rows; DVC has what git has not.
data() {
    [ ! -f ci/refresh.sh ] || bash ci/refresh.sh
    local table
    table=$(of data path)
    [ -e "$table" ] || .venv-dvc/bin/dvc pull "$table"
}

# The very state that is built from becomes a commit with a tag, which `publish` keeps.
committed() {
    local name="${GIT_AUTHOR_NAME:-hakobu}" mail="${GIT_AUTHOR_EMAIL:-hakobu@localhost}"
    git add --update
    git -c user.name="$name" -c user.email="$mail" commit --quiet --allow-empty -m "$1: ${REASON:-built}"
    git tag --force "$1" >/dev/null
    git bundle create --quiet reports/source.bundle "$1" ^HEAD~1
}

install() {
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet -c ci/constraints.txt "hakobu==@VERSION@"
    if [ -d .dvc ]; then # apart, since it asks for other versions; with its remote, like dvc[s3]
        python3 -m venv .venv-dvc
        .venv-dvc/bin/python -m pip install --quiet "${DVC:-dvc==@DVC@}"
    fi
}

# Says whether there is an alarm: one that is open at the hub, or of a device. It is no error here: it makes `build` build.
drift() {
    if [ -n "${HUB_DATABASE:-}" ]; then
        hub_alarms
    else
        devices_drift
    fi
}

# An odd device is mended, not learned from; and what is snoozed builds nothing.
hub_alarms() {
    local code=0
    export HAKOBU_HUB_DATABASE="$HUB_DATABASE"
    python3 -c "import sqlalchemy" 2>/dev/null ||
        .venv/bin/python -m pip install --quiet -c ci/constraints.txt "hakobu[hub]==@VERSION@"
    hakobu hub alarms --model "$(of model name)" --kind drift --kind outcome || code=$?
    case $code in
    0) looked no ;;
    3) looked yes ;;
    *) exit $code ;;
    esac
}

# Holds the counts of every device against training.
devices_drift() {
    local alarm=no broken=0 code device
    fetched "${DEVICES_REMOTE:?says where the devices are}" "$scratch/devices"
    for device in "$scratch"/devices/*/; do
        code=0
        echo "device $(basename "$device")"
        hakobu-run --state "$device" drift || code=$?
        case $code in
        0) ;;
        3) alarm=yes ;;
        *) broken=$code ;;
        esac
    done
    [ -n "${code:-}" ] || fail "there is no device in $DEVICES_REMOTE"
    looked "$alarm"
    [ $alarm = yes ] || exit "$broken"
}

# Leaves what was found for `build`: looked yes|no
looked() {
    mkdir -p reports
    echo "ALARM=$1" | tee reports/drift.env
    [ -z "${GITHUB_OUTPUT:-}" ] || echo "alarm=$1" >>"$GITHUB_OUTPUT"
}

# Builds and judges; exit code 3 when a gate says no. Then reports/ and runs.sqlite tell why.
build() {
    local champion=() new=() code=0 tag
    rm -f reports/built
    if [ -f reports/drift.env ] && grep -qx ALARM=no reports/drift.env; then
        echo "no drift, so nothing is built"
        return
    fi
    data
    depot_fetched
    [ "${ONLY_NEW_DATA:-no}" != yes ] || new=(--only-new-data)
    hakobu depot next --channel "${CHAMPION:-stable}" "${new[@]}" || code=$?
    [ $code != 3 ] || return 0
    [ $code = 0 ] || exit $code
    mkdir -p reports
    tag="$(of model name)-$(of model version)"
    committed "$tag"
    release_key
    [ ! -f reports/champion.hako ] || champion=(--champion reports/champion.hako)
    hakobu build "${champion[@]}"
    echo "dist/$tag.hako" >reports/built
}

# Offers what was built to a few devices of a channel.
publish() {
    local box tag
    if [ ! -f reports/built ]; then
        echo "nothing was built, so nothing is published"
        return
    fi
    box=$(cat reports/built)
    tag=$(basename "$box" .hako)
    depot_fetched
    depot_keys
    hakobu publish "$box" --channel "${CHANNEL:-beta}" --rollout "${ROLLOUT:-10}" --notes "${REASON:-}"
    git fetch --quiet reports/source.bundle "refs/tags/$tag:refs/tags/$tag"
    git push --quiet "${GIT_REMOTE:-origin}" "refs/tags/$tag"
    depot_sent
}

# What people decide: WHAT=promote|rollout|rollback, and PERCENT of the devices of channel TO.
steer() {
    local name to="${TO:-stable}"
    name=$(of model name)
    depot_fetched
    depot_keys
    case "${WHAT:-promote}" in
    promote) hakobu depot promote "$name" "${CHANNEL:-beta}" --to "$to" --rollout "${PERCENT:-100}" ;;
    rollout) hakobu depot rollout "$name" "$to" "${PERCENT:-100}" ;;
    rollback) hakobu depot rollback "$name" "$to" ;;
    *) fail "WHAT is $WHAT; it must be promote, rollout or rollback" ;;
    esac
    depot_sent
}

case "${1:-}" in
install | drift | build | publish | steer) "$1" ;;
*) fail "give one of install, drift, build, publish, steer" ;;
esac
