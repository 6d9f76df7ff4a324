"""Filling a register: as many licences as one likes, each with its holder, turn, credential, place, event and ledger row, by INSERT ... SELECT.

Every row is a copy of a real one with ids, holders, states and dates of its own, in the order of time. What is sealed repeats the copied row's
and cannot be opened but for the numbers of those who are told of an end that comes, and a credential's text is cut to 300 bytes; so nobody asks for
the fields of these licences. The ledger's rows count as
sealed, without the tree's nodes.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from keys import sealing
from runtime.clock import now
from runtime.database import Base, engine, transaction
from runtime.settings import Settings
from tests.world_people import citizen_number
from wallet.holding.expiry_notices import STAGES
from wallet.issuing import status_lists
from wallet.issuing.desk.counting_jobs import add_up_counts

CHUNK = 50_000
GROWN_UP = citizen_number(born=date(1980, 1, 1))
TABLES = (
    "subjects",
    "licences",
    "licence_turns",
    "credentials",
    "status_entries",
    "events",
    "ledger_entries",
)
IDS = """
    CREATE OR REPLACE FUNCTION pg_temp.made_id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex((kind::bigint << 36) + n), 12, '0') || '70008' || lpad(to_hex(n * 2654435761 % 1000000007 + kind), 15, '0'))::uuid $$
"""
HOLDER, LICENCE, TYPE = "pg_temp.made_id(16, n / 2)", "pg_temp.made_id(17, n)", "(CAST(:types AS text[]))[1 + n % 3]"
DAY = "now() - (n % 1000) * interval '1 day'"
# Half of the licences are the department's own, the rest twenty others'. Of a hundred two are suspended, two revoked, one has lapsed.
MEMBERS = {
    "subjects": {"id": "pg_temp.made_id(16, n)", "number_index": "sha256(n::text::bytea)"},
    "licences": {
        "id": LICENCE,
        "holder_id": HOLDER,
        "issuer_code": "CASE WHEN n % 2 = 0 THEN l.issuer_code ELSE '113799990000' || lpad((n % 40)::text, 6, '0') END",
        "type_code": TYPE,
        "identifier": "left(l.identifier, 49) || upper(substr(md5(n::text), 1, 20)) || '.001.B'",
        "licence_number_index": "sha256(n::text::bytea)",
        "state": "CASE WHEN n % 50 IN (6, 7) THEN 'suspended' WHEN n % 50 IN (8, 9) THEN 'revoked' WHEN n % 100 = 10 THEN 'lapsed' ELSE 'valid' END",
        "act": "CASE WHEN n % 50 IN (6, 7) THEN 'suspend' WHEN n % 50 IN (8, 9) THEN 'revoke' WHEN n % 100 = 10 THEN 'expire' ELSE 'issue' END",
        "valid_until": "current_date + 1 + (n % 2190)::int",
        "issued_at": DAY,
        "changed_at": DAY,
        "due_since": "CASE WHEN n % 1000 = 4 THEN now() END",
        "due_for": """CASE WHEN n % 1000 = 4 THEN '["name"]' ELSE '[]' END::jsonb""",
    },
    "licence_turns": {"id": "pg_temp.made_id(18, n)", "holder_id": HOLDER, "licence_id": LICENCE},
    "credentials": {
        "id": "pg_temp.made_id(19, n)",
        "holder_id": HOLDER,
        "licence_id": LICENCE,
        "credential_sealed": "substr(l.credential_sealed, 1, 300)",
        "status_list": "CAST(:list AS text)",
        "status_index": "n * 10007 % 1048576",
    },
    "events": {"id": "pg_temp.made_id(20, n)", "object_id": f"{LICENCE}::text", "topic": TYPE, "sequence": "-n", "transaction": "1 + n % 500"},
    "ledger_entries": {"id": "pg_temp.made_id(21, n)", "object_id": f"{LICENCE}::text", "subject_id": HOLDER, "position": "n"},
}
COPIED = {
    "subjects": "id = :holder",
    "licences": "id = :licence",
    "licence_turns": "licence_id = :licence",
    "credentials": "licence_id = :licence",
    "events": "object_id = CAST(:licence AS text)",
    "ledger_entries": "object_id = CAST(:licence AS text)",
}


def crowd(settings: Settings, *, first: int, last: int, like: UUID, holder: UUID, types: list[str]) -> None:
    """Add the licences from the `first`-th to before the `last`-th, all like a real one of a holder; for the application's context."""
    given = {"licence": like, "holder": holder, "types": types}
    for begin in range(first, last, CHUNK):
        end = min(last, begin + CHUNK) - 1
        with transaction() as session:
            list_id = status_lists.make_list(session, settings, now=now(), bits=2)
            session.execute(text("SET LOCAL statement_timeout = 0"))
            session.execute(text("SET LOCAL synchronous_commit = off"))
            session.execute(text(IDS))
            for table, members in MEMBERS.items():
                session.execute(text(_statement(table, members)), {**given, "list": list_id, "begin": begin, "end": end})
            _seal_numbers(session, begin, end)
            taken = "INSERT INTO status_entries SELECT :list, n * 10007 % 1048576, 0 FROM generate_series(CAST(:begin AS bigint), :end) n"
            session.execute(text(taken), {"list": list_id, "begin": begin, "end": end})
            session.execute(text("UPDATE status_lists SET is_open = false WHERE id = :list"), {"list": list_id})
    add_up_counts()  # as the worker does meanwhile
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"VACUUM (ANALYZE) {', '.join(TABLES)}, licence_counts, licence_count_changes"))


def _seal_numbers(session: Session, begin: int, end: int) -> None:
    """Give whoever has a licence that ends soon a number that can be opened: for a minor, guardians hear of it."""
    soon = f"SELECT DISTINCT {HOLDER} FROM generate_series(CAST(:begin AS bigint), :end) n WHERE n % 2190 <= :soon"  # noqa: S608
    ids = session.scalars(text(soon), {"begin": begin, "end": end, "soon": STAGES[0]}).all()
    sealed = [{"id": one, "sealed": sealing.seal(GROWN_UP, table="subjects", column="number", row=one)} for one in ids]
    if sealed:
        session.execute(text("UPDATE subjects SET number_sealed = :sealed WHERE id = :id"), sealed)


def _statement(table: str, members: dict[str, str]) -> str:
    names = [one.name for one in Base.metadata.tables[table].columns]
    values = ", ".join(members.get(name, f'l."{name}"') for name in names)
    into = ", ".join(f'"{name}"' for name in names)
    copied = f"SELECT * FROM {table} WHERE {COPIED[table]} ORDER BY id LIMIT 1"  # noqa: S608 (tables and members are named here)
    numbers = "generate_series(CAST(:begin AS bigint), :end) n"
    return f"INSERT INTO {table} ({into}) OVERRIDING SYSTEM VALUE SELECT {values} FROM ({copied}) l, {numbers}"  # noqa: S608
