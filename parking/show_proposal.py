"""What a proposal changes, or changed: worked out anew while it waits, read back from what was published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from kernel.errors import DomainError
from parking.apds.amend import difference
from parking.apds.editions import Content, ElementKind, contents
from parking.apds.notice import Notice, notice
from parking.apds.shapes import Json
from parking.proposals import Proposal
from parking.propose_rates import work_out
from parking.publish_rates import Rates
from parking.rules.proposal import ProposalState


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows of rate files that go and come, and the code of the money they are in.

    `refused` says why the proposal cannot be approved as things stand; then, and where it came to nothing, there are
    no rows.
    """

    gone: list[Json]
    come: list[Json]
    currency: str
    refused: DomainError | None = None

    @property
    def notice(self) -> Notice:
        """Return the rows as a notice of what changes."""
        return notice(self.gone, self.come)


def show(tx: Connection, proposal: Proposal, *, now: datetime) -> Shown:
    """Return what a proposal changes, or changed when it was approved."""
    key = (ElementKind(proposal.row.kind), proposal.row.element_id)
    if proposal.state is ProposalState.PROPOSED:
        try:
            worked = work_out(tx, proposal.asked, now=now)
        except DomainError as error:
            return Shown([], [], "", error)
        return _shown(worked.gone, worked.come, contents(worked.files).get(key))
    if proposal.end is None or not proposal.end.rates_version:
        return Shown([], [], "")
    rates = Rates(tx)
    versions = [version for _, version in rates.published()]
    at = versions.index(proposal.end.rates_version)
    before, after = (contents(rates.files(each)).get(key) for each in versions[at - 1 : at + 1])
    return _shown(*difference(before, after), after)


def _shown(gone: list[Json], come: list[Json], after: Content | None) -> Shown:
    return Shown(
        gone, come, _currency([*(dict(cells) for _, cells in after or ()), *(row["cells"] for row in gone)])
    )


def _currency(rows: Iterable[Json]) -> str:
    """Return the currency that any of an element's rows names; rate files mean VND where none does."""
    return next((row["currency"] for row in rows if row.get("currency")), "VND")
