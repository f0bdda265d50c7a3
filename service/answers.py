"""What an answer is held against before it goes out: its description in the API's document."""

from __future__ import annotations

from typing import Any

from apiflask.schema_adapters.pydantic import PydanticAdapter
from pydantic import ValidationError

from service import logs


class DescribedAnswer(PydanticAdapter):
    """A body as its schema writes it; one that does not fit goes out as it is, and the log says where.

    What was asked for has been done by then: a fault in a description must not tell the caller that it was not.
    """

    def serialize_output(self, data: Any, many: bool = False) -> Any:
        """Return the body to send."""
        try:
            return super().serialize_output(data, many)
        except ValidationError as error:
            places = [".".join(map(str, found["loc"])) for found in error.errors(include_input=False)]
            logs.logger("service.answers").error("answer.undescribed", schema=error.title, places=places[:5])
            return data
