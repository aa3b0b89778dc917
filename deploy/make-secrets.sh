#!/bin/sh
# Fresh secrets for a deployment, one file each, where Compose, Kubernetes and systemd read them.
#
#   deploy/make-secrets.sh FOLDER [HOST[:PORT]/DATABASE]
#
# The address is that of PostgreSQL; without it, the one of deploy/compose.yaml. What is there is kept.
# Keep the folder safe and keep a copy: without api-key-pepper no API key works, without secret-keys no webhook is signed.
set -eu
umask 077

folder=${1:?usage: deploy/make-secrets.sh FOLDER [HOST[:PORT]/DATABASE]}
database=${2:-postgres:5432/liaison}
mkdir -p "$folder"
chmod 700 "$folder"

# Files that are there are not touched. Readable by all, because containers run as users of their own: the folder is shut.
keep() {
    [ -e "$folder/$1" ] || {
        printf '%s\n' "$2" >"$folder/$1"
        chmod 444 "$folder/$1"
    }
}

key() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
password() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

keep postgres-password "$(password)"
keep api-database-url "postgres://crm_app:$(password)@$database"
keep worker-database-url "postgres://crm_worker:$(password)@$database"
keep migration-database-url "postgres://crm_migrator:$(password)@$database"
keep api-key-pepper "$(key)"
keep jwt-keys "1:$(key)"
keep secret-keys "1:$(key)"
