"""The form by which a page changes something: a choice, why, and a tick that it is meant (confirmed.html)."""

from typing import Final

from flask import request
from flask_babel import gettext

_REASON: Final = range(3, 501)


def reason() -> str:
    """Return why, as it was written."""
    return request.form.get("reason", "").strip()


def lacks() -> str:
    """Return what the form lacks, in words for who sent it; empty when nothing."""
    if len(reason()) not in _REASON:
        return str(gettext("Say why, in 3 to 500 characters."))
    if request.form.get("sure") != "yes":
        return str(gettext("Please confirm that you mean it."))
    return ""
