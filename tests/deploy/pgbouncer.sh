#!/bin/sh
# Prints the path of a PgBouncer that carries prepared statements over, 1.21 or newer: the installed one, or the one of
# Debian 13, built into folder $1 from Debian's source.
set -eu
folder=${1:?usage: tests/deploy/pgbouncer.sh FOLDER}

new_enough() {
    version=$("$1" --version 2>/dev/null | sed -n 's/^PgBouncer \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    # shellcheck disable=SC2086
    set -- $version
    [ "${1:-0}" -gt 1 ] || { [ "${1:-0}" -eq 1 ] && [ "$2" -ge 21 ]; }
}

installed=$(PATH=$PATH:/usr/sbin command -v pgbouncer || true)
for program in "$installed" "$folder/pgbouncer"; do
    if [ -n "$program" ] && new_enough "$program"; then
        realpath "$program"
        exit
    fi
done

{
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/source"
    # A list of sources of our own: this machine's stays as it is.
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
        >"$folder/sources.list"
    folder=$(realpath "$folder")
    apt() {
        apt-get -q -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- \
            -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root "$@"
    }
    apt update
    (cd "$folder/source" && apt source --download-only pgbouncer)
    tar -xz --strip-components=1 -C "$folder/source" -f "$folder"/source/pgbouncer_*.orig.tar.gz
    (cd "$folder/source" && ./configure -q --without-cares --without-pam && make -s pgbouncer)
    cp "$folder/source/pgbouncer" "$folder/pgbouncer"
} >&2
new_enough "$folder/pgbouncer"
realpath "$folder/pgbouncer"
