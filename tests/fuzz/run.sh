#!/bin/sh
# Fuzzes the running product at PRODUCT_URL by its own document; `with-product` starts one and sets the variables.
# The first pass leaves out what would end its credentials, the second does only that.
set -eu

fuzzer=$1
ending='logout|logoutAll|deleteSession|updateApiKey|patchApiKey|revokeApiKey|rotateApiKey'
here=$(cd "$(dirname "$0")" && pwd)
export SCHEMATHESIS_HOOKS="$here/hooks.py"
# What it writes beside itself belongs to the target folder.
cd "${fuzzer%/bin/*}"
"$fuzzer" --config-file "$here/schemathesis.toml" run "$PRODUCT_URL/openapi.json" \
    --exclude-operation-id-regex "^($ending)\$" --max-examples 25 --max-time 240
"$fuzzer" --config-file "$here/schemathesis.toml" run "$PRODUCT_URL/openapi.json" \
    --include-operation-id-regex "^($ending)\$" --max-examples 25 --max-time 60
