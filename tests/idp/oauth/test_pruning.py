"""What nobody can bring any more is forgotten."""

import secrets
from datetime import timedelta

from sqlalchemy import func, select

from idp.oauth.assertions import ClientAssertion, use_once
from idp.oauth.pruning import prune_oauth
from idp.signin.pruning import prune_signin
from runtime.clock import now
from runtime.database import transaction


def test_assertions_that_expired_are_forgotten_and_others_still_refused(context: None) -> None:
    old, young = secrets.token_hex(8), secrets.token_hex(8)
    assert use_once("system", old, expires_at=now() - timedelta(seconds=1))
    assert use_once("system", young, expires_at=now() + timedelta(minutes=5))
    prune_oauth()
    prune_signin()
    with transaction() as session:
        assert session.scalar(select(func.count()).where(ClientAssertion.expires_at < now() - timedelta(seconds=1))) == 0
    assert use_once("system", old, expires_at=now() + timedelta(minutes=5))
    assert not use_once("system", young, expires_at=now() + timedelta(minutes=5))
