"""What an installation has when it meets the life of licences: its licences get their first turns, and those revoked their second."""

from datetime import UTC, date, datetime
from uuid import uuid4

import psycopg
from alembic import command

from demo import postgres
from migrations.commands import config_for

ISSUED, REVOKED = datetime(2025, 5, 1, 2, tzinfo=UTC), datetime(2025, 9, 1, 2, tzinfo=UTC)
BEFORE = """
INSERT INTO licences (holder_id, id, type_code, type_version, issuer_code, identifier, licence_number_sealed, fields_sealed, valid_from, state,
    reason_sealed, issued_at, changed_at)
VALUES (%(holder)s, %(id)s, 'T', 1, 'D', %(id)s::text, '', '', %(begins)s, %(state)s, %(reason)s, %(issued)s, %(changed)s)
"""


def test_licences_from_before_have_their_turns(server: postgres.PostgresServer) -> None:
    url = postgres.create_database(server, "test_life_migration", afresh=True)
    config = config_for(url)
    command.upgrade(config, "0022")
    holder, valid, revoked = uuid4(), uuid4(), uuid4()
    with psycopg.connect(url) as connection:
        common = {"holder": holder, "issued": ISSUED}
        connection.execute(BEFORE, {**common, "id": valid, "state": "valid", "reason": None, "changed": ISSUED, "begins": date(2025, 1, 1)})
        connection.execute(BEFORE, {**common, "id": revoked, "state": "revoked", "reason": b"x", "changed": REVOKED, "begins": date(2025, 6, 1)})
    command.upgrade(config, "head")
    with psycopg.connect(url) as connection:
        turns = connection.execute(
            "SELECT licence_id, turn, act, state, at, effective_at, actor FROM licence_turns ORDER BY licence_id = %s, turn", (revoked,)
        ).fetchall()
        licences = dict(connection.execute("SELECT id, act || ' ' || turn || ' ' || holders || ' ' || due_for FROM licences").fetchall())
    assert turns == [
        (valid, 1, "issue", "valid", ISSUED, datetime(2024, 12, 31, 16, tzinfo=UTC), "department:D"),
        (revoked, 1, "issue", "valid", ISSUED, ISSUED, "department:D"),
        (revoked, 2, "revoke", "revoked", REVOKED, REVOKED, "department:D"),
    ]
    assert licences == {valid: "issue 1 1 []", revoked: "revoke 2 1 []"}
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP DATABASE test_life_migration WITH (FORCE)")
