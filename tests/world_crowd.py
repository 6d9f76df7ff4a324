"""A crowd: as many subjects as one likes, written the fast way (COPY), each just as the directory would have written it."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import psycopg

from keys import sealing
from keys.sealing import INDEX, SEAL, Sealer, place_of
from runtime.ids import new_id
from tests.world_people import citizen_number, invented_name

COLUMNS = ("id", "kind", "number_kind", "number_sealed", "number_index", "name_sealed", "added_at")
TYPES = ["uuid", "text", "text", "bytea", "bytea", "bytea", "timestamptz"]


def add_crowd(database_url: str, count: int, *, now: datetime) -> Iterator[tuple[UUID, str, str]]:
    """Add people to the directory, and yield id, number and name of each; for the application's context."""
    sealer: Sealer = sealing.sealer()
    assert min(sealer.current(SEAL), sealer.current(INDEX)) > 0
    with (
        psycopg.connect(database_url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY subjects ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy,  # type: ignore[arg-type]
    ):
        copy.set_types(TYPES)
        for _ in range(count):
            subject_id, number, name = new_id(), citizen_number(), invented_name()
            number_sealed = sealer.seal(number.encode(), place=place_of("subjects", "number", subject_id))
            name_sealed = sealer.seal(name.encode(), place=place_of("subjects", "name", subject_id))
            copy.write_row((subject_id, "person", "citizen", number_sealed, sealer.indexes(number)[0], name_sealed, now))
            yield subject_id, number, name
