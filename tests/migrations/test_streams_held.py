"""What an installation has when it learns who stopped a stream: the ledger says whether that was an operator."""

from uuid import UUID, uuid4

import psycopg
from alembic import command

from demo import postgres
from migrations.commands import config_for

STREAM = """
INSERT INTO signal_streams (id, client_id, method, events_requested, status, made_at, cursor_transaction, cursor_sequence)
VALUES (%s, 'c', 'urn:ietf:rfc:8936', '[]', %s, now(), 0, 0)
"""
ACT = "INSERT INTO ledger_entries (id, recorded_at, act, actor, object_id, detail) VALUES (%s, now(), %s, %s, %s, '{}')"


def test_streams_that_an_operator_stopped_are_held_and_no_others(server: postgres.PostgresServer) -> None:
    url = postgres.create_database(server, "test_held_migration", afresh=True)
    command.upgrade(config_for(url), "0060")
    done = {
        "by command": ("paused", ["operator"]),
        "on the page": ("disabled", ["client:c", "operator:0190"]),
        "by its receiver": ("paused", ["operator", "client:c"]),
        "gone": ("disabled", ["receiver"]),
        "let go on": ("enabled", ["operator"]),
        "never": ("enabled", []),
    }
    ids = {name: uuid4() for name in done}
    number = 0
    with psycopg.connect(url) as connection:
        for name, (status, actors) in done.items():
            connection.execute(STREAM, (ids[name], status))
            for actor in actors:
                number += 1
                connection.execute(ACT, (UUID(int=number), "stream.status", actor, str(ids[name])))
            connection.execute(ACT, (uuid4(), "stream.changed", "operator", str(ids[name])))
    command.upgrade(config_for(url), "head")
    with psycopg.connect(url) as connection:
        held = {row[0] for row in connection.execute("SELECT id FROM signal_streams WHERE is_held")}
    assert {name for name, stream_id in ids.items() if stream_id in held} == {"by command", "on the page"}
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP DATABASE test_held_migration WITH (FORCE)")
