#!/bin/sh
# Renews .sqlx: checks every query of the workspace against a database with all migrations, in a throw-away cluster. With
# --check it only says whether .sqlx is what would come out. Needs nothing that is compiled here, so it works when queries and .sqlx no longer fit together.
set -eu
cd "$(dirname "$0")/.."
mode=${1:-}

bin=$(sh tests/setup.sh pg-bin)
work=$(mktemp -d)
fresh=$(mktemp -d)

# PostgreSQL refuses to run as root.
as_server() {
    if [ "$(id -u)" -ne 0 ]; then
        (cd "$work" && "$@")
    elif id postgres >/dev/null 2>&1; then
        (cd "$work" && setpriv --reuid postgres --regid postgres --clear-groups "$@")
    else
        (cd "$work" && setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups "$@")
    fi
}

cleanup() {
    [ ! -e "$work/data/postmaster.pid" ] || as_server "$bin/pg_ctl" -D "$work/data" -m immediate -s stop || true
    rm -rf "$work" "$fresh"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" -ne 0 ] || chown "$(id -u postgres 2>/dev/null || id -u nobody)" "$work"

# Reachable only through a socket in a folder that nobody else can enter, so it needs no password.
as_server "$bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >/dev/null
as_server "$bin/pg_ctl" -D "$work/data" -w -s -l "$work/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$work' -c fsync=off" start
sql() { "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$work" -U postgres "$@" >/dev/null; }

sql -d postgres -c 'CREATE DATABASE liaison'
set -- -c 'SET ROLE crm_owner'
# Each in a transaction of its own unless it wants none, as the api runs them.
for migration in migrations/*.sql; do
    case $(head -n 1 "$migration") in
    '-- no-transaction'*) set -- "$@" -f "$migration" ;;
    *) set -- "$@" -c begin -f "$migration" -c commit ;;
    esac
done
sql -d liaison -f deploy/roles.sql "$@"

# cargo does not see that the database has changed; the macros have to run again.
grep -rlE 'query[a-z_]*!' --include='*.rs' api shared worker tests | xargs -r touch
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" DATABASE_URL="postgres://postgres@localhost/liaison?host=$work" \
    cargo check --workspace --all-targets

if [ "$mode" = --check ]; then
    diff -rq "$fresh" .sqlx || { echo ".sqlx is stale: make prepare" >&2; exit 1; }
    exit 0
fi
mkdir -p .sqlx
rm -f .sqlx/query-*.json
find "$fresh" -name 'query-*.json' -exec cp {} .sqlx/ \;
echo ".sqlx holds $(find .sqlx -name 'query-*.json' | wc -l) queries"
