"""The staff's pages."""

from typing import Final

from apiflask import APIBlueprint

from service.console.devices import blueprint as devices
from service.console.funders import blueprint as funders
from service.console.pages import blueprint as pages
from service.console.proposals import blueprint as proposals

BLUEPRINTS: Final[tuple[APIBlueprint, ...]] = (pages, devices, funders, proposals)
