"""The pages of rate proposals: who sees which, what a change reads like, and what stands against an answer."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from kernel.ids import OperatorId
from parking.apds.editions import ElementKind
from parking.apds.notice import TELLS_APART
from parking.proposals import Action, Asked, get_proposal
from parking.propose_rates import propose
from parking.publish_rates import Rates, publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.proposal import ProposalState
from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.parking.conftest import TWO
from tests.service.test_auth import EMAIL, sign_in

CHECKER, PLACES = Grant(Role.FINANCE_CHECKER), Grant(Role.PARKING_OPERATOR, OperatorId("dongda-parking"))
NAMED = {"name": [{"language": "vi", "string": "Bãi <mới>"}], "lienthong": {"decision": "7/2026"}}


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def employ(running, client):
    """Sign a member of staff in and return who that is, as books name them."""

    def employ(grant):
        with running.database.begin() as tx:
            user = staff.add(
                tx, email=EMAIL, display_name="Mai", password="correct horse battery",
                grants=(grant,), by=Actor(ActorKind.COMMAND, "test"), now=running.clock.now(),
            )  # fmt: skip
        sign_in(client)
        return f"staff:{user.staff_id}"

    return employ


@pytest.fixture
def proposed(running):
    """Propose another name for a car park, or what else is given; return the proposal's id."""

    def proposed(by="credential:erp", kind=ElementKind.PLACE, element_id="dong-da-01", **changes):
        asked = {"action": Action.UPDATE, "version": 1, "attributes": NAMED, **changes}
        with running.database.begin() as tx:
            if not Rates(tx).published():
                at = datetime(2020, 1, 1, tzinfo=UTC)
                publish_rates(tx, read_rate_dir(HANOI), effective_at=at, **TWO, now=at)
            made = propose(
                tx, Asked(kind=kind, element_id=element_id, **asked), by=by, now=running.clock.now(),
                allow=lambda operators: None,
            )  # fmt: skip
        return made.row.proposal_id

    return proposed


def standing(running, proposal):
    with running.database.read() as tx:
        return get_proposal(tx, proposal)


def answer(client, proposal, word, *, reason="the council decided", sure="yes"):
    page = client.get(f"/rate-proposals/{proposal}?lang=en").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    form = {"csrf_token": token, "word": word, "reason": reason} | ({"sure": sure} if sure else {})
    return client.post(f"/rate-proposals/{proposal}?lang=en", data=form)


def test_a_list_without_proposals_says_how_the_first_one_comes(client, employ):
    employ(CHECKER)
    page = client.get("/rate-proposals?lang=en").text
    assert "Nothing was proposed yet." in page
    assert "<select" not in page


def test_who_is_not_signed_in_is_sent_to_the_door(client):
    assert client.get("/rate-proposals").location == "/sign-in?next=/rate-proposals"


@pytest.mark.parametrize("role", [Role.INSPECTOR, Role.AGENT, Role.ADMINISTRATOR])
def test_others_neither_see_proposals_nor_a_link_to_them(client, employ, proposed, role):
    proposal = proposed()
    employ(Grant(role))
    assert "/rate-proposals" not in client.get("/?lang=en").text
    assert client.get("/rate-proposals").status_code == 403
    assert client.get(f"/rate-proposals/{proposal}").status_code == 403


def test_an_operator_sees_proposals_about_its_own_places_only(client, employ, proposed):
    theirs = proposed()
    citys = proposed(element_id="dong-da")
    employ(PLACES)
    page = client.get("/rate-proposals").text
    assert (str(theirs) in page, str(citys) in page) == (True, False)
    assert client.get(f"/rate-proposals/{citys}").status_code == 403
    assert 'name="word"' not in client.get(f"/rate-proposals/{theirs}").text, "another person's"


def test_a_change_reads_like_a_notice_in_both_languages(client, employ, proposed):
    proposal = proposed()
    employ(CHECKER)
    english, vietnamese = (
        client.get(f"/rate-proposals/{proposal}?lang={lang}").text for lang in ("en", "vi")
    )
    for text in ("Bãi xe Đống Đa 01", "Bãi &lt;mới&gt;", "7/2026", "credential:erp"):
        assert text in english
        assert text in vietnamese
    assert "When it is approved" in english
    assert "Khi được duyệt" in vietnamese


def test_amounts_are_shown_in_their_money_and_unchanged_rows_are_only_counted(client, employ, proposed):
    lines = [
        {"rateLineType": "incrementingRate", "sequence": 1, "durationStart": "PT0M", "durationEnd": "PT2H",
         "incrementPeriod": "PT1H", "value": 26_000},
        {"rateLineType": "incrementingRate", "sequence": 2, "durationStart": "PT2H", "incrementPeriod": "PT1H",
         "value": 35_000},
    ]  # fmt: skip
    proposal = proposed(
        kind=ElementKind.RATE_TABLE,
        element_id="dong-da-car",
        attributes={"rateLineCollections": [{"applicableCurrency": "VND", "rateLines": lines}]},
    )
    employ(CHECKER)
    page = client.get(f"/rate-proposals/{proposal}?lang=en").text
    for text in (
        "25,000\u00a0VND",
        "26,000\u00a0VND",
        "Price line 1",
        "Price line 3",
        "Gone",
        "Rows that stay as they are: 1",
    ):
        assert text in page, text
    assert "The city" in page


def test_a_second_person_approves_and_it_is_shown_what_was_published(client, employ, proposed, running):
    proposal = proposed()
    me = employ(CHECKER)
    done = answer(client, proposal, "approve")
    assert done.location.endswith(f"/rate-proposals/{proposal}?done=yes")
    ended = standing(running, proposal)
    assert (ended.state, ended.end.ended_by, ended.end.note) == (
        ProposalState.APPROVED, me, "the council decided",
    )  # fmt: skip
    page = client.get(f"/rate-proposals/{proposal}?lang=en&done=yes").text
    for text in ("Done.", "Mai: the council decided", ended.end.rates_version, "Bãi &lt;mới&gt;"):
        assert text in page
    assert 'name="word"' not in page, "nothing is left to answer"
    assert str(proposal) not in client.get("/rate-proposals?lang=en").text
    assert str(proposal) in client.get("/rate-proposals?lang=en&show=all").text
    assert answer_again(client, proposal).status_code == 409


def answer_again(client, proposal):
    """Send the form of a page that stands open since before."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/rate-proposals").text)[1]
    form = {"csrf_token": token, "word": "refuse", "reason": "too late", "sure": "yes"}
    return client.post(f"/rate-proposals/{proposal}?lang=en", data=form)


def test_one_refuses_another_withdraws_their_own(client, employ, proposed, running):
    refused = proposed()
    me = employ(CHECKER)
    assert answer(client, refused, "refuse").status_code == 302
    assert standing(running, refused).state is ProposalState.REFUSED
    assert "What was asked for" in client.get(f"/rate-proposals/{refused}?lang=en").text
    own = proposed(by=me)
    assert 'name="word"' not in client.get(f"/rate-proposals/{own}").text, "their own: not theirs to approve"
    with running.database.begin() as tx:
        staff.store.grant(
            tx, staff_id=me.partition(":")[2], role="finance_maker", operator_id="", now=running.clock.now()
        )
    page = client.get(f"/rate-proposals/{own}").text
    assert re.findall(r'value="(approve|refuse|withdraw)"', page) == ["withdraw"]
    assert "two people" in answer(client, own, "approve").text
    assert answer(client, own, "withdraw").status_code == 302
    assert standing(running, own).state is ProposalState.WITHDRAWN


@pytest.mark.parametrize(
    ("word", "reason", "sure", "says", "status"),
    [
        ("approve", "no", "yes", "Say why", 409),
        ("refuse", "   ", "yes", "Say why", 409),
        ("approve", "the council decided", "", "Please confirm", 409),
        ("explode", "the council decided", "yes", "not one that this page understands", 422),
        ("withdraw", "the council decided", "yes", "", 403),
    ],
)
def test_what_is_not_meant_or_not_allowed_changes_nothing(
    client, employ, proposed, running, word, reason, sure, says, status
):
    proposal = proposed()
    employ(CHECKER)
    refused = answer(client, proposal, word, reason=reason, sure=sure)
    assert (refused.status_code, says in refused.text) == (status, True)
    assert standing(running, proposal).state is ProposalState.PROPOSED


def test_who_may_only_look_is_offered_nothing_and_refused(client, employ, proposed, running):
    proposal = proposed()
    employ(Grant(Role.AUDITOR))
    assert 'name="word"' not in client.get(f"/rate-proposals/{proposal}").text
    assert answer_again(client, proposal).status_code == 403
    assert standing(running, proposal).state is ProposalState.PROPOSED


def test_a_form_without_its_token_changes_nothing(client, employ, proposed, running):
    proposal = proposed()
    employ(CHECKER)
    form = {"word": "approve", "reason": "a trick", "sure": "yes"}
    assert client.post(f"/rate-proposals/{proposal}", data=form).status_code == 403
    assert standing(running, proposal).state is ProposalState.PROPOSED


def test_what_was_overtaken_can_be_refused_and_not_approved(client, employ, proposed, running):
    first, second = proposed(), proposed(by="credential:other")
    employ(CHECKER)
    assert answer(client, first, "approve").status_code == 302
    page = client.get(f"/rate-proposals/{second}?lang=en").text
    assert "was changed since" in page
    assert re.findall(r'value="(approve|refuse|withdraw)"', page) == ["refuse"]
    assert "was changed since" in answer(client, second, "approve").text


def test_an_unknown_proposal_is_not_found(client, employ):
    employ(CHECKER)
    assert client.get(f"/rate-proposals/{uuid4()}").status_code == 404


def test_every_file_of_an_element_has_a_name_on_the_page(app):
    source, _, _ = app.jinja_env.loader.get_source(app.jinja_env, "proposal_words.html")
    assert all(f'"{name}": _(' in source for name in TELLS_APART)
