"""The problem types that the API may answer with, each at the address its documents name."""

from typing import Final

from apiflask import APIBlueprint, abort

from service.api.bodies import Body
from service.auth import public
from service.problems import TABLE

blueprint: Final = APIBlueprint("problems", __name__, tag="Operations")


class ProblemTypeBody(Body):
    """A problem type; `retry`: the same request may succeed later."""

    type: str
    title: str
    status: int
    retry: bool


class ProblemTypesBody(Body):
    """Every problem type."""

    problems: list[ProblemTypeBody]


@blueprint.get("/problems")
@public("documentation")
@blueprint.output(ProblemTypesBody)
def list_problems() -> dict[str, list[dict[str, object]]]:
    """Return every problem type."""
    return {"problems": [_described(name) for name in sorted(TABLE)]}


@blueprint.get("/problems/<name>")
@public("documentation")
@blueprint.output(ProblemTypeBody)
def get_problem(name: str) -> dict[str, object]:
    """Return one problem type."""
    if name not in TABLE:
        abort(404)
    return _described(name)


def _described(name: str) -> dict[str, object]:
    row = TABLE[name]
    return {"type": f"/problems/{name}", "title": row.title, "status": row.status, "retry": row.retry}
