"""The cookie by which a browser is known again: a random mark for each of the last few people who signed in in it."""

import re
from datetime import timedelta
from uuid import UUID

from flask import Response, current_app, request

from idp.signin import devices
from runtime.database import transaction
from runtime.settings import Settings

LIFETIME = timedelta(days=180)
PEOPLE = 4
MARK = re.compile(r"[A-Za-z0-9_-]{32}")
NOBODY = UUID(int=0)


def cookie_name() -> str:
    """Return the name of the cookie; over HTTPS its prefix binds it to this host."""
    return "__Host-kabao_browser" if _is_https() else "kabao_browser"


def here() -> tuple[str, ...]:
    """Return the marks that this browser shows, unverified."""
    return tuple(mark for mark in request.cookies.get(cookie_name(), "").split(".")[:PEOPLE] if MARK.fullmatch(mark))


def give(response: Response, mark: str) -> None:
    """Let the browser keep a person's mark, before those of others."""
    marks = [mark, *(other for other in here() if other != mark)][:PEOPLE]
    lifetime = int(LIFETIME.total_seconds())
    response.set_cookie(cookie_name(), ".".join(marks), max_age=lifetime, path="/", secure=_is_https(), httponly=True, samesite="Lax")


def is_known(subject_id: UUID | None) -> bool:
    """Whether a person signed in in this browser before; a number without an account costs the same question."""
    marks = here()
    if not marks:
        return False
    with transaction() as session:
        return devices.is_known(session, subject_id or NOBODY, marks)


def _is_https() -> bool:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings.is_https
