"""Places, rates and products changed through the APDS doors: proposed by one person, published by another."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from parking.proposals import get_proposal
from parking.propose_rates import say
from parking.rules.proposal import ProposalOnePersonError, Word
from service.staff import Role
from tests.parking.apds_bodies import BASE, CASUAL, problem, quote_request
from tests.parking.apds_document import needs_document, place_problems, problems

PROPOSALS = "/v1/parking/rate-proposals"


@pytest.fixture
def people(bearer):
    """Headers by name: maker, checker, auditor, the operator of dong-da-01 and one of nowhere."""
    return {
        "maker": bearer("", Role.FINANCE_MAKER),
        "checker": bearer("", Role.FINANCE_CHECKER),
        "auditor": bearer("", Role.AUDITOR),
        "operator": bearer(),
        "elsewhere": bearer("elsewhere-parking"),
    }


@pytest.fixture
def call(client, people):
    def _call(who, method, path, body=None, **query):
        where = path if path.startswith("/v1/") else BASE + path
        return client.open(where, method=method, headers=people[who], json=body, query_string=query or None)

    return _call


def table(call):
    return call("maker", "GET", "/rates/dong-da-car").json


def dearer(call, first=26_000, **more):
    """The rate table of Đống Đa with another price for the first hours."""
    standing = table(call)
    collections = standing["rateLineCollections"]
    collections[0]["rateLines"][0]["value"] = first
    return {"id": "dong-da-car", "version": standing["version"], "rateLineCollections": collections, **more}


def propose(call, who="maker", body=None):
    made = call(who, "PUT", "/rates/dong-da-car", body or dearer(call))
    assert made.status_code == 202, made.text
    return made.json["lienthong"]["proposal_id"]


def price(call, now):
    asked = call("operator", "POST", "/quotes", quote_request(now))
    assert asked.status_code == 200, asked.text
    return asked.json["data"][0]["options"][0]["financialQuote"]["value"]["currencyValue"]


def test_a_price_is_proposed_approved_and_holds(call, now, clock):
    before = price(call, now)
    proposal = propose(call)
    assert price(call, now) == before
    assert table(call)["version"] == 1
    shown = call("checker", "GET", f"{PROPOSALS}/{proposal}").json
    assert [row["cells"]["value"] for row in shown["rows_come"] if row["cells"].get("end_min") == "120"] == [
        "26000"
    ]
    assert [
        each["proposal_id"] for each in call("auditor", "GET", PROPOSALS, open=True).json["proposals"]
    ] == [proposal]
    done = call("checker", "POST", f"{PROPOSALS}/{proposal}/approve")
    assert (done.status_code, done.json["state"]) == (200, "approved"), done.text
    clock.at = now + timedelta(seconds=1)
    assert table(call)["version"] == 2
    assert table(call)["lienthong"]["rates_version"] == done.json["rates_version"]
    assert call("auditor", "GET", f"{PROPOSALS}/{proposal}").json["rows_come"] == shown["rows_come"]
    assert price(call, now + timedelta(minutes=1)) == before + 2 * 1_000
    assert call("auditor", "GET", PROPOSALS, open=True).json["proposals"] == []


def test_the_same_change_again_is_the_first_answer_before_and_after(call, now, clock):
    body = dearer(call)
    proposal = propose(call, body=body)
    again = call("maker", "PUT", "/rates/dong-da-car", body)
    assert (again.status_code, again.headers["Idempotency-Hit"]) == (202, "true")
    call("checker", "POST", f"{PROPOSALS}/{proposal}/approve")
    again = call("checker", "POST", f"{PROPOSALS}/{proposal}/approve")
    assert (again.status_code, again.json["state"]) == (200, "approved")
    clock.at = now + timedelta(seconds=1)
    late = call("maker", "PUT", "/rates/dong-da-car", body)
    assert late.json["lienthong"] == {"proposal_id": proposal, "state": "approved"}
    assert problem(call("maker", "PUT", "/rates/dong-da-car", {**body, "version": 1, "lienthong": {}})) == (
        409, "stale-version",
    )  # fmt: skip


def test_what_was_refused_or_withdrawn_may_be_proposed_anew(call):
    body = dearer(call)
    first = propose(call, body=body)
    refused = call("checker", "POST", f"{PROPOSALS}/{first}/refuse", {"note": "not now"})
    assert (refused.json["state"], refused.json["note"]) == ("refused", "not now")
    second = propose(call, body=body)
    assert second != first
    assert call("maker", "POST", f"{PROPOSALS}/{second}/withdraw", {}).json["state"] == "withdrawn"
    assert propose(call, body=body) not in {first, second}
    assert problem(call("checker", "POST", f"{PROPOSALS}/{first}/approve")) == (409, "proposal-state")


def test_it_takes_two_people(call, begin, now):
    proposal = propose(call)
    assert problem(call("checker", "POST", f"{PROPOSALS}/{proposal}/withdraw", {})) == (403, "not-allowed")
    assert problem(call("maker", "POST", f"{PROPOSALS}/{proposal}/approve")) == (403, "not-allowed")
    assert problem(call("operator", "POST", f"{PROPOSALS}/{proposal}/withdraw", {})) == (
        403, "proposal-one-person",
    )  # fmt: skip
    with begin() as tx:
        by = get_proposal(tx, UUID(proposal)).row.proposed_by
    with pytest.raises(ProposalOnePersonError), begin() as tx:
        say(tx, UUID(proposal), Word.APPROVE, by=by, now=now)


def test_of_two_changes_of_one_version_the_second_is_stale(call, now, clock):
    first, second = propose(call), propose(call, body=dearer(call, 27_000))
    assert call("checker", "POST", f"{PROPOSALS}/{first}/approve").status_code == 200
    clock.at = now + timedelta(seconds=1)
    assert problem(call("checker", "POST", f"{PROPOSALS}/{second}/approve")) == (409, "stale-version")
    told = call("checker", "GET", f"{PROPOSALS}/{second}").json
    assert (told["state"], "version 2 now" in told["cannot_be_approved"]) == ("proposed", True)


def test_what_was_replaced_on_the_same_date_does_not_pretend_to_come_back(call, now, clock):
    for step, first in enumerate((26_000, 25_000)):
        clock.at = now + timedelta(minutes=step)
        proposal = propose(call, body=dearer(call, first))
        assert call("checker", "POST", f"{PROPOSALS}/{proposal}/approve").status_code == 200
    clock.at = now + timedelta(minutes=2)
    assert problem(call("maker", "PUT", "/rates/dong-da-car", dearer(call))) == (409, "rates-again")
    decided = dearer(call)
    decided["lienthong"] = {"decision": "7/2026"}
    proposal = propose(call, body=decided)
    assert call("checker", "POST", f"{PROPOSALS}/{proposal}/approve").status_code == 200
    clock.at = now + timedelta(minutes=3)
    assert table(call)["rateLineCollections"][0]["rateLines"][0]["value"] == 26_000


def test_a_checker_of_one_operator_answers_about_its_places_only(call, people, bearer):
    people["theirs"] = bearer("elsewhere-parking", Role.FINANCE_CHECKER)
    proposal = propose(call)
    for word, body in (("approve", None), ("refuse", {})):
        refused = call("theirs", "POST", f"{PROPOSALS}/{proposal}/{word}", body)
        assert problem(refused) == (403, "other-operator")
    assert call("auditor", "GET", f"{PROPOSALS}/{proposal}").json["state"] == "proposed"


def test_a_change_may_begin_later_and_nothing_slips_in_before_it(call, now, clock):
    begins = now + timedelta(hours=3)
    later = propose(call, body=dearer(call, validityStart=begins.isoformat()))
    assert call("checker", "POST", f"{PROPOSALS}/{later}/approve").json["effective_at"] == begins.isoformat()
    clock.at = now + timedelta(seconds=1)
    assert table(call)["version"] == 1
    assert problem(call("maker", "PUT", "/rates/dong-da-car", dearer(call, 28_000))) == (409, "planned-rates")
    clock.at = begins
    assert table(call)["version"] == 2


@pytest.mark.parametrize("kind", ["places", "rates", "rights/specs"])
def test_an_element_is_made_changed_and_taken_away(call, now, clock, kind):
    made, change, element_id = {
        "places": (
            {"id": "dong-da-02", "version": 0, "name": [{"language": "vi", "string": "Bãi xe số 2"}],
             "type": "parkingPlace", "parentId": {"id": "dong-da", "version": 1}, "timeZone": "Asia/Ho_Chi_Minh",
             "characteristics": [{"spacesTotal": 40}], "lienthong": {"operator_id": "dongda-parking"}},
            {"characteristics": [{"spacesTotal": 41, "evChargingPoints": 2}]}, "dong-da-02",
        ),
        "rates": (
            {"id": "evening", "version": 0, "rateTableName": [{"language": "vi", "string": "Buổi tối"}],
             "rateLineCollections": [{"applicableCurrency": "VND", "rateLines": [
                 {"sequence": 1, "rateLineType": "flatRate", "value": 40_000}]}]},
            {"lienthong": {"edges": {"free_min": 10}}}, "evening",
        ),
        "rights/specs": (
            {"id": "week", "version": 0, "description": [{"language": "vi", "string": "Vé tuần"}],
             "hierarchyElements": [{"id": "dong-da-01", "version": 1}],
             "lienthong": {"kind": "season_pass", "price": {"currencyType": "VND", "currencyValue": 350_000}}},
            {"lienthong": {"price": {"currencyType": "VND", "currencyValue": 360_000}}}, "week",
        ),
    }[kind]  # fmt: skip
    for step, (method, path, body, query) in enumerate(
        [
            ("POST", f"/{kind}", made, {}),
            ("PUT", f"/{kind}/{element_id}", {"id": element_id, "version": 1, **change}, {}),
            ("DELETE", f"/{kind}/{element_id}", None, {"version": 2}),
        ]
    ):
        clock.at = now + timedelta(minutes=step)
        proposed = call("operator", method, path, body, **query)
        assert proposed.status_code == 202, proposed.text
        assert proposed.json["reference"]["version"] == step + 1
        done = call("checker", "POST", f"{PROPOSALS}/{proposed.json['lienthong']['proposal_id']}/approve")
        assert done.status_code == 200, done.text
    listed = call("auditor", "GET", f"/{kind}").json["data"]
    assert element_id not in [each["id"] for each in listed]
    assert problem(call("operator", "PUT", f"/{kind}/{element_id}", {"id": element_id, "version": 3})) == (
        404, "unknown-element",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/places/dong-da-01", {"id": "dong-da-01", "version": 1, "timeZone": "Asia/Bangkok"}),
        ("DELETE", "/places/dong-da-01?version=1", None),
        ("POST", "/places", {"id": "x", "version": 0, "name": [{"language": "vi", "string": "x"}],
                             "type": "parkingPlace", "lienthong": {"operator_id": "dongda-parking"}}),
        ("PUT", "/rates/dong-da-car", {"id": "dong-da-car", "version": 1, "lienthong": {"edges": {"free_min": 5}}}),
        ("PUT", "/rights/specs/hoan-kiem-12-month",
         {"id": "hoan-kiem-12-month", "version": 1, "description": [{"language": "vi", "string": "x"}]}),
    ],
)  # fmt: skip
def test_another_operators_elements_are_not_proposed_about(call, method, path, body):
    assert problem(call("elsewhere", method, path, body)) == (403, "other-operator")
    assert call("auditor", "GET", PROPOSALS).json["proposals"] == []


def test_an_operator_does_not_give_its_place_away_or_price_the_citys(call):
    body = {"id": "dong-da-01", "version": 1, "lienthong": {"operator_id": "elsewhere-parking"}}
    assert problem(call("operator", "PUT", "/places/dong-da-01", body)) == (403, "other-operator")
    assert problem(call("operator", "PUT", "/rates/dong-da-car", dearer(call))) == (403, "other-operator")
    proposal = propose(call)
    assert problem(call("operator", "GET", f"{PROPOSALS}/{proposal}")) == (403, "other-operator")
    assert call("operator", "GET", PROPOSALS).json["proposals"] == []


@pytest.mark.parametrize(
    ("path", "changes", "refused"),
    [
        ("/rates/dong-da-car", {"availability": "private"}, (422, "attributes-not-kept")),
        ("/rates/dong-da-car", {"lienthong": {"edges": {"free_min": "ten"}}}, (422, "rate-files-invalid")),
        ("/rates/dong-da-car", {"lienthong": {"caps": [{"per": "day"}]}}, (422, "rate-files-invalid")),
        ("/rates/dong-da-car", {"lienthong": {"caps": [{"cap_id": "d", "value": 1, "colour": "red"}]}},
         (422, "rate-files-invalid")),
        ("/rates/dong-da-car", {"rateLineCollections": []}, (422, "rate-files-invalid")),
        ("/rates/dong-da-car", {"rateLineCollections": [{"rateLines": [{"sequence": "one"}]}]},
         (422, "malformed-request")),
        ("/rates/dong-da-car", {"rateLineCollections": [{"rateLines": [
            {"sequence": 1, "rateLineType": "flatRate", "value": "1E+999999999"}]}]}, (422, "malformed-request")),
        ("/rights/specs/hoan-kiem-12-month",
         {"id": "hoan-kiem-12-month",
          "lienthong": {"price": {"currencyType": "VND", "currencyValue": "1E+999999999"}}},
         (422, "malformed-request")),
        ("/rates/dong-da-car", {"lienthong": {"effective_at": "2020-01-01T00:00:00+07:00"}},
         (422, "backdated-rates")),
        ("/rates/dong-da-car", {"version": 7}, (409, "stale-version")),
        ("/rates/dong-da-car", {"id": "other"}, (422, "malformed-request")),
        ("/rates/nowhere", {"id": "nowhere"}, (404, "unknown-element")),
        ("/places/dong-da-01", {"id": "dong-da-01", "type": "garage"}, (422, "element-invalid")),
        ("/places/dong-da-01", {"id": "dong-da-01", "timeZone": "Mars/Base"}, (422, "rate-files-invalid")),
        ("/places/dong-da-01", {"id": "dong-da-01", "parentId": {"id": "dong-da-01", "version": 1}},
         (422, "rate-files-invalid")),
        ("/places/dong-da-01", {"id": "dong-da-01", "characteristics": [{"spacesTotal": -1}]},
         (422, "malformed-request")),
        (f"/rights/specs/{CASUAL}", {"id": CASUAL}, (409, "casual-right")),
        ("/rights/specs/hoan-kiem-12-month", {"id": "hoan-kiem-12-month", "lienthong": {"kind": "gift"}},
         (422, "rate-files-invalid")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_when_it_is_proposed(call, path, changes, refused):
    body = {"id": "dong-da-car", "version": 1, **changes}
    assert problem(call("maker", "PUT", path, body)) == refused
    assert call("auditor", "GET", PROPOSALS).json["proposals"] == []


@pytest.mark.parametrize(
    ("place", "named"),
    [("dong-da", "place dong-da-01"), ("dong-da-01", "gates dong-da-01-in, dong-da-01-out")],
)
def test_a_place_that_others_stand_in_is_not_taken_away(call, place, named):
    answer = call("maker", "DELETE", f"/places/{place}", version=1)
    assert problem(answer) == (409, "element-needed")
    assert (answer.json["id"], answer.json["needed_by"]) == (place, named)


def test_a_new_element_is_complete_and_not_there_yet(call):
    assert problem(call("maker", "POST", "/places", {"id": "x", "version": 0})) == (422, "malformed-request")
    known = {**table(call), "version": 0}
    assert problem(call("maker", "POST", "/rates", known)) == (409, "element-exists")


def test_unknown_proposals_are_named(call):
    nobody = uuid4()
    for method, path in (("GET", ""), ("POST", "/approve")):
        assert problem(call("checker", method, f"{PROPOSALS}/{nobody}{path}")) == (404, "proposal-unknown")


@needs_document
def test_what_is_read_may_be_sent_back_whole_and_is_what_the_document_asks_for(call):
    for kind, path in (("places", "/places"), ("rates", "/rates"), ("rights/specs", "/rights/specs")):
        for each in call("maker", "GET", path).json["data"]:
            if each["id"].startswith("casual:"):
                continue
            if kind == "places":
                assert place_problems(each) == []
            else:
                assert problems(each, path, "post", "request") == []
            each.pop("hierarchyElementReference", None)
            sent = call("maker", "PUT", f"{path}/{each['id']}", each)
            assert sent.status_code == 202, (each["id"], sent.text)
