"""What is over goes: the keys of requests that nobody answered, every few minutes, and the requests themselves two days later."""

from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every
from wallet.verifying.openid4vp import requests

ROUNDS = 20


@every("*/5 * * * *")
def end_requests() -> None:
    """Forget the keys of requests whose time is over, and what is older."""
    for _ in range(ROUNDS):
        with transaction() as session:
            if not requests.forget_keys(session, now=now()):
                break
    requests.forget(now=now())
