#!/bin/sh
# Makes this machine ready to build and run Liaison; silent when everything is there.
#
#   tests/setup.sh          Rust, a C compiler, PostgreSQL 15 or newer
#   tests/setup.sh dev      the same, but no PostgreSQL when DATABASE_URL names one
#   tests/setup.sh test     all of it, Redis, HAProxy, and what the guides use: curl, jq and Python
#   tests/setup.sh fuzz     all of that, and Python with venv
#   tests/setup.sh pooler   all that tests need, and what PgBouncer is built with
#   tests/setup.sh deploy   Python with venv and systemd-analyze
#   tests/setup.sh observe  promtool and jq
#   tests/setup.sh receivers  all but Redis and HAProxy, and the languages of docs/receivers
#   tests/setup.sh node     Rust, a C compiler and Python with venv
#   tests/setup.sh docs     Python with venv
#   tests/setup.sh pg-bin   installs nothing, prints the folder of PostgreSQL's server programs
#
# What is missing is installed where apt-get exists; elsewhere this says what to install.
# PG_BIN names the folder of an installed PostgreSQL that is not found by itself.
set -eu

rust_minor=95
pg_major=15

die() {
    echo "setup: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $*"
    fi
}

# The major version of the PostgreSQL server in folder $1; nothing when there is none.
server_version() {
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 0
    "$1/postgres" --version 2>/dev/null | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

pg_bin() {
    {
        if [ -n "${PG_BIN:-}" ]; then
            echo "$PG_BIN"
        else
            pg_config --bindir 2>/dev/null || true
            ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5,5nr || true
            ls -d /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin 2>/dev/null | sort -r || true
            dirname "$(command -v postgres || echo /nonexistent/postgres)"
        fi
    } | while read -r folder; do
        version=$(server_version "$folder")
        if [ -n "$version" ] && [ "$version" -ge "$pg_major" ]; then
            echo "$folder"
            break
        fi
    done
}

require_rust() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust 1.$rust_minor or newer from https://rustup.rs"
    minor=$(cargo --version | sed 's/^cargo 1\.\([0-9]*\).*/\1/')
    [ "$minor" -ge "$rust_minor" ] 2>/dev/null ||
        die "$(cargo --version) is too old: Rust 1.$rust_minor or newer is needed, from https://rustup.rs (rustup update)"
}

# The newest packaged PostgreSQL server: postgresql-17.
newest_server_package() {
    apt-cache search --names-only '^postgresql-[0-9]+$' | awk '{print $1}' | sort -t- -k2,2nr | head -n 1
}

# Installs packages without starting their services or creating a database cluster nobody asked for.
apt_install() {
    policy=/usr/sbin/policy-rc.d
    cluster=/etc/postgresql-common/createcluster.d/no-main-cluster.conf
    undo=$cluster
    as_root mkdir -p "${cluster%/*}"
    echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null
    if [ ! -e "$policy" ]; then
        undo="$undo $policy"
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    # shellcheck disable=SC2064,SC2086
    trap "as_root rm -f $undo" EXIT
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
    as_root rm -f $undo
    trap - EXIT
}

install_missing() {
    command -v apt-get >/dev/null || die "please install:$missing"
    echo "setup: installing$missing" >&2
    as_root apt-get update -qq >&2 || echo "setup: apt-get update failed, trying with what is known" >&2
    packages=
    case $missing in *compiler*) packages="$packages gcc libc6-dev" ;; esac
    case $missing in *Redis*) packages="$packages redis-server" ;; esac
    case $missing in *curl*) packages="$packages curl" ;; esac
    case $missing in *HAProxy*) packages="$packages haproxy" ;; esac
    case $missing in *libevent*) packages="$packages dpkg-dev libevent-dev libssl-dev make pkg-config" ;; esac
    case $missing in *systemd*) packages="$packages systemd" ;; esac
    case $missing in *Node*) packages="$packages nodejs" ;; esac
    case $missing in *Python*) packages="$packages python3 python3-venv" ;; esac
    case $missing in *jq*) packages="$packages jq" ;; esac
    case $missing in *Go*) packages="$packages golang-go" ;; esac
    case $missing in *PHP*) packages="$packages php-cli" ;; esac
    case $missing in *Ruby*) packages="$packages ruby ruby-webrick" ;; esac
    case $missing in *Java*) packages="$packages default-jdk-headless" ;; esac
    case $missing in *Mono*) packages="$packages mono-mcs mono-runtime libmono-system4.0-cil" ;; esac
    case $missing in *promtool*) packages="$packages prometheus" ;; esac
    case $missing in *PostgreSQL*)
        server=$(newest_server_package)
        [ "${server#postgresql-}" -ge "$pg_major" ] 2>/dev/null ||
            die "this system packages no PostgreSQL $pg_major or newer: see https://www.postgresql.org/download/ and run again"
        packages="$packages $server"
        ;;
    esac
    # shellcheck disable=SC2086
    apt_install $packages
    case $missing in *Redis* | *HAProxy*)
        ! command -v systemctl >/dev/null || as_root systemctl disable --quiet redis-server haproxy 2>/dev/null || true
        ;;
    esac
    case $missing in *promtool*)
        ! command -v systemctl >/dev/null || as_root systemctl disable --quiet prometheus 2>/dev/null || true
        ;;
    esac
}

find_missing() {
    missing=
    if [ "${1:-}" = observe ]; then
        command -v promtool >/dev/null || missing="$missing, promtool (prometheus)"
        command -v jq >/dev/null || missing="$missing, jq"
        missing=${missing#,}
        return
    fi
    [ "${1:-}" = docs ] || command -v cc >/dev/null || missing="$missing, a C compiler"
    if [ -n "${PG_BIN:-}" ] && [ -z "$(pg_bin)" ]; then
        die "PG_BIN=$PG_BIN holds no PostgreSQL $pg_major or newer (initdb, postgres)"
    fi
    if [ "${1:-}" = deploy ]; then
        command -v systemd-analyze >/dev/null || missing="$missing, systemd-analyze (systemd)"
    elif [ "${1:-}" = docs ] || [ "${1:-}" = node ] || { [ "${1:-}" = dev ] && [ -n "${DATABASE_URL:-}" ]; }; then
        :
    elif [ -z "$(pg_bin)" ]; then
        missing="$missing, PostgreSQL $pg_major or newer (the server)"
    fi
    if [ "${1:-}" = pooler ] && ! pkg-config --exists libevent openssl 2>/dev/null; then
        missing="$missing, libevent and OpenSSL (libevent-dev, libssl-dev, make, pkg-config)"
    fi
    case ${1:-} in fuzz | deploy | node | docs) needs_python=yes ;; *) needs_python= ;; esac
    if [ -n "$needs_python" ] && ! python3 -c 'import ensurepip' 2>/dev/null; then
        missing="$missing, Python 3 (python3, python3-venv)"
    fi
    case ${1:-} in test | fuzz | pooler)
        command -v redis-server >/dev/null || missing="$missing, Redis (redis-server)"
        # Debian's is where only root looks.
        PATH=$PATH:/usr/sbin command -v haproxy >/dev/null || missing="$missing, HAProxy (haproxy)"
        ;;
    esac
    case ${1:-} in test | pooler | receivers)
        command -v curl >/dev/null || missing="$missing, curl"
        command -v jq >/dev/null || missing="$missing, jq"
        command -v python3 >/dev/null || missing="$missing, Python 3"
        ;;
    esac
    [ "${1:-}" != receivers ] || find_missing_languages
    missing=${missing#,}
}

find_missing_languages() {
    command -v node >/dev/null || missing="$missing, Node.js"
    command -v go >/dev/null || missing="$missing, Go"
    command -v php >/dev/null || missing="$missing, PHP"
    ruby -rwebrick -e 1 2>/dev/null || missing="$missing, Ruby with WEBrick"
    command -v javac >/dev/null || missing="$missing, a JDK (Java)"
    { command -v mcs && command -v mono; } >/dev/null || missing="$missing, Mono"
}

case ${1:-} in
pg-bin)
    folder=$(pg_bin)
    [ -n "$folder" ] || die "no PostgreSQL $pg_major or newer found${PG_BIN:+ in PG_BIN=$PG_BIN}: run tests/setup.sh or set PG_BIN"
    echo "$folder"
    ;;
'' | dev | test | fuzz | pooler | deploy | node | receivers | docs | observe)
    case ${1:-} in docs | observe) ;; *) require_rust ;; esac
    find_missing "$@"
    [ -z "$missing" ] || {
        install_missing
        find_missing "$@"
        [ -z "$missing" ] || die "still missing after the installation:$missing"
    }
    ;;
*) die "usage: tests/setup.sh [dev|test|fuzz|pooler|deploy|observe|receivers|node|docs|pg-bin]" ;;
esac
