#!/bin/sh
# Runs a command whenever a source file changes, and once at first: `tests/watch.sh COMMAND ARGUMENTS…`.
# Looks twice a second: that takes some milliseconds and needs nothing installed.
set -eu
cd "$(dirname "$0")/.."
seen=$(mktemp)
trap 'rm -f "$seen"' EXIT
trap 'exit 130' INT TERM

changed() {
    find api worker shared tests migrations docs Cargo.toml -newer "$seen" \
        \( -name '*.rs' -o -name '*.sql' -o -name '*.lua' -o -name '*.toml' -o -name '*.md' \) -print | head -n 1
}

while :; do
    # Before the command: what is saved while it runs has it run again.
    touch "$seen"
    if "$@"; then said="all is well"; else said="failed"; fi
    echo "— $(date +%T) $said; waiting for a change, Ctrl-C ends —"
    while what=$(changed) && [ -z "$what" ]; do sleep 0.5; done
    echo "— $what —"
done
