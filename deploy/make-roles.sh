#!/bin/sh
# The database's roles, with the passwords of the secrets' folder: once per database; harmless again.
#
#   deploy/make-roles.sh FOLDER [psql options: -h HOST -U LOGIN -d DATABASE …]
#
# The login is a superuser, or one with CREATEROLE that owns the database.
set -eu

folder=${1:?usage: deploy/make-roles.sh FOLDER [psql options]}
shift
here=$(cd "$(dirname "$0")" && pwd)

psql -X -q -v ON_ERROR_STOP=1 "$@" -f "$here/roles.sql"
# The password in an address, which must be one that stands for itself.
password() {
    found=$(sed -n 's|^postgres\(ql\)\{0,1\}://[^:@/]*:\([^:@/]*\)@.*|\2|p' "$folder/$1")
    case $found in
    '' | *[!A-Za-z0-9._~-]*)
        echo "make-roles.sh: $folder/$1: write postgres://LOGIN:PASSWORD@…, the password of letters, digits and . _ ~ -" >&2
        return 1
        ;;
    esac
    printf '%s' "$found"
}

for role in crm_app:api crm_worker:worker crm_migrator:migration; do
    login=${role%:*}
    password=$(password "${role#*:}-database-url")
    # By standard input: arguments are visible to everyone on the machine.
    psql -X -q -v ON_ERROR_STOP=1 "$@" <<SQL
do \$\$ begin create role $login login; exception when duplicate_object then null; end \$\$;
alter role $login password '$password';
SQL
done
psql -X -q -v ON_ERROR_STOP=1 "$@" -c 'grant crm_owner to crm_migrator'
