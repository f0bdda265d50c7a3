"""Webhooks: told once under an id that never changes, signed, retried, given up where all can see, replayed."""

# longer than a room: one outbox, one receiver, and all that may happen between them
import hashlib
import hmac
import http.server
import json
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from service import outbound
from service.jobs import webhooks as job
from service.services import EXTENSION
from service.staff import Role
from tests.parking.apds_bodies import began, observation, plate, problem
from tests.parking.apds_document import needs_document, problems
from tests.parking.conftest import TWO

TOPICS = ["SessionCreated", "SessionUpdated", "SessionDeleted", "ObservationCreated"]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what it is sent, and answers as it is told to."""

    got: list
    status: int
    location = ""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((dict(self.headers), body))
        self.send_response(type(self).status)
        if type(self).location:
            self.send_header("Location", type(self).location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """A receiver on loopback: (its class, its address)."""
    handler = type("R", (Receiver,), {"got": [], "status": 200})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}/hook?x=1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def services(app):
    """The running services, allowed to post to loopback."""
    running = app.extensions[EXTENSION]
    running.settings = running.settings.model_copy(update={"webhook_private": True})
    return running


@pytest.fixture
def subscribe(client, bearer, services, receiver):
    """Subscribe to a list of topics and return the answer."""

    def _subscribe(topics=TOPICS, operator="dongda-parking", **changes):
        body = {"endpoint": receiver[1], "topics": topics, **changes}
        return client.post("/v1/apds/webhooks", headers=bearer(operator), json=body)

    return _subscribe


@pytest.fixture
def run(services):
    """Collect and deliver, some time from now."""

    def _run(later=timedelta()):
        now = services.clock.now() + later
        made = services.database.run(lambda tx: job.collect(tx, now=now))
        return made, *job.deliver(services.database, services.keyring, now=lambda: now, private=True)

    return _run


def fits(secret, headers, body):
    """Whether one of the signatures is the secret's."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return expected in headers[job.SIGNATURE].split(", ")


def test_a_change_is_told_once_signed_and_as_it_stands(apds, subscribe, run, receiver, now):
    handler, _ = receiver
    secret = subscribe().json["secret"]
    session = began(apds, now)
    assert run() == (1, 1, 0, 0)
    assert run() == (0, 0, 0, 0), "nothing twice"
    ((headers, body),) = handler.got
    told = json.loads(body)
    assert (told["topic"], told["data"][0]["id"]) == ("SessionCreated", session)
    assert headers["Idempotency-Key"]
    assert fits(secret, headers, body)
    assert not fits("another", headers, body)
    apds("DELETE", f"/sessions/{session}", version=1)
    apds("POST", "/observations", observation(now))
    assert run() == (2, 2, 0, 0)
    assert {json.loads(body)["topic"] for _, body in handler.got[1:]} == {
        "SessionDeleted",
        "ObservationCreated",
    }
    assert "30A" not in str(handler.got), "no plate leaves"


def test_more_than_a_page_between_two_runs_is_told_whole(apds, subscribe, run, monkeypatch, now):
    monkeypatch.setattr(job, "_BATCH", 2)
    subscribe(["ObservationCreated"])
    for _ in range(5):
        apds("POST", "/observations", observation(now))
    assert run() == (5, 5, 0, 0)


def told(handler):
    """(topic, version) of each message, in the order in which they came."""
    bodies = [json.loads(body) for _, body in handler.got]
    return [(each["topic"], each["data"][0]["version"]) for each in bodies]


def test_every_change_between_two_runs_is_told_in_its_order(
    apds, client, bearer, subscribe, run, receiver, now
):
    subscribe()
    session = began(apds, now)
    for minutes in (60, 90):
        body = {"event_id": str(uuid4()), "until": (now + timedelta(minutes=minutes)).isoformat()}
        where = f"/v1/parking/sessions/{session}/extend"
        assert client.post(where, headers=bearer(), json=body).status_code == 200
    apds("DELETE", f"/sessions/{session}", version=3)
    assert run()[:2] == (4, 4)
    assert told(receiver[0]) == [
        ("SessionCreated", 1),
        ("SessionUpdated", 2),
        ("SessionUpdated", 3),
        ("SessionDeleted", 4),
    ]
    first, *_, last = [json.loads(body)["data"][0] for _, body in receiver[0].got]
    assert ("settlement" in first["lienthong"], "settlement" in last["lienthong"]) == (False, True)


def test_a_later_change_waits_for_the_one_before_it(apds, subscribe, run, receiver, now):
    handler, _ = receiver
    subscribe()
    session = began(apds, now)
    handler.status = 503
    assert run() == (1, 0, 1, 0)
    apds("DELETE", f"/sessions/{session}", version=1)
    handler.status = 200
    assert run() == (1, 0, 0, 0), "the first is not due, so the second is not sent"
    apds("POST", "/observations", observation(now))
    assert run()[:2] == (1, 1), "what is about something else goes on"
    assert run(timedelta(minutes=2))[1] == 2
    assert told(handler) == [
        ("SessionCreated", 1),
        ("ObservationCreated", 1),
        ("SessionCreated", 1),
        ("SessionDeleted", 2),
    ]


def test_each_publication_is_told_and_what_it_ends(begin, subscribe, run, receiver, now):
    subscribe(["PlaceUpdated", "PlaceDeleted"])
    files = read_rate_dir(HANOI)
    gone = {
        name: b"".join(row for row in files[name].splitlines(keepends=True) if b"dong-da-01" not in row)
        for name in ("places.csv", "gates.csv")
    }
    for minute, changed in enumerate(
        (
            {"places.csv": files["places.csv"].replace(b",60,", b",61,")},
            {"places.csv": files["places.csv"].replace(b",60,", b",62,")},
            gone,
        ),
        1,
    ):
        with begin() as tx:
            publish_rates(
                tx, {**files, **changed}, effective_at=now + timedelta(minutes=minute), **TWO, now=now
            )
    run(timedelta(minutes=5))
    assert told(receiver[0]) == [("PlaceUpdated", 2), ("PlaceUpdated", 3), ("PlaceDeleted", 4)]


def test_kept_revisions_go_once_all_have_looked(apds, begin, subscribe, run, now):
    def kept():
        with begin() as tx:
            return tx.execute(text("SELECT count(*) FROM parking_stay_change")).scalar_one()

    began(apds, now, identifiedCredentials=[plate("30A-111.11")])
    assert kept() == 0, "nobody is to be told"
    subscribe()
    began(apds, now)
    assert kept() == 1
    run()
    assert kept() == 1
    run(timedelta(hours=2))
    run(timedelta(hours=5))
    assert kept() == 0


@needs_document
def test_what_is_sent_is_what_the_document_asks_for(apds, subscribe, run, receiver, now):
    subscribe(["SessionCreated"])
    began(apds, now)
    run()
    told = json.loads(receiver[0].got[0][1])
    assert (
        problems(
            {"meta": {"referenceInstant": 0, "offset": 0, "pageSize": 1, "total": 1}, "data": told["data"]},
            "/sessions",
            "get",
            200,
        )
        == []
    )
    asked = {"endpoint": receiver[1], "topics": TOPICS}
    assert problems(asked, "/webhooks", "post", "request") == []


def test_a_failure_is_tried_again_later_under_the_same_id(apds, subscribe, run, receiver, services, now):
    handler, _ = receiver
    subscribe()
    began(apds, now)
    handler.status = 503
    assert run() == (1, 0, 1, 0)
    handler.status = 200
    assert run()[1] == 0, "not before it is due"
    assert run(timedelta(minutes=2))[1] == 1
    assert len({headers["Idempotency-Key"] for headers, _ in handler.got}) == 1
    assert len({body for _, body in handler.got}) == 1, "byte for byte the same"


def test_what_nobody_takes_is_given_up_shown_and_replayed(
    apds, client, bearer, subscribe, run, receiver, services, now
):
    handler, _ = receiver
    made = subscribe().json["id"]
    began(apds, now)
    handler.status = 500
    results = [run(timedelta(hours=13 * number)) for number in range(15)]
    assert [each[2:] for each in results] == [(1, 0)] * 14 + [(0, 1)]
    assert run(timedelta(days=30))[1:] == (0, 0, 0), "dead is dead"
    where = f"/v1/apds/webhooks/{made}/events"
    (dead,) = client.get(where, headers=bearer(), query_string={"dead": "true"}).json["data"]
    assert (dead["state"], dead["tries"], dead["last_error"]) == ("dead", 15, "HTTP 500")
    handler.status = 200
    replayed = client.post(f"{where}/{dead['event_id']}/replay", headers=bearer())
    assert replayed.status_code == 200
    assert run()[1] == 1
    assert client.get(where, headers=bearer(), query_string={"dead": "true"}).json["data"] == []
    assert problem(client.post(f"{where}/{uuid4()}/replay", headers=bearer())) == (404, "unknown-webhook")


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(
    apds, client, bearer, subscribe, run, receiver, now
):
    handler, _ = receiver
    made = subscribe().json
    rotated = client.post(f"/v1/apds/webhooks/{made['id']}/secret", headers=bearer()).json
    assert rotated["secret"] != made["secret"]
    began(apds, now)
    run()
    headers, body = handler.got[-1]
    assert fits(made["secret"], headers, body)
    assert fits(rotated["secret"], headers, body)
    apds("POST", "/observations", observation(now))
    run(timedelta(hours=25))
    headers, body = handler.got[-1]
    assert not fits(made["secret"], headers, body)
    assert fits(rotated["secret"], headers, body)


def test_an_operator_is_told_of_its_own_places_only(apds, client, bearer, subscribe, run, receiver, now):
    other = subscribe(operator="hoankiem-parking").json["id"]
    began(apds, now)
    assert run() == (0, 0, 0, 0)
    head = bearer()
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/secret"), ("GET", "/events")):
        body = {"endpoint": receiver[1], "topics": TOPICS} if method == "PUT" else None
        answer = client.open(f"/v1/apds/webhooks/{other}{path}", method=method, headers=head, json=body)
        assert problem(answer) == (403, "other-operator"), (method, path)
    assert client.get("/v1/apds/webhooks", headers=head).json["data"] == []
    places = [{"className": "Place", "id": "hoan-kiem-01"}]
    assert problem(subscribe(hierarchyElements=places)) == (403, "other-operator")
    auditor = bearer("", Role.AUDITOR)
    assert [each["id"] for each in client.get("/v1/apds/webhooks", headers=auditor).json["data"]] == [other]


def test_only_what_was_asked_for_is_told_until_it_ends(apds, client, bearer, subscribe, run, receiver, now):
    made = subscribe(["ObservationCreated"]).json["id"]
    assert subscribe(["ObservationCreated"]).json["id"] == made, "the same again"
    began(apds, now)
    apds("POST", "/observations", observation(now))
    assert run() == (1, 1, 0, 0)
    apds("POST", "/observations", observation(now))
    assert client.delete(f"/v1/apds/webhooks/{made}", headers=bearer()).status_code == 200
    assert run() == (0, 0, 0, 0)
    assert subscribe(["ObservationCreated"]).json["id"] != made, "a new life, with a new secret"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.org/hook",
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://user:secret@example.org/",
        "ftp://example.org/hook",
        "file:///etc/passwd",
        "https://",
        "no address",
    ],
)
def test_private_addresses_and_plain_http_are_refused(client, begin, bearer, endpoint):
    body = {"endpoint": endpoint, "topics": TOPICS}
    assert problem(client.post("/v1/apds/webhooks", headers=bearer(), json=body)) == (422, "webhook-endpoint")


def test_a_name_that_stands_for_a_private_address_is_refused_when_it_is_called(receiver):
    with pytest.raises(outbound.UnreachableError, match="private"):
        outbound.post("https://localhost/hook", b"{}", {}, private=False)
    assert receiver[0].got == []


def test_a_redirect_is_no_way_around(receiver):
    handler, address = receiver
    handler.status, handler.location = 307, address
    with pytest.raises(outbound.UnreachableError, match="HTTP 307"):
        outbound.post(address, b"{}", {}, private=True)
    assert len(handler.got) == 1


def test_topics_that_nobody_knows_are_refused(subscribe):
    assert problem(subscribe(["SessionExploded"])) == (422, "malformed-request")
