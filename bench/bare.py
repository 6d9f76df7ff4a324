"""What cannot cost less: the bare acts that the paths are made of, measured on the same machine in the same run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey as PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import Engine, text

from keys import suites

DATA = b"\x5a" * 400
UNDO_AFTER = "DROP TABLE IF EXISTS bench_rows"


@dataclass(frozen=True)
class Bare:
    """A bare act and what one of it takes, in ms of the clock."""

    title: str
    ms: float


def bare_costs(engine: Engine, *, seconds: float, more: Mapping[str, Callable[[], object]] | None = None) -> list[Bare]:
    """Measure the bare acts, and others that are named, one at a time, in one thread."""
    key = suites.ES256.generate()
    assert isinstance(key, PrivateKey)
    public, signature = key.public_key(), key.sign(DATA, ECDSA(SHA256()))
    acts: dict[str, Callable[[], object]] = {
        "one P-256 signature": lambda: key.sign(DATA, ECDSA(SHA256())),
        "two P-256 verifications": lambda: [public.verify(signature, DATA, ECDSA(SHA256())) for _ in range(2)],
    }
    with engine.begin() as connection:
        connection.execute(text(UNDO_AFTER))
        connection.execute(text("CREATE TABLE bench_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea)"))
    acts["one row inserted and committed, durably"] = lambda: _insert(engine)
    acts |= more or {}
    found = [Bare(title, _time(act, seconds=seconds)) for title, act in acts.items()]
    with engine.begin() as connection:
        connection.execute(text(UNDO_AFTER))
    return found


def _insert(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO bench_rows (data) VALUES (:data)"), {"data": DATA})


def _time(act: Callable[[], object], *, seconds: float) -> float:
    act()
    count, began = 0, time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        act()
        count += 1
    return (now - began) * 1000 / max(count, 1)
