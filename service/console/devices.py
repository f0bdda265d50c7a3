"""The devices' pages: a list with what each last said and what is wrong with it, and one device with what may be decided."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy import Connection
from werkzeug.wrappers import Response as BaseResponse

from access import enrol, health
from access.enrol import DeviceNotDrainedError, UnknownDeviceError
from access.health import Health
from access.rules.alarm import Alarm
from access.rules.device import DeviceState, DeviceTransitionError
from kernel.ids import DeviceId
from service import auth, devices
from service.auth import requires
from service.console import confirmed
from service.console.frame import DEVICE_READERS, pages
from service.console.people import names_of
from service.devices import Deed
from service.services import services
from service.staff import Role

blueprint: Final = pages("devices_page", __name__)
PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of the list. `counts` are of all devices that the reader may see, whatever was searched for."""

    rows: tuple[Health, ...]
    found: int
    counts: dict[Alarm, int]
    states: dict[DeviceState, int]
    search: str
    show: str
    first: int
    now: datetime

    @property
    def empty(self) -> bool:
        """Return whether no device has enrolled yet."""
        return not self.states

    @property
    def next_first(self) -> int | None:
        """Return where the next page begins, None on the last."""
        following = self.first + PAGE
        return following if following < self.found else None


@blueprint.get("/devices")
@requires(*DEVICE_READERS)
def listed() -> str:
    """Return the list, those that need a person first."""
    search = request.args.get("q", "").strip()[:64]
    show = request.args.get("show", "")
    first = max(0, request.args.get("first", 0, type=int))
    running = services()
    now = running.clock.now()
    with running.database.read() as tx:
        seen = _seen(tx, now)
    found = sorted(
        (each for each in seen if _fits(each, search, show)),
        key=lambda each: (not each.alarms, each.device.name),
    )
    states = [each.device.state for each in seen]
    page = Listing(
        rows=tuple(found[first : first + PAGE]),
        found=len(found),
        counts=dict(health.count_alarms(seen)),
        states={state: states.count(state) for state in DeviceState if state in states},
        search=search,
        show=show,
        first=first,
        now=now,
    )
    return render_template("devices.html", page=page, principal=auth.principal())


@blueprint.get("/devices/<uuid:device_id>")
@requires(*DEVICE_READERS)
def one(device_id: UUID) -> str:
    """Return one device's page."""
    return _page(device_id)


@blueprint.post("/devices/<uuid:device_id>")
@requires(Role.ADMINISTRATOR)
def decide(device_id: UUID) -> Response | BaseResponse:
    """Carry out what the form decides, once it is confirmed and a reason is given; else show the page again."""
    reason = confirmed.reason()
    try:
        deed = Deed(request.form.get("deed", ""))
    except ValueError:
        return make_response(
            _page(device_id, gettext("The request is not one that this page understands.")), 422
        )
    wrong = confirmed.lacks() or _carried_out(device_id, deed, reason)
    if wrong:
        return make_response(_page(device_id, wrong, chosen=deed, reason=reason), 409)
    return redirect(url_for("devices_page.one", device_id=device_id, done=deed.value))


def _carried_out(device_id: UUID, deed: Deed, reason: str) -> str:
    """Return what stands against it; empty when it is done."""
    running, actor = services(), auth.principal().actor
    try:
        running.database.run(
            lambda tx: devices.decide(
                tx, DeviceId(device_id), deed, reason=reason, actor=actor, now=running.clock.now()
            )
        )
    except DeviceNotDrainedError:
        return str(
            gettext(
                "It may still hold records that are not stored here. Let it deliver them, or give them up for lost."
            )
        )
    except DeviceTransitionError:
        return str(gettext("Its state does not allow this any more; look at it again."))
    return ""


def _page(device_id: UUID, wrong: str = "", *, chosen: Deed | None = None, reason: str = "") -> str:
    running = services()
    now = running.clock.now()
    with running.database.read() as tx:
        found = next((each for each in _seen(tx, now) if each.device.device_id == device_id), None)
        if found is None:
            raise UnknownDeviceError(device_id=str(device_id))
        history = enrol.list_events(tx, DeviceId(device_id))
        people = names_of(tx, {each.actor for each in history})
    caller = auth.principal()
    may = devices.allowed(found.device.state) if caller.holds(frozenset({Role.ADMINISTRATOR})) else ()
    return render_template(
        "device.html",
        found=found,
        history=history,
        deeds=may,
        wrong=wrong,
        chosen=chosen,
        reason=reason,
        done=request.args.get("done", "") if request.method == "GET" else "",
        now=now,
        principal=caller,
        people=people,
    )


def _seen(tx: Connection, now: datetime) -> tuple[Health, ...]:
    running, caller = services(), auth.principal()
    tariffs = tuple(running.shelf.books(tx).by_version)
    found = health.list_health(tx, now=now, tariff_version=tariffs[-1] if tariffs else "")
    limited = caller.operators(DEVICE_READERS)
    return tuple(each for each in found if limited is None or each.device.operator_id in limited)


def _fits(found: Health, search: str, show: str) -> bool:
    device = found.device
    wanted = search.casefold()
    if wanted and not any(
        wanted in text.casefold() for text in (device.name, device.place, device.operator_id)
    ):
        return False
    if show == "alarms":
        return bool(found.alarms)
    return not show or device.state.value == show
