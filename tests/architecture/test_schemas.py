"""The API's document names each schema after its class: two classes of one name would describe each other's requests."""

from collections import defaultdict

from tests.described import application, document

METHODS = {"get", "post", "put", "patch", "delete"}


def test_no_two_documented_schemas_share_a_name():
    named = defaultdict(set)
    for view in application().view_functions.values():
        given = getattr(view, "_spec", {})
        schemas = [
            given.get("body"),
            given.get("response", {}).get("schema"),
            *(one for one, *_ in given.get("args", ())),
        ]
        for one in filter(None, schemas):
            named[one.__name__].add(one)
    assert len(named) > 100, "the API documents its bodies"
    assert [name for name, classes in named.items() if len(classes) > 1] == []


def undescribed():
    """Every (tag, method, path) whose success is neither empty nor described by a schema."""
    for path, operations in document()["paths"].items():
        for method in METHODS & operations.keys():
            operation = operations[method]
            for status, answer in operation["responses"].items():
                schemas = [kind.get("schema") for kind in answer.get("content", {}).values()]
                if status.startswith("2") and status != "204" and not (schemas and all(schemas)):
                    yield operation["tags"][0], method, path


def test_every_answer_is_described():
    assert list(undescribed()) == []
