import threading
import time
from uuid import uuid4

import pytest
from flask import Flask

from runtime import cache
from runtime.database import transaction
from runtime.settings import Settings
from wsgi import create_app


def wait_until_listening(app: Flask) -> cache.Cache:
    kept: cache.Cache = app.extensions["kabao_cache"]
    with app.app_context():
        cache.get("warm-up", "x", lambda: 1)
    assert kept._listening.wait(5)
    return kept


def test_a_value_is_loaded_once(app: Flask) -> None:
    wait_until_listening(app)
    topic, loads = str(uuid4()), []
    with app.app_context():
        for _ in range(3):
            assert cache.get(topic, "key", lambda: loads.append(1) or "value") == "value"
    assert loads == [1]


def test_nothing_is_not_kept(app: Flask) -> None:
    wait_until_listening(app)
    topic, loads = str(uuid4()), []
    with app.app_context():
        for _ in range(2):
            assert cache.get(topic, "key", lambda: loads.append(1)) is None
    assert loads == [1, 1]


def test_a_change_committed_here_is_seen_at_once_and_elsewhere_soon(app: Flask, settings: Settings) -> None:
    other = create_app(settings)
    for each in (app, other):
        wait_until_listening(each)
    topic = str(uuid4())
    for each in (app, other):
        with each.app_context():
            cache.get(topic, "key", lambda: "old")
    with app.app_context():
        with transaction() as session:
            cache.changed(session, topic)
            assert cache.get(topic, "key", lambda: "new") == "old"
        assert cache.get(topic, "key", lambda: "new") == "new"
    deadline = time.monotonic() + 3
    with other.app_context():
        while cache.get(topic, "key", lambda: "new") != "new":
            assert time.monotonic() < deadline, "the other process was not told"
            time.sleep(0.01)
    other.extensions["kabao_cache"].stop()


def test_a_change_that_is_rolled_back_is_not_told(app: Flask) -> None:
    wait_until_listening(app)
    topic = str(uuid4())
    with app.app_context():
        cache.get(topic, "key", lambda: "old")
        with pytest.raises(RuntimeError), transaction() as session:  # noqa: PT012
            cache.changed(session, topic)
            raise RuntimeError
        assert cache.get(topic, "key", lambda: "new") == "old"


@pytest.mark.parametrize("is_reconnected", [False, True], ids=["the topic changed", "the connection came back"])
def test_a_value_loaded_while_a_change_arrives_is_not_kept(app: Flask, is_reconnected: bool) -> None:
    kept = wait_until_listening(app)
    topic, begun, go_on = str(uuid4()), threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        go_on.wait(5)
        return "stale"

    reader = threading.Thread(target=lambda: kept.get(topic, "key", slow))
    reader.start()
    begun.wait(5)
    kept.clear(None if is_reconnected else topic)
    go_on.set()
    reader.join()
    assert kept.get(topic, "key", lambda: "fresh") == "fresh"
