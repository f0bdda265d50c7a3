"""The API, one blueprint a file. A new file is added to this list; nothing is discovered."""

from typing import Final

from apiflask import APIBlueprint

from service.api.health import blueprint as health
from service.api.ledger import blueprint as ledger
from service.api.notifications import blueprint as notifications
from service.api.problems import blueprint as problems
from service.api.settlements import blueprint as settlements
from service.api.topups import blueprint as topups

BLUEPRINTS: Final[tuple[APIBlueprint, ...]] = (
    health,
    problems,
    ledger,
    settlements,
    topups,
    notifications,
)
