#!/bin/sh
# What can be said of deploy/ without a cluster, by the tools of those who will read it. `make lint-deploy` installs them.
set -eu
bin=$1   # of the tools' virtual environment
work=$2  # may be emptied
rm -rf "$work"
mkdir -p "$work"

echo "Dockerfile: hadolint"
"$bin/hadolint" --failure-threshold style deploy/Dockerfile

echo "compose.yaml: the Compose specification's schema"
"$bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml

echo "systemd: verify, and an exposure of at most 1.5"
root=$work/root
mkdir -p "$root/etc/systemd/system" "$root/usr/lib/systemd/system" "$root/usr/local/bin"
ln -s usr/lib "$root/lib"
cp deploy/systemd/*.service "$root/etc/systemd/system"
cp -P /lib/systemd/system/*.target /lib/systemd/system/*.slice "$root/usr/lib/systemd/system"
for program in api worker; do
    printf '#!/bin/sh\n' >"$root/usr/local/bin/$program"
    chmod +x "$root/usr/local/bin/$program"
done
units="liaison-api.service liaison-worker@1.service liaison-migrate.service"
# An unknown setting is only told of.
# shellcheck disable=SC2086
told=$(systemd-analyze --root="$root" verify $units 2>&1) || told="${told:-failed}"
[ -z "$told" ] || {
    echo "$told"
    exit 1
}
for unit in liaison-api liaison-worker@ liaison-migrate; do
    systemd-analyze --root="$root" security --offline=true --threshold=15 --no-pager "$unit.service" >"$work/security" || {
        cat "$work/security"
        exit 1
    }
done

echo "Kubernetes: kustomize, the API's schemas, KEDA's"
cp -r deploy/kubernetes "$work/kubernetes"
sh deploy/make-secrets.sh "$work/kubernetes/production/secrets" db.internal:5432/liaison
"$bin/python" tests/deploy/manifests.py "$work/kubernetes/production" keda "$bin"
sed 's|components/keda #.*|components/hpa|' deploy/kubernetes/production/kustomization.yaml \
    >"$work/kubernetes/production/kustomization.yaml"
"$bin/python" tests/deploy/manifests.py "$work/kubernetes/production" hpa "$bin"

echo "shell scripts"
for script in deploy/*.sh deploy/compose/*.sh tests/deploy/*.sh; do sh -n "$script"; done
