"""Environments: an image with packages, kept as a resource. Nothing is built here: `said` tells what differs."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.assets.versions import Versions, common
from dropml.azureml.core.arm import ArmError, bad_request, conflict, not_found
from dropml.azureml.core.fields import json_body, one_of, properties_of
from dropml.azureml.core.store import Doc

#: What makes an environment: a version keeps these for ever.
_CONTENT = ("image", "build", "condaFile", "osType", "inferenceConfig")
#: The service's own: whatever their version, they are there, each from Microsoft's registry of images.
_CURATED = "azureml-"
#: Of environments that a registry has, Microsoft's own or another: each is taken to be there.
_REGISTRY = "azureml://registries/"
#: Name, and version or label, of what names an environment.
_NAMED = r"(.*?)(?:(?::|/versions/)(.*)|(?:@|/labels/)(.*))?"
#: A name, and the version that it is pinned to; addresses, files and options of pip are no packages.
_PACKAGE = re.compile(
    r"\s*([A-Za-z0-9][\w.\-]*)(?:\s*\[[^\]]*\])?(?=\s*(?:[=<>!~;,@#(]|$))\s*(?:===?\s*([\w.+!]+)(?=\s*(?:[,;#]|$)))?"
)


class Environments(Versions):
    kind, label, segments = "environment", "environment", ("environments", "versions")
    container_verbs = ("GET", "PUT")
    #: azure-ai-ml names an inline environment's version by a hash of 64 characters.
    version_name = re.compile(r"^[a-zA-Z0-9\-_.]{1,64}$")

    # -- curated ones --------------------------------------------------------------------------------------

    def get_doc(self, key: str) -> Doc | None:
        name, _, version = key.partition("/")
        if not name.lower().startswith(_CURATED) or not version:
            return super().get_doc(key)
        image = f"mcr.microsoft.com/azureml/curated/{name[len(_CURATED) :].lower()}:{version}"
        properties = self._normal({"image": image}) | {"environmentType": "Curated"}
        dates = {"created": 0.0, "modified": 0.0}
        return {"name": name, "version": version, "properties": properties, "archived": False, **dates}

    def container_of_the_service(self, name: str) -> Doc | None:
        if not name.lower().startswith(_CURATED):
            return None
        of: Doc = {"description": None, "tags": {}, "properties": {}, "archived": False}
        return {"name": name, "latest": "1", "highest": 1, "created": 0.0, "modified": 0.0, **of}

    def page(self, request: Request) -> Doc:
        name = request.path_params["name"]
        if self.container_of_the_service(name) is None:
            return super().page(request)
        return {"value": [self.shape(self.find(f"{name}/1"))]}

    # -- the wire ------------------------------------------------------------------------------------------

    def missing(self, key: str) -> ArmError:
        return not_found(f"Environment {key.replace('/', ':')} not found.", "NotFound", "EnvironmentNotFound")

    def missing_container(self, name: str) -> ArmError:
        return not_found(f"No environment exists for name: {name}", "NotFound", "EnvironmentNotFound")

    async def put(self, request: Request) -> Response:
        name, version = self.named(request)
        given = properties_of(await json_body(request))
        properties = self._normal(given)
        before = self.get_doc(f"{name}/{version}")
        if before and any(before["properties"][k] != properties[k] for k in _CONTENT):
            # 409: azure-ai-ml tries the latest version first, and takes the next one for this status alone.
            raise conflict(
                f"Environment {name}:{version} already exists with another definition. A version can't be changed: "
                "use a new one."
            )
        doc, new = self.save(name, version, properties)
        return self.stored(doc, request, new=new)

    def _normal(self, given: Doc) -> Doc:
        if given.get("image") and given.get("build"):
            raise bad_request("An environment has an image or a build context, not both.")
        if not given.get("image") and not given.get("build"):
            raise bad_request("An environment needs the field 'image' or 'build'.")
        if given.get("condaFile"):
            _conda(given["condaFile"])
        return {
            **common(given),
            "environmentType": "UserCreated",
            "image": given.get("image"),
            "condaFile": given.get("condaFile"),
            "build": given.get("build"),
            "osType": one_of(given.get("osType") or "Linux", ("Linux", "Windows"), "osType"),
            "inferenceConfig": given.get("inferenceConfig"),
            "autoRebuild": given.get("autoRebuild") or "Disabled",
            "stage": given.get("stage"),
            "provisioningState": "Succeeded",
            "intellectualProperty": None,
        }

    def required(self, environment: Any) -> None:
        """400 for an environment that isn't there, in the service's words; any of a registry is."""
        if not isinstance(environment, str):
            raise bad_request(
                "An environment must be named as azureml:NAME:VERSION, azureml:NAME@latest or by its id."
            )
        if environment.lower().startswith(_REGISTRY) or self.by_id(environment):
            return
        text = environment.rpartition("/environments/")[2].removeprefix("azureml:")
        name, version, label = re.fullmatch(_NAMED, text, re.DOTALL).groups("")  # type: ignore[union-attr]
        raise bad_request(
            f"No environment exists for name: {name}, version: {version}, label: {label}",
            "NotFound",
            "EnvironmentNotFound",
        )

    def said(self, environment: str | None) -> list[str]:
        """Sentences for the log of what runs with an environment: what it would have in Azure and hasn't here."""
        here = f"the Python {'.'.join(map(str, sys.version_info[:3]))} and packages of the emulator"
        if not environment:
            return []
        found = self.by_id(environment)
        if found is None:
            return [f"The environment {environment} isn't registered here: {here} are used."]
        properties = found["properties"]
        base = properties["image"] or "a build context"
        lines = [
            f"The environment {found['name']}:{found['version']} ({base}) isn't built here: {here} are used."
        ]
        return [*lines, *differing(properties["condaFile"])]


def _conda(text: Any) -> Doc:
    if not isinstance(text, str):
        raise bad_request("The conda file must be text.")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise bad_request(f"The conda file is no YAML: {error}") from None
    if not isinstance(found, dict):
        raise bad_request("The conda file must be a mapping with 'dependencies'.")
    return found


def _pip_lines(conda: Doc) -> list[str]:
    """What is no list holds none: the service registers such a file as well, and fails to build it."""
    parts = conda.get("dependencies")
    pips = [part.get("pip") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return [str(line) for pip in pips if isinstance(pip, list) for line in pip]


def differing(conda: str | None) -> list[str]:
    """A sentence on pip's packages of a conda file that aren't installed in the version asked for; none if all are."""
    if not conda:
        return []
    found = []
    for line in _pip_lines(_conda(conda)):
        match = _PACKAGE.match(line)
        if match is None:
            continue
        name, wanted = match.groups()
        try:
            here = version(name)
        except PackageNotFoundError:
            found.append(f"{name} (not installed)")
            continue
        if wanted and here != wanted:
            found.append(f"{name} {wanted} ({here} here)")
    return [f"Of its packages, these differ: {', '.join(found)}."] if found else []
