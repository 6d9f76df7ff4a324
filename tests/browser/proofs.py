"""Proofs that stay recent however long a walk takes: whoever gave one today has given it just now."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import update

from idp.signin.sessions import SigninSession
from runtime.clock import now
from runtime.database import transaction

TODAY = timedelta(hours=9)


def renew(app: Flask) -> None:
    """Let the proofs of today have been given at this moment; those of people who signed in long ago stay as they are."""
    with app.app_context(), transaction() as session:
        session.execute(update(SigninSession).where(SigninSession.auth_time > now() - TODAY).values(auth_time=now()))
