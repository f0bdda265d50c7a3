"""How gunicorn runs the service. Every number comes from the settings (`lienthong env`)."""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from service import collector, logs
from service.settings import Settings

_settings = Settings()

bind = _settings.bind
workers = _settings.workers
threads = _settings.threads
worker_class = "gthread"
timeout = 60
graceful_timeout = 30
# Longer than a validator's pause between two uploads, so that its connection is kept.
keepalive = 75
accesslog = None
control_socket_disable = True
# A heartbeat file on a slow disk would make gunicorn kill healthy workers.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
forwarded_allow_ips = "127.0.0.1,::1"

# Must be in the environment before any worker imports prometheus_client.
_metrics_dir = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if not _metrics_dir:
    _metrics_dir = tempfile.mkdtemp(prefix="lienthong-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_dir


class JsonLogger(Logger):  # type: ignore[misc]  # gunicorn's class is untyped
    """Gunicorn's own few lines in the service's format."""

    def setup(self, cfg: Any) -> None:
        """Let the root logger write what gunicorn has to say."""
        super().setup(cfg)
        logs.configure(_settings.log_level)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
        self.error_log.setLevel(logging.INFO)


logger_class = JsonLogger


def post_worker_init(_worker: Any) -> None:
    """Set the collector when everything is loaded."""
    collector.calm()


def child_exit(_server: Any, worker: Any) -> None:
    """Keep the counts of a worker that died."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Sweep the metric files that we made."""
    assert _metrics_dir is not None, "set above"
    if Path(_metrics_dir).name.startswith("lienthong-metrics-"):
        shutil.rmtree(_metrics_dir, ignore_errors=True)
