"""The ledger's checkpoints for whoever watches it from outside (`kabao ledger witness`). They tell how many acts there were, and nothing of any."""

import base64
from typing import Any

from runtime import ledger
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.problems import Refusal
from schemas.ledgers import CheckpointSchema, ConsistencyQuerySchema, ConsistencySchema

ledger_api = ApiBlueprint("ledger", __name__, description="Watching the ledger from outside.")


class NothingSealed(Refusal):
    """No row was sealed yet."""

    code, status, title = "nothing-sealed", 404, Text("存证账本尚无检查点。", "The ledger has no checkpoint yet.")


class NotSoMany(Refusal):
    """The ledger has fewer rows, or the later size is the smaller one."""

    code, status, title = (
        "not-so-many",
        422,
        Text("存证账本没有这么多行，或前后颠倒。", "The ledger has not so many rows, or the first size is the larger."),
    )


@ledger_api.route("/ledger/checkpoint", methods=["GET"])
@allow(anyone)
@ledger_api.response(200, CheckpointSchema)
def newest() -> dict[str, Any]:
    """Give the newest checkpoint; there is one within seconds of each act."""
    with transaction() as session:
        found = ledger.newest_checkpoint(session)
        if found is None:
            raise NothingSealed("no checkpoint")
        return {"size": found.size, "root": _encoded(found.root), "sealed_at": found.sealed_at, "checkpoint": found.signed}


@ledger_api.route("/ledger/consistency", methods=["GET"])
@allow(anyone)
@ledger_api.arguments(ConsistencyQuerySchema, location="query")
@ledger_api.response(200, ConsistencySchema)
def consistency(query: dict[str, Any]) -> dict[str, Any]:
    """Prove that the ledger of one size begins with that of a smaller one (RFC 9162 section 2.1.4)."""
    first, second = query["first"], query["second"]
    with transaction() as session:
        found = ledger.newest_checkpoint(session)
        if found is None:
            raise NothingSealed("no checkpoint")
        if second > found.size:
            raise NotSoMany("not sealed", field="second")
        if first > second:
            raise NotSoMany("the wrong way round", field="first")
        path = ledger.prove_consistency(session, first, second)
    return {"first": first, "second": second, "path": [_encoded(one) for one in path]}


def _encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
