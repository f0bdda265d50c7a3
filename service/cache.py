"""Redis, which holds only what may be lost: every call has an answer without it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import redis

from kernel.clock import stopwatch
from service import metrics

Result = TypeVar("Result")

# A decision has 300 ms from card to light; a lost Redis may not eat it.
TIMEOUT_S: Final = 0.1
# After a failure the next calls do not even try: a time-out a request would be slower than having no Redis.
PAUSE_S: Final = 1.0


class Cache:
    """A Redis client whose failures are counted and answered with None. Without a URL every answer is None."""

    def __init__(self, url: str) -> None:
        self.client: redis.Redis | None = None
        if url:
            self.client = redis.Redis.from_url(
                url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=False
            )
        self._resume_at = 0.0

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`, or None when there are none or Redis is gone."""
        answer = self.attempt(lambda client: client.get(key))
        return answer if isinstance(answer, bytes) else None

    def set(self, key: str, value: bytes, *, ttl_s: int) -> bool:
        """Store `value` for `ttl_s` seconds; return whether it was stored."""
        return self.attempt(lambda client: client.set(key, value, ex=ttl_s)) is not None

    def delete(self, *keys: str) -> bool:
        """Drop the keys; return whether Redis answered."""
        return self.attempt(lambda client: client.delete(*keys)) is not None

    def script(
        self, source: str, keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> object | None:
        """Run a Lua script and return its answer, or None when Redis is gone."""
        return self.attempt(lambda client: client.register_script(source)(keys=keys, args=arguments))

    def alive(self) -> bool:
        """Return whether Redis answers now."""
        return self.attempt(lambda client: client.ping()) is not None

    def attempt(self, call: Callable[[redis.Redis], Result]) -> Result | None:
        """Return what `call` returns, or None when Redis is not configured, pausing after a failure, or failing."""
        if self.client is None or stopwatch() < self._resume_at:
            return None
        try:
            return call(self.client)
        except redis.RedisError:
            metrics.CACHE_FAILURES.inc()
            self._resume_at = stopwatch() + PAUSE_S
            return None

    def close(self) -> None:
        """Close the connections."""
        if self.client is not None:
            self.client.close()
