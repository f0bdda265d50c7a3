"""The API, one blueprint a file. A new file is added to this list; nothing is discovered."""

from typing import Final

from apiflask import APIBlueprint

from service.api.health import blueprint as health
from service.api.problems import blueprint as problems

BLUEPRINTS: Final[tuple[APIBlueprint, ...]] = (
    health,
    problems,
)
