"""SMS by HTTP: one signed POST to the operator's gateway, whose contract is `docs/recipes/senders.md`."""

import json
from datetime import datetime

from keys import request_signing
from keys.ring import KeyNotReady
from runtime import outbound
from runtime.breaker import Breaker, BreakerOpen
from runtime.outbound import NoAnswer
from runtime.settings import Settings

TIMEOUT = 10.0
SUCCESS = 2
_breakers: dict[str, Breaker] = {}


class SmsFailed(Exception):
    """The gateway did not take the message; the message of the error says at most with which status."""


def send(settings: Settings, *, to: str, text: str, message_id: str, now: datetime) -> None:
    """Hand one message to the gateway that the settings name; raises SmsFailed."""
    body = json.dumps({"id": message_id, "to": to, "text": text}, ensure_ascii=False).encode()
    try:
        headers = request_signing.sign_headers("POST", settings.sms_url, body, now=now)
        allowed = outbound.allowed_by(settings, settings.sms_url)
        with _breakers.setdefault(settings.sms_url, Breaker()).attempt():  # a silent gateway keeps no portal waiting for its logout tokens
            answer = outbound.fetch("POST", settings.sms_url, body=body, headers=headers, allowed=allowed, timeout=TIMEOUT, limit=0)
    except (NoAnswer, KeyNotReady, BreakerOpen) as error:
        raise SmsFailed(type(error).__name__) from None
    if answer.status // 100 != SUCCESS:
        raise SmsFailed(f"status {answer.status}")
