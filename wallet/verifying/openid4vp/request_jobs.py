"""What is over ends: requests that nobody answered within seconds, their keys with them, and all that came of a request two days later."""

from flask import current_app

from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every
from runtime.settings import Settings
from wallet.verifying.openid4vp import identity_requests, requests
from wallet.verifying.openid4vp.request_signals import tell
from wallet.verifying.openid4vp.requests import State

ROUNDS = 20


@every("* * * * * */10", if_any=requests.has_over)
def end_requests() -> None:
    """End the requests whose time is over, and tell whoever asked."""
    settings: Settings = current_app.extensions["kabao_settings"]
    for _ in range(ROUNDS):
        moment = now()
        with transaction() as session:
            ended = requests.end(session, now=moment)
            for one in ended:
                tell(session, settings, one.id, client_id=one.client_id, state=State.EXPIRED, now=moment)
        if len(ended) < requests.END_BATCH:
            break


@every("*/5 * * * *")
def forget_requests() -> None:
    """Forget the requests that are long over, and what came of them."""
    requests.forget(now=now())
    identity_requests.forget(now=now())
