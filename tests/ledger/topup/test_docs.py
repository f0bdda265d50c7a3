"""The documented diagram and outcomes are those of the code."""

from pathlib import Path

from ledger.rules.intent import TRANSITIONS, IntentState
from ledger.rules.topup import Reason

TEXT = (Path(__file__).parents[3] / "docs" / "topup.md").read_text("utf-8")


def test_the_diagram_is_drawn_from_the_table():
    lines = ["stateDiagram-v2", f"    [*] --> {IntentState.OPEN.value}"]
    lines += [
        f"    {state.value} --> {to.value}: {event.value}"
        for state, row in TRANSITIONS.items()
        for event, to in row.items()
    ]
    lines += [f"    {state.value} --> [*]" for state, row in TRANSITIONS.items() if not row]
    assert "\n".join(lines) in TEXT


def test_every_reason_is_documented():
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in TEXT] == []
