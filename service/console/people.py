"""What the actors in a history are called."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import Connection

from service.store import staff as store


def names_of(tx: Connection, actors: Iterable[str]) -> Mapping[str, str]:
    """Return the names of those actors ("id" or "kind:id") that are staff or credentials; others say it themselves."""
    ids: dict[str, UUID] = {}
    for actor in actors:
        try:
            ids[actor] = UUID(actor.rpartition(":")[2])
        except ValueError:
            continue
    known = store.list_names(tx, ids.values()) if ids else {}
    return {actor: known[each] for actor, each in ids.items() if each in known}
