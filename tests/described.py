"""Whether the service answers what its own description says: the status, the content type and the body."""

import re
from functools import cache

from flask import request
from jsonschema import Draft202012Validator, FormatChecker

from service.api.explanation_documents import TapExplanationBody
from service.app import create_app
from service.settings import Settings


@cache
def application():
    return create_app(Settings(database_url="postgresql://nobody@localhost/none"))


@cache
def document():
    with application().app_context():
        return application().spec


@cache
def _validator(path, method, status, kind):
    schema = document()["paths"][path][method]["responses"][status]["content"][kind]["schema"]
    whole = {**schema, "components": document()["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def mistakes(answer):
    """What the description does not say of this answer to the running request; refusals are not looked at."""
    if request.url_rule is None or not 200 <= answer.status_code < 300:
        return []
    path, method = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", request.url_rule.rule), request.method.lower()
    operation = document()["paths"].get(path, {}).get(method)
    if operation is None:
        return []
    status, kind = str(answer.status_code), answer.mimetype
    at = f"{request.method} {path} {status}"
    if status not in operation["responses"]:
        return [f"{at} is not described"]
    kinds = operation["responses"][status].get("content", {})
    if kinds and kind not in kinds:
        return [f"{at} is {kind}, not {' or '.join(kinds)}"]
    if not answer.is_json:
        return []
    errors = _validator(path, method, status, kind).iter_errors(answer.json)
    return [f"{at} {error.json_path}: {error.message[:200]}" for error in errors]


def told(explanation):
    """A tap's explanation as the API answers it; fails where the description does not know a field."""
    return TapExplanationBody.model_validate(explanation).model_dump(mode="json")
