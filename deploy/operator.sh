#!/bin/sh
# A command of the api in Kubernetes, with its secrets and the owner's, in a Job of its own that is gone afterwards:
#
#   deploy/operator.sh admin tenant list
#
# Needs kubectl and jq. NAMESPACE is liaison where it is not set. The exit code is the command's; Ctrl-C stops the command.
# 124: it did not begin within two minutes, or so many seconds as BEGINS_WITHIN says: an image or a Secret may be missing.
set -eu

job=operator-$(date +%s)-$$
kube() { kubectl -n "${NAMESPACE:-liaison}" "$@"; }
# What this path leads to in the state of the Job's only container.
state() { kube get pods -l "job-name=$job" -o "jsonpath={.items[*].status.containerStatuses[*].state$1}"; }

template=$(kube create job "$job" --from=cronjob/liaison-operator --dry-run=client -o json)
# shellcheck disable=SC2016
wanted=$(printf '%s' "$template" | jq '.spec.template.spec.containers[0].args = $ARGS.positional' --args -- "$@")
trap 'kube delete job "$job" --ignore-not-found --wait=false >/dev/null' EXIT
trap 'exit 130' INT TERM
printf '%s' "$wanted" | kube create -f - >/dev/null

latest=$(($(date +%s) + ${BEGINS_WITHIN:-120}))
until state '' | grep -q 'running\|terminated'; do
    [ "$(date +%s)" -lt "$latest" ] || {
        why=$(state .waiting.reason)
        echo "operator.sh: the command did not begin: ${why:-no container is there}" >&2
        kube describe pods -l "job-name=$job" | sed -n '/^Events:/,$p' >&2
        kube describe job "$job" | sed -n '/^Events:/,$p' >&2
        exit 124
    }
    sleep 1
done
kube logs -f "job/$job"
until code=$(state .terminated.exitCode) && [ -n "$code" ]; do sleep 1; done
exit "$code"
