#!/bin/sh
# Run once by the image of PostgreSQL, when it makes its database: see deploy/compose.yaml.
set -eu
/deploy/make-roles.sh /run/secrets -U "$POSTGRES_USER" -d "$POSTGRES_DB"
