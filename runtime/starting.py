"""What a process looks at before it begins: whether the database is one that it can work with. Who would only fail at each request, or at each job,
is better told so at once; a database that does not answer is waited for.
"""

from collections.abc import Callable

import structlog
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from runtime.clashes import what_failed
from runtime.database import transaction
from runtime.settings import Settings

log = structlog.get_logger(__name__)
checks: list[Callable[[Session, Settings], None]] = []  # each raises what an operator is to mend


def look(app: Flask) -> None:
    """Look at the names of the settings and at the database, and keep no connection; raises what a check does."""
    for name in app.extensions["kabao_settings"].unknown_names:
        log.warning("a setting of this name is not known, and ignored", name=name)
    with app.app_context():
        try:
            with transaction() as session:
                for check in checks:
                    check(session, app.extensions["kabao_settings"])
        except OperationalError as error:
            log.warning("the database does not answer yet", error=what_failed(error))
        finally:
            app.extensions["kabao_engine"].dispose()
