"""A new master key: every private key and every data key is sealed anew under it, all or none.

What is derived from a master key (the subjects that portals know, refresh tokens, codes under way) must outlive it, so it goes on from
the derivation key that `kabao keys derivation` prints before; its copy among the data keys lets no process run that lost it.
"""

import hmac
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys import sealing
from keys.ring import TOPIC as RING_TOPIC
from keys.ring import SigningKey
from keys.sealing import DERIVATION, TOPIC, DataKey, unwrap, wrap
from runtime import cache, ledger
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings


class NothingToRewrap(Refusal):
    """There is no former master key to come from."""

    code, status, title = "nothing-to-rewrap", 409, Text("没有旧的主密钥。", "There is no former master key.")


class OtherDerivation(Refusal):
    """What was derived so far was derived from another key than the one that would be kept for good."""

    code, status, title = "other-derivation", 409, Text("派生密钥有误。", "The derivation key is another.")


def rewrap(session: Session, settings: Settings, *, now: datetime) -> int:
    """Seal every key under the present master key and return how many there are; raises NothingToRewrap, OtherDerivation, SealBroken."""
    if settings.former_master_key is None:
        raise NothingToRewrap("KABAO_FORMER_MASTER_KEY is not set")
    sealing.check_master_key(session, settings)
    data_keys = session.scalars(select(DataKey).where(DataKey.wrapped.is_not(None)).with_for_update()).all()
    signing_keys = session.scalars(select(SigningKey).where(SigningKey.wrapped.is_not(None)).with_for_update()).all()
    rows: list[tuple[DataKey | SigningKey, str]] = [
        *((row, f"{row.purpose}:{row.version}") for row in data_keys),
        *((row, row.kid) for row in signing_keys),
    ]
    for row, name in rows:
        assert row.wrapped is not None
        row.wrapped = wrap(settings, unwrap(settings, row.wrapped, name=name), name=name)
    if not any(row.purpose == DERIVATION for row in data_keys):
        first = replace(settings, master_key=settings.former_master_key, former_master_key=None, derivation_key=None)
        if not hmac.compare_digest(settings.derivation, first.derivation):
            raise OtherDerivation("KABAO_DERIVATION_KEY is not what `kabao keys derivation` prints under the former master key")
        sealing.keep_derivation(session, settings, now=now)
    ledger.record(session, "master_key.changed", actor="operator", object_id="master-key", now=now, keys=len(rows))
    for topic in (TOPIC, RING_TOPIC):
        cache.changed(session, topic)
    return len(rows)
