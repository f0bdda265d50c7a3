"""The documented diagrams and outcomes are those of the code."""

from enum import Enum
from pathlib import Path

import pytest

from ledger.rules import intent, mandate, pay_back, till
from ledger.rules.topup import Reason

TEXT = (Path(__file__).parents[3] / "docs" / "topup.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("table", "first"),
    [
        (intent.TRANSITIONS, intent.IntentState.OPEN),
        (pay_back.TRANSITIONS, pay_back.OrderState.ASKED),
        (till.TRANSITIONS, till.TillShiftState.OPEN),
        (mandate.TRANSITIONS, mandate.MandateState.ACTIVE),
    ],
)
def test_the_diagram_is_drawn_from_the_table(table: dict[Enum, dict[Enum, Enum]], first: Enum):
    lines = ["stateDiagram-v2", f"    [*] --> {first.value}"]
    lines += [
        f"    {state.value} --> {to.value}: {event.value}"
        for state, row in table.items()
        for event, to in row.items()
    ]
    lines += [f"    {state.value} --> [*]" for state, row in table.items() if not row]
    assert "\n".join(lines) in TEXT


def test_every_reason_is_documented():
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in TEXT] == []
