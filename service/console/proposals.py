"""The pages of proposed changes of places, rates and products: a list, and one as a notice with another person's answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from kernel.errors import DomainError
from kernel.money import MalformedAmountError, Money, currency
from parking import proposals
from parking.elements import StaleVersionError
from parking.proposals import Proposal
from parking.publish_rates import BackdatedRatesError
from parking.rules.proposal import ProposalOnePersonError, ProposalState, ProposalStateError, Word
from parking.show_proposal import Shown, show
from service import auth, rate_proposals
from service.auth import requires
from service.console import confirmed
from service.console import format as words
from service.console.frame import pages
from service.console.people import names_of
from service.errors import not_allowed
from service.rate_proposals import READERS, SPEAKERS, get_seen
from service.services import services

blueprint: Final = pages("proposals_page", __name__)
_AMOUNTS: Final = frozenset({"value", "max_value", "min_value", "price"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The list, the newest first; `ever` says whether anything was proposed at all."""

    rows: tuple[Proposal, ...]
    everything: bool
    ever: bool


@blueprint.get("/rate-proposals")
@requires(*READERS)
def listed() -> str:
    """Return the list: what waits for an answer, or everything."""
    everything = request.args.get("show", "") == "all"
    with services().database.read() as tx:
        found = proposals.list_proposals(tx, auth.scope(), open_only=not everything)
        ever = bool(found) or bool(proposals.list_proposals(tx, auth.scope(), open_only=False))
    page = Listing(rows=tuple(found), everything=everything, ever=ever)
    return render_template("proposals.html", page=page, principal=auth.principal())


@blueprint.get("/rate-proposals/<uuid:proposal_id>")
@requires(*READERS)
def one(proposal_id: UUID) -> str:
    """Return one proposal's page."""
    return _page(proposal_id)


@blueprint.post("/rate-proposals/<uuid:proposal_id>")
@requires(*frozenset().union(*SPEAKERS.values()))
def answer(proposal_id: UUID) -> Response | BaseResponse:
    """Carry out what the form says, once it is confirmed and a reason is given; else show the page again."""
    reason = confirmed.reason()
    try:
        word = Word(request.form.get("word", ""))
    except ValueError:
        return make_response(
            _page(proposal_id, gettext("The request is not one that this page understands.")), 422
        )
    if not auth.principal().holds(SPEAKERS[word]):
        raise not_allowed(SPEAKERS[word])
    wrong = confirmed.lacks() or _carried_out(proposal_id, word, reason)
    if wrong:
        return make_response(_page(proposal_id, wrong, chosen=word, reason=reason), 409)
    return redirect(url_for("proposals_page.one", proposal_id=proposal_id, done="yes"))


def _carried_out(proposal_id: UUID, word: Word, reason: str) -> str:
    """Return what stands against it; empty when it is done."""
    running, actor = services(), auth.principal().actor
    try:
        with running.database.begin() as tx:
            get_seen(tx, proposal_id)
            rate_proposals.say(tx, proposal_id, word, note=reason, actor=actor, now=running.clock.now())
    except ProposalOnePersonError:
        return str(gettext("It takes two people: who proposed it withdraws it, another one answers."))
    except ProposalStateError:
        return str(gettext("Its state does not allow this any more; look at it again."))
    except proposals.ProposalUnknownError:
        raise
    except DomainError as error:
        return _against(error)
    return ""


def _against(error: DomainError) -> str:
    match error:
        case StaleVersionError():
            return str(gettext("What it changes was changed since: it must be proposed anew."))
        case BackdatedRatesError():
            return str(gettext("The time from which it was to hold is over: it must be proposed anew."))
        case _:
            return str(gettext("It does not fit the rates as they stand: %(why)s", why=str(error)))


def _page(proposal_id: UUID, wrong: str = "", *, chosen: Word | None = None, reason: str = "") -> str:
    running, caller = services(), auth.principal()
    with running.database.read() as tx:
        found = get_seen(tx, proposal_id)
        shown = show(tx, found, now=running.clock.now())
        named = {found.row.proposed_by, found.end.ended_by if found.end else ""}
        people = names_of(tx, named)
    return render_template(
        "proposal.html",
        found=found,
        told=shown.notice,
        against=_against(shown.refused) if shown.refused else "",
        amounts=_AMOUNTS,
        cell=lambda name, text: _cell(name, text, shown),
        asked=json.dumps(json.loads(found.row.asked), ensure_ascii=False, indent=2)
        if found.row.asked
        else "",
        may=_may(found, shown, caller),
        wrong=wrong,
        chosen=chosen,
        reason=reason,
        done=request.args.get("done", "") if request.method == "GET" else "",
        people=people,
        principal=caller,
    )


def _may(found: Proposal, shown: Shown, caller: auth.Principal) -> tuple[Word, ...]:
    """Return what the caller may say to it now."""
    if found.state is not ProposalState.PROPOSED:
        return ()
    own = found.row.proposed_by == caller.actor.name
    return tuple(
        word
        for word in Word
        if caller.holds(SPEAKERS[word])
        and own == (word is Word.WITHDRAW)
        and not (word is Word.APPROVE and shown.refused)
    )


def _cell(name: str, text: str, shown: Shown) -> str:
    """Return a cell as the page shows it: an amount in its money, a dash for nothing."""
    if name in _AMOUNTS and text:
        try:
            return words.money(Money.parse(text, currency(shown.currency)))
        except MalformedAmountError:
            return text
    return text or "–"
