"""What APDS v4 objects are made of, as the API's description shows them: of what the published document allows, ours.

The doors write their JSON themselves, amounts exactly; these classes only describe it. A field that may be absent is
not required here, and never null. What stands under `lienthong` is ours, by its own names.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

Number = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Duration = Annotated[str, Field(pattern=r"^PT(\d+H)?(\d+M)?(\d+S)?$")]
Absent = SkipJsonSchema[None]
Row = dict[str, str]


def _without_defaults(schema: dict[str, Any]) -> None:
    for each in schema.get("properties", {}).values():
        each.pop("default", None)


class ApdsBody(BaseModel):
    """An object by the names of APDS."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults, alias_generator=to_camel)


class OursBody(BaseModel):
    """What APDS has no word for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)


class ClassedBody(ApdsBody):
    """A reference to something that has no versions."""

    class_name: str
    id: str


class VersionedBody(ClassedBody):
    """A reference to one version of something."""

    version: int


class LanguageBody(ApdsBody):
    """A text in one language."""

    language: str
    string: str


class PriceBody(ApdsBody):
    """An amount in whole units of its currency."""

    currency_type: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    currency_value: Number


class PageMetaBody(ApdsBody):
    """Where a page stands in its list, and how long that is, at an instant (seconds since 1970, UTC)."""

    reference_instant: int
    offset: int
    page_size: int
    total: int
