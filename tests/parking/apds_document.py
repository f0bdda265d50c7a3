"""The published APDS document as a validator. It is read from beside the clone and never copied into it.

Three things of the document are taken loosely. Its `oneOf` branches are not exclusive (any place is a Campus too, any
credential is all three kinds), so they are read as `anyOf` and a place is also checked against its own branch. Its
`Reference` must have two properties and may have one, so the limit is left out. And its references run through other references, which JSON Schema does not follow, so they are made direct first.
"""

import json
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PATH = Path(__file__).parents[3] / "shared" / "reference" / "APDS_API_bundled.json"
needs_document = pytest.mark.skipif(
    not PATH.exists(), reason="../shared/reference/APDS_API_bundled.json is not beside this clone"
)
BRANCHES = {
    "campus": "Campus",
    "parkingPlace": "Place",
    "subplaceElement": "SubplaceElement",
    "identifiedArea": "IdentifiedArea",
    "space": "Space",
}


def _steps(reference):
    for step in reference[2:].split("/"):
        yield (
            step.replace("~1", "/")
            .replace("~0", "~")
            .replace("%7B", "{")
            .replace("%7D", "}")
            .replace("%24", "$")
            .replace("%23", "#")
        )


def _direct(document, reference):
    """The path that a reference ends at, and what stands there, through every reference on the way."""
    at, path = document, []
    for step in _steps(reference):
        while isinstance(at, dict) and "$ref" in at:
            path, at = _direct(document, at["$ref"])
        key = int(step) if isinstance(at, list) else step
        at, path = at[key], [*path, step]
    return path, at


def _loosened(document, node):
    if isinstance(node, list):
        return [_loosened(document, each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {"anyOf" if key == "oneOf" else key: _loosened(document, value) for key, value in node.items()}
    if "maxProperties" in node and len(node["required"]) > node["maxProperties"]:
        del found["maxProperties"]
    if isinstance(node.get("$ref"), str):
        path, _ = _direct(document, node["$ref"])
        steps = ["anyOf" if step == "oneOf" else step.replace("~", "~0").replace("/", "~1") for step in path]
        found["$ref"] = "urn:apds#/" + "/".join(steps).replace("{", "%7B").replace("}", "%7D").replace(
            "$", "%24"
        ).replace("#/e", "%23/e")
    return found


@cache
def _document():
    raw = json.loads(PATH.read_text(encoding="utf-8"))
    return _loosened(raw, raw)


def _schema(*path):
    at = _document()
    for step in path:
        at = at[step]
    return at


@cache
def _validator(*path):
    registry = Registry().with_resource("urn:apds", Resource(contents=_document(), specification=DRAFT202012))
    return Draft202012Validator(
        _schema(*path), registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def problems(body, path, method, where):
    """What the document finds wrong with a body; `where` is "request" or a status."""
    part = ("requestBody",) if where == "request" else ("responses", str(where))
    validator = _validator("paths", path, method, *part, "content", "application/json", "schema")
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]


def place_problems(place):
    """What its own branch of the hierarchy finds wrong with a place."""
    schema = _schema("paths", "/places", "post", "requestBody", "content", "application/json", "schema")
    branches = {each["title"]: number for number, each in enumerate(schema["anyOf"])}
    path = ("paths", "/places", "post", "requestBody", "content", "application/json", "schema", "anyOf")
    validator = _validator(*path, branches[BRANCHES[place["type"]]])
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(place)]
