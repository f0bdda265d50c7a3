"""The API: one blueprint a file, listed in `blueprints`; documents beside them, which commands print too."""

from apiflask.schema_adapters import registry

from service.answers import DescribedAnswer

registry.register("pydantic", DescribedAnswer)
