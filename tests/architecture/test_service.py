"""Every route names its authentication and keeps to it; every refusal has its row; every setting its words."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from datetime import timedelta
from uuid import UUID

import pytest

from access import issue
from kernel.errors import DomainError
from kernel.ids import FareAccountId, OperatorId
from service import auth, problems, riders, staff
from service.audit import Actor, ActorKind
from service.auth import Kind
from service.settings import PREFIX, Settings
from service.staff import Grant, Role

HOUSES = ("kernel", "ledger", "access", "fare", "parking", "service")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def domain_errors() -> set[type[DomainError]]:
    for house in HOUSES:
        package = importlib.import_module(house)
        for module in pkgutil.walk_packages(package.__path__, f"{house}."):
            if module.name not in {"service.__main__", "service.gunicorn_conf"}:
                importlib.import_module(module.name)
    found, waiting = set(), [DomainError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.split(".")[0] in HOUSES:
                found.add(kind)
                waiting.append(kind)
    return found


def test_every_domain_error_has_a_problem_row_and_a_name_of_its_own():
    by_slug = {}
    for kind in domain_errors():
        by_slug.setdefault(problems.slug(kind), []).append(f"{kind.__module__}.{kind.__name__}")
    missing = {slug: kinds for slug, kinds in by_slug.items() if slug not in problems.TABLE}
    assert not missing, f"service/problems.py lacks a row: {missing}"
    assert not {slug: kinds for slug, kinds in by_slug.items() if len(kinds) > 1}, (
        "two errors, one problem type"
    )


def test_every_problem_row_belongs_to_an_error():
    assert set(problems.TABLE) <= {problems.slug(kind) for kind in domain_errors()}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("HoldAlreadyPostedError", "hold-already-posted"),
        ("QRUnknownError", "qr-unknown"),
        ("IdReusedError", "id-reused"),
    ],
)
def test_slug_is_the_class_name_in_kebab_case(name, slug):
    assert problems.slug(type(name, (Exception,), {})) == slug


def test_every_setting_says_what_it_means():
    vague = [name for name, field in Settings.model_fields.items() if len(field.description or "") < 20]
    assert not vague


def test_every_setting_is_read_somewhere(request):
    """A setting that nothing reads lies to the operator."""
    root = request.config.rootpath
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("service", "demo", "bench")
        for path in (root / folder).rglob("*.py")
        if path.name != "settings.py"
    )
    code += (root / "service/settings.py").read_text("utf-8").split("@property")[-1]
    unread = [n for n in Settings.model_fields if f".{n}" not in code and f"{PREFIX}{n.upper()}" not in code]
    assert not unread


@pytest.fixture
def tokens(app):
    """A live token for every role."""
    services = app.extensions["lienthong"]
    now = services.clock.now()
    made = {}
    for role in Role:
        operator = OperatorId("parking-dongda" if role is Role.PARKING_OPERATOR else "")
        with services.database.begin() as tx:
            _, made[role] = staff.add_credential(
                tx,
                name=role.value,
                grant=Grant(role, operator),
                valid=timedelta(days=1),
                by=Actor(ActorKind.COMMAND, "test"),
                now=now,
            )
    return made


def routes(app):
    """Every (endpoint, method, address, marker), with plausible values in the address."""
    adapter = app.url_map.bind("localhost")
    samples = {
        "UUIDConverter": UUID(int=0),
        "IntegerConverter": 1,
        "PathConverter": "none",
        "UnicodeConverter": "none",
    }
    for rule in app.url_map.iter_rules():
        arguments = {name: samples[type(converter).__name__] for name, converter in rule._converters.items()}
        address = adapter.build(rule.endpoint, arguments, method=next(iter(rule.methods & METHODS)))
        for method in sorted(rule.methods & METHODS):
            yield rule.endpoint, method, address, auth.marker_of(app, rule.endpoint)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_routes_when_nobody_asks_let_nobody_in(app, client):
    for endpoint, method, address, marker in routes(app):
        answer = client.open(address, method=method)
        if marker.kind is Kind.ROLES:
            assert answer.status_code in {401, 302}, (endpoint, method, answer.status_code)
            if answer.status_code == 302:
                assert answer.location.startswith("/sign-in"), endpoint
        elif marker.kind is Kind.DEVICE_SIGNED:
            assert answer.json["type"] == "/problems/request-signature", (endpoint, method)
        elif marker.kind is not Kind.PUBLIC:
            assert 400 <= answer.status_code < 500, (endpoint, method, answer.status_code)
        answer.close()


def test_routes_when_the_token_is_unknown_refuse(app, client):
    for endpoint, method, address, marker in routes(app):
        if marker.kind is Kind.ROLES:
            answer = client.open(address, method=method, headers=bearer("lt_nobody"))
            assert answer.status_code == 401, (endpoint, method)


@pytest.mark.parametrize("role", list(Role))
def test_routes_by_role(app, client, tokens, role):
    """Each role reaches exactly the routes that name it: no role stands for another."""
    for endpoint, method, address, marker in routes(app):
        if marker.kind is not Kind.ROLES:
            continue
        answer = client.open(address, method=method, headers=bearer(tokens[role]))
        if role is Role.RIDER and role in marker.roles and not marker.app_server:
            assert answer.json["type"] == "/problems/rider-sign-in", (endpoint, method)
        elif role in marker.roles:
            outside = answer.is_json and answer.json.get("type") == "/problems/other-operator"
            assert answer.status_code not in {401, 403} or outside, (endpoint, method, answer.text)
            assert answer.status_code < 500, (endpoint, method, answer.text)
        else:
            assert answer.json["type"] == "/problems/not-allowed", (endpoint, method)


def test_the_riders_app_server_asks_for_top_ups_and_nothing_else(app):
    """What a credential of role rider may do for anybody, with the reason; all else takes the rider's own sign-in."""
    found = {endpoint: marker.why for endpoint, _, _, marker in routes(app) if marker.app_server}
    assert set(found) == {"topups.create_topup", "topups.get_topup"}
    assert all(found.values())


def test_a_signed_in_rider_reaches_nobody_elses(app, client, now):
    """Route by route: the addresses name another account (or nothing of anybody's), and none of them answers."""
    services = app.extensions["lienthong"]
    account = FareAccountId(UUID(int=7))
    with services.database.begin() as tx:
        issue.open_guest(tx, account, now)
        code = riders.make_code(
            tx, account, keyring=services.keyring, by=Actor(ActorKind.COMMAND, "test"), now=now
        )
        token = riders.sign_in(tx, account, code, keyring=services.keyring, now=now)
    reached = set()
    for endpoint, method, address, marker in routes(app):
        if Role.RIDER in marker.roles:
            answer = client.open(address, method=method, headers=bearer(token))
            if str(UUID(int=0)) in address and not address.startswith(("/v1/taps/", "/v1/topups/")):
                assert answer.json["type"] == "/problems/not-yours", (endpoint, method)
            elif answer.status_code < 300:
                reached.add(endpoint)
            else:
                assert answer.status_code in {400, 403, 404, 422}, (endpoint, method, answer.text)
    assert reached == {"riders.get_me"}, "nothing of account 0 is shown to account 7"


def test_every_rider_route_asks_whose_it_is(app):
    """A rider acts for one account: each view that a rider may call names `require_own` or `acting_for`."""
    careless = set()
    for endpoint, _, _, marker in routes(app):
        if Role.RIDER in marker.roles:
            view = inspect.unwrap(app.view_functions[endpoint])
            if not {"require_own", "acting_for"} & set(view.__code__.co_names):
                careless.add(endpoint)
    assert not careless


def test_auditor_reads_and_changes_nothing(app):
    changing = [
        (endpoint, method)
        for endpoint, method, _, marker in routes(app)
        if method != "GET" and Role.AUDITOR in marker.roles and endpoint != "console.sign_out"
    ]
    assert not changing


def test_public_routes_say_why(app):
    for endpoint, _, _, marker in routes(app):
        assert marker.kind is not Kind.PUBLIC or marker.why, endpoint


def test_application_with_an_unmarked_route_does_not_start(app):
    app.view_functions["unmarked"] = lambda: "open"
    app.url_map.add(type(next(app.url_map.iter_rules()))("/unmarked", endpoint="unmarked"))
    with pytest.raises(LookupError, match="unmarked"):
        auth.install(app)


def test_every_house_is_quoted_in_the_description(client):
    """What the API can do is what its description shows: no route of /v1 is missing."""
    document = client.get("/openapi.json").json
    rules = {
        re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for rule in client.application.url_map.iter_rules()
        if rule.rule.startswith("/v1/")
    }
    assert rules <= set(document["paths"])


def test_commands_load_no_routes():
    """A command that prints a document of the API loads that document: the whole API took it seconds to start."""
    code = (
        "import importlib, pkgutil, sys, service.commands as all_of;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(all_of.__path__, 'service.commands.')];"
        "print('service.api.blueprints' in sys.modules, 'service.api.seal_documents' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]
