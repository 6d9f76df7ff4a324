"""For operators: alive, ready, and what is counted."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess, values
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from runtime import backlog
from runtime.clashes import what_failed
from runtime.database import transaction
from runtime.guard import allow, anyone

log = structlog.get_logger(__name__)
health = Blueprint("health", __name__)
checks: dict[str, Callable[[Session], bool]] = {}  # by name: what else must hold before requests are let in


@health.get("/healthz")
@allow(anyone)
def healthz() -> Response:
    """Say that the process answers."""
    return jsonify(status="ok")


@health.get("/readyz")
@allow(anyone)
def readyz() -> tuple[Response, int]:
    """Say whether the database answers and passes what other parts check of it, in their order; 503 if not."""
    try:
        with transaction() as session:
            session.execute(text("SELECT 1"))
            failed = next(([name] for name, is_good in checks.items() if not is_good(session)), [])  # what stands on one that fails is not asked
    except SQLAlchemyError as error:
        log.error("not ready", error=what_failed(error))
        return jsonify(status="unavailable", database="unavailable"), 503
    if failed:
        log.error("not ready", error=" ".join(failed))
        return jsonify(status="unavailable", database="ok", **dict.fromkeys(failed, "unavailable")), 503
    return jsonify(status="ok", database="ok", **dict.fromkeys(checks, "ok")), 200


@health.get("/metrics")
@allow(anyone)
def metrics() -> Response:
    """Give what is counted, over all worker processes where there are several, and what waits behind the scenes."""
    registry = REGISTRY
    if _counts_are_shared():
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return Response(generate_latest(registry) + backlog.written(), content_type=CONTENT_TYPE_LATEST)


def _counts_are_shared() -> bool:
    """Whether several processes count in one folder, which `kabao serve` names where there are several workers."""
    return values.ValueClass.__name__ != "MutexValue"
