"""What every request gets, whatever house it is for: problems, headers, health, ids, the API's description."""

import json

import openapi_spec_validator
import pytest

from service import problems
from service import settings as settings_module
from service.app import create_app
from service.auth import public
from service.cache import Cache
from service.migrate import expected_revision
from service.settings import Settings

pytestmark = pytest.mark.usefixtures("described")


def test_live_needs_nothing(client):
    assert client.get("/health/live").status_code == 200


def test_ready_names_the_revision(client):
    answer = client.get("/health/ready").json
    assert answer == {"status": "ready", "revision": expected_revision(), "redis": "up"}


def test_ready_when_redis_is_gone_is_still_ready(app, client):
    app.extensions["lienthong"].cache = Cache("redis://127.0.0.1:1/0")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["redis"]) == (200, "down")


def test_ready_when_the_database_is_gone_is_503_and_may_be_retried():
    app = create_app(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none"))
    answer = app.test_client().get("/health/ready")
    assert (answer.status_code, answer.json["retry"]) == (503, True)
    assert "nobody" not in answer.text


def test_metrics_count_by_route_and_not_by_path(client):
    client.get("/problems/not-allowed")
    text = client.get("/metrics").text
    assert 'lienthong_requests_total{method="GET",route="/problems/<name>",status="200"}' in text


def test_every_problem_type_is_listed_as_it_stands_alone(client):
    listed = client.get("/problems").json["problems"]
    assert {one["type"] for one in listed} == {f"/problems/{name}" for name in problems.TABLE}
    assert client.get(listed[0]["type"]).json == listed[0]


def test_app_without_a_database_says_which_setting_is_missing():
    with pytest.raises(ValueError, match="LIENTHONG_DATABASE_URL"):
        create_app(Settings())


def test_unknown_path_is_a_problem_document(client):
    answer = client.get("/nothing/here")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("given", ["short", "with spaces in it", "x" * 65, "semi;colon;1"])
def test_request_id_when_hostile_is_replaced(client, given):
    assert client.get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"] != given


def test_request_id_when_sane_is_kept(client):
    answer = client.get("/health/live", headers={"X-Request-ID": "proxy-0123456789"})
    assert answer.headers["X-Request-ID"] == "proxy-0123456789"


def test_headers_keep_browsers_strict(client):
    headers = client.get("/sign-in").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers


def test_headers_when_public_by_https_ask_for_it_always():
    app = create_app(
        Settings(
            database_url="postgresql+psycopg://h/d",
            public_url="https://lienthong.example",
            session_key="k" * 32,
        )
    )
    headers = app.test_client().get("/health/live").headers
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert app.config["SESSION_COOKIE_SECURE"]


def test_openapi_is_a_valid_3_1_document(client):
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document)


def test_docs_load_nothing_from_elsewhere(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    script = page.text.split('src="')[1].split('"')[0]
    with client.get(script) as vendored:
        assert vendored.status_code == 200


def test_crash_tells_the_caller_nothing_and_the_log_everything(capsys, app, client):
    def broken():
        raise ZeroDivisionError("secret detail")

    app.view_functions["health.live"] = public("a test")(broken)
    answer = client.get("/health/live")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "secret detail" in capsys.readouterr().err


def test_logs_are_json_and_hide_what_must_not_be_seen(capsys, app):
    from service import logs

    with app.app_context():
        logs.logger("t").warning(
            "tap.odd", uid="04A1B2C3D4E5F6", body=b"\x01", url="redis://u:pw@h/0", count=3
        )
    said = capsys.readouterr().err
    line = json.loads(said.splitlines()[-1])
    assert (line["uid"], line["body"], line["count"]) == ("[hidden]", "[hidden]", 3)
    assert "pw" not in line["url"]


def test_env_example_is_what_the_settings_say(request):
    assert (request.config.rootpath / ".env.example").read_text("utf-8") == settings_module.example(), (
        "run: lienthong env > .env.example"
    )


def test_settings_page_is_what_the_settings_say(request):
    assert (request.config.rootpath / "docs/settings.md").read_text("utf-8") == settings_module.reference(), (
        "run: lienthong env --markdown > docs/settings.md"
    )


def test_secret_when_named_by_file_is_read_without_its_newline(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("s" * 40 + "\n")
    monkeypatch.setenv("LIENTHONG_SESSION_KEY_FILE", str(tmp_path / "key"))
    settings = Settings()
    assert settings.session_key == "s" * 40
    assert "sss" not in repr(settings)


def test_secret_when_its_file_is_missing_stops_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("LIENTHONG_SESSION_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        Settings()


def test_settings_name_a_typing_mistake():
    names = {"LIENTHONG_DATABASE_ULR": "", "LIENTHONG_BIND_FILE": "", "LIENTHONG_KEK_FILE": "", "PATH": ""}
    assert settings_module.unknown_names(names) == ("LIENTHONG_BIND_FILE", "LIENTHONG_DATABASE_ULR")


@pytest.mark.parametrize(
    "given",
    [{"session_key": "short"}, {"clock": "sundial"}, {"workers": 0}, {"log_level": "loud"}, {"nonsense": 1}],
)
def test_settings_when_wrong_refuse(given):
    with pytest.raises(ValueError):
        Settings(**given)
