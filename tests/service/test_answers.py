"""An answer that its description does not fit: it was done, so it is told, and the log says that the description is wrong."""

import json

import pytest
from apiflask import APIBlueprint, APIFlask
from pydantic import BaseModel

import service.api  # noqa: F401  (holds answers against their descriptions)
from service import logs, problem_answers


class Counted(BaseModel):
    """A number and who counted it."""

    count: int
    by: str | None = None


@pytest.fixture
def client():
    blueprint = APIBlueprint("told", __name__)
    answers = {
        "fits": {"count": 1, "by": "clerk"},
        "fewer": {"by": "clerk"},
        "other": {"count": "many", "by": None},
        "list": [{"count": 1}, {"count": "x"}],
    }

    @blueprint.get("/<name>")
    @blueprint.output(Counted)
    def told(name):
        return answers[name]

    app = APIFlask(__name__)
    problem_answers.install(app)
    app.register_blueprint(blueprint)
    return app.test_client()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("fits", {"count": 1, "by": "clerk"}),
        ("fewer", {"by": "clerk"}),
        ("other", {"count": "many", "by": None}),
        ("list", [{"count": 1}, {"count": "x"}]),
    ],
)
def test_what_was_done_is_told_whatever_its_description_says(client, capsys, name, body):
    logs.configure("info")
    answer = client.get(f"/{name}")
    assert (answer.status_code, answer.get_json()) == (200, body)
    said = [line for line in capsys.readouterr().err.splitlines() if "answer.undescribed" in line]
    assert len(said) == (name != "fits")
    assert "many" not in "".join(said), "a value is nobody's business in a log"
    assert all(json.loads(line)["schema"] == "Counted" for line in said)
