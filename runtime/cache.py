"""Slow-changing things, kept in the process and dropped the moment that PostgreSQL says they changed.

`get(topic, key, load)` loads once; `changed(session, topic)` tells every process at the commit (LISTEN/NOTIFY). A
value loaded while a change was under way is not kept, nothing is older than `LIFETIME`, and while the listening
connection is down nothing is kept at all.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import psycopg
import structlog
from flask import Flask, current_app
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from runtime.clashes import what_failed
from runtime.database import CONNECTION
from runtime.present import extension
from runtime.settings import Settings

log = structlog.get_logger(__name__)
Value = TypeVar("Value")
CHANNEL = "kabao_changed"
LIFETIME = 60.0
LIMIT = 20_000


class Cache:
    """The cache of one application in one process; it begins to listen on first use."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._kept: OrderedDict[tuple[str, Hashable], tuple[float, Any]] = OrderedDict()
        self._generation: dict[str | None, int] = {}
        self._lock = threading.Lock()
        self._listening = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        """Stop listening; for a process that ends in an orderly way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def get(self, topic: str, key: Hashable, load: Callable[[], Value | None]) -> Value | None:
        """Return the kept value, or load it and keep it; None is returned and never kept."""
        if self._thread is None:
            self._start()
        found = self._kept.get((topic, key))
        if found is not None and found[0] > time.monotonic():
            value: Value = found[1]
            return value
        generation = self._generation_of(topic)
        loaded = load()
        with self._lock:
            if loaded is not None and self._listening.is_set() and self._generation_of(topic) == generation:
                self._kept[topic, key] = (time.monotonic() + LIFETIME, loaded)
                if len(self._kept) > LIMIT:
                    self._kept.popitem(last=False)
        return loaded

    def clear(self, topic: str | None = None) -> None:
        """Drop what is kept on a topic, or everything."""
        with self._lock:
            self._generation[topic] = self._generation.get(topic, 0) + 1
            for kept in [kept for kept in self._kept if topic in (None, kept[0])]:
                del self._kept[kept]

    def _generation_of(self, topic: str) -> tuple[int, int]:
        """Return what changes whenever the topic, or everything (None), is dropped: also for a topic of which nothing was ever kept."""
        return self._generation.get(topic, 0), self._generation.get(None, 0)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="kabao-cache", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, application_name="kabao cache", **CONNECTION) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.clear()
                    self._listening.set()
                    while not self._stopped.is_set():
                        for notice in connection.notifies(timeout=0.5):
                            self.clear(notice.payload)
            except psycopg.Error as error:
                log.warning("cache is not listening", error=what_failed(error))
            self._listening.clear()
            self.clear()
            self._stopped.wait(1)


def get(topic: str, key: Hashable, load: Callable[[], Value | None]) -> Value | None:
    """Return what the current application keeps on a topic under a key, loading it if need be."""
    cache: Cache = extension("kabao_cache")
    return cache.get(topic, key, load)


def changed(session: Session, topic: str) -> None:
    """Tell every process, when this transaction commits, that a topic changed; this process hears it first."""
    session.execute(text("SELECT pg_notify(:channel, :topic)"), {"channel": CHANNEL, "topic": topic})
    cache: Cache = current_app.extensions["kabao_cache"]
    event.listen(session, "after_commit", lambda _: cache.clear(topic))  # of a savepoint, and of the whole


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its cache."""
    app.extensions["kabao_cache"] = Cache(settings.database_url)
