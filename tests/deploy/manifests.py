"""Builds an installation by kustomize and checks what comes out against the schemas of Kubernetes and KEDA."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pykustomize
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject

PODS = {"Deployment", "Job", "CronJob"}


def check_keda(resource):
    """A member that the model does not know is lost on the way through it."""
    model = ScaledObject.model_validate(resource)
    kept = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for member in ("metadata", "spec"):
        assert kept[member] == resource[member], f"{member}: {kept[member]} is not {resource[member]}"


def check_secrets(resource, secrets):
    """Every file that a container is told of is in a secret that is mounted there."""
    job = resource["spec"].get("jobTemplate", resource)
    pod = job["spec"]["template"]["spec"]
    volumes = {v["name"]: v["secret"]["secretName"] for v in pod["volumes"]}
    for container in pod["containers"]:
        mounts = {m["mountPath"]: secrets[volumes[m["name"]]] for m in container["volumeMounts"]}
        for variable in container["env"]:
            path = Path(variable["value"])
            assert path.name in mounts[str(path.parent)], f"{variable} is in no secret"


def main(folder, scaler, bin):
    built = asyncio.run(pykustomize.build(folder))
    resources = [r for r in yaml.safe_load_all(built.yaml) if r]
    kinds = [r["kind"] for r in resources]
    secrets = {r["metadata"]["name"]: r["data"].keys() for r in resources if r["kind"] == "Secret"}
    for resource in resources:
        if resource["kind"] in PODS:
            check_secrets(resource, secrets)
    own = [r for r in resources if r["kind"] == "ScaledObject"]
    assert len(own) == (scaler == "keda") and kinds.count("HorizontalPodAutoscaler") == 2 - len(own), kinds
    for resource in own:
        check_keda(resource)
    file = Path(folder) / "built.yaml"
    file.write_text(yaml.safe_dump_all(r for r in resources if r not in own))
    subprocess.run([f"{bin}/kubernetes-validate", "--strict", "--quiet", file], check=True)
    print(f"  with {scaler}: {len(resources)} resources")


main(*sys.argv[1:])
