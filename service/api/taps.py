"""`POST /v1/taps`: a device's signed evidence. The envelope is the authentication; the verb behind it verifies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeVar

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access.take_in import TakenIn, take_in
from kernel.wire.codec import MalformedRecordError
from kernel.wire.upload import MAX_RECORD_BYTES, MAX_RECORDS, Answer, Upload, Verdict
from ledger import close_period
from service import cards_cache, logs, metrics
from service.auth import device_envelope
from service.jobs.bill_batch import bill_batch, tariff_versions
from service.services import services

blueprint: Final = APIBlueprint("taps", __name__, tag="Devices")
MAX_BODY: Final = MAX_RECORDS * (MAX_RECORD_BYTES * 4 // 3 + 8) + 4_096
View = TypeVar("View", bound=Callable[..., object])


class UploadBody(BaseModel):
    """Records of one journal with contiguous sequences, signed over the head message of the last one."""

    model_config = ConfigDict(extra="forbid")

    device_id: str = Field(description="UUID of the device")
    key_id: str = Field(description="Which of its keys signed: 16 hexadecimal digits")
    journal_id: str = Field(description="UUID of the journal")
    records: list[str] = Field(description="1 to 1,000 records, base64, in order")
    signature: str = Field(description="Ed25519 over the head message of the last record, base64")


class RecordVerdictBody(BaseModel):
    """What became of one record."""

    sequence: int
    verdict: Verdict
    reason: str = Field(description="Empty when there is nothing to say; see docs/evidence.md")


class AnswerBody(BaseModel):
    """A verdict per record. Only `chained_up_to` permits a reader to drop its copy."""

    verdicts: list[RecordVerdictBody]
    chained_up_to: int


def _described(view: View) -> View:
    # The library's decorator writes the description and would then parse the body; a thousand records are parsed
    # once, by the wire format's own code.
    blueprint.input(UploadBody, location="json")(view)
    return view


@blueprint.post("/v1/taps")
@device_envelope
@_described
@blueprint.output(AnswerBody)
def post_taps() -> Response:
    """Take a journal's records in: stored, priced and posted in one commit, or nothing.

    The same upload again gets the same answer. A record that cannot be priced is still stored, and its verdict
    says why; the upload is refused whole only when its signature or its device is not valid.
    """
    running = services()
    upload = _parsed()
    shelf = running.shelf

    def work(tx: Connection) -> TakenIn:
        now = running.clock.now()
        published = tariff_versions(shelf.books(tx))
        taken = take_in(
            tx,
            upload,
            keyring=running.keyring,
            now=now,
            tariff_versions=published,
            share_days=close_period.share,
        )
        bill_batch(tx, taken, shelf=shelf, now=now, late_days=running.settings.late_days)
        return taken

    taken = running.database.run(work)
    accounts = {account for account, _ in taken.touched}
    cards_cache.refresh(running.database, running.cache, accounts, running.clock.now())
    for verdict in Verdict:
        count = sum(each.verdict is verdict for each in taken.verdicts)
        if count:
            metrics.TAPS.labels(verdict.value).inc(count)
    if taken.chained_up_to < taken.verdicts[-1].sequence:
        logs.logger("service.taps").warning(
            "journal.gap",
            device_id=str(upload.device_id),
            journal_id=str(upload.journal_id),
            missing_from=taken.chained_up_to + 1,
        )
    if taken.suspended:
        logs.logger("service.taps").error("device.suspended", device_id=str(upload.device_id))
    return jsonify(Answer(taken.verdicts, taken.chained_up_to).to_json())


def _parsed() -> Upload:
    request.max_content_length = MAX_BODY
    try:
        body = json.loads(request.get_data(cache=False))
    except ValueError:
        raise MalformedRecordError(offset=0, field="body", reason="not JSON") from None
    return Upload.from_json(body)
