"""Files that officers upload: worked at in bounded steps, sealed at rest, and forgotten."""

import csv
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.issuing.importing.test_import import MAPPING, Importer, row_for
from tests.world_people import Person, new_person
from wallet.issuing import batch_groups, batch_jobs, batches
from wallet.issuing.importing import running, uploads
from wallet.issuing.importing.tables import TableUnreadable


@pytest.fixture
def importer(app: Flask, tmp_path: Path) -> Importer:
    return Importer(app, tmp_path)


@pytest.fixture
def people(app: Flask) -> list[Person]:
    with app.app_context(), transaction() as session:
        return [new_person(session) for _ in range(450)]


def start(importer: Importer, file: Path, *, mapping_text: str | None = None) -> UUID:
    with importer.app.app_context(), uploads.reading(file, mapping_text=mapping_text or MAPPING.read_text()) as read, transaction() as session:
        return uploads.start(session, read, name="名单.csv", department=importer.department, officer=new_id(), now=now())


def work(importer: Importer, batch_id: UUID) -> bool:
    with importer.app.app_context():
        return uploads.work_at_next(importer.app.extensions["kabao_settings"], batch_id, now=now())


def rows_of(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(StringIO("".join(lines).removeprefix("\ufeff"))))


def test_an_upload_is_worked_at_part_by_part_and_gives_back_what_was_issued_and_what_was_not(importer: Importer, people: list[Person]) -> None:
    rows = [row_for(one, 性别="?" if number % 100 == 50 else "男", 住址="=A1" if number == 50 else "路") for number, one in enumerate(people)]
    batch_id = start(importer, importer.file(rows))
    with importer.app.app_context(), transaction() as session:
        begun = uploads.progress_of(session, batch_id, department=importer.department)
    assert (begun.lines, begun.issued, begun.refused, begun.is_over, begun.name) == (450, 0, 0, False, "名单.csv")
    assert work(importer, batch_id)
    assert start(importer, importer.file(rows)) == batch_id
    while work(importer, batch_id):
        pass
    with importer.app.app_context(), transaction() as session:
        over = uploads.progress_of(session, batch_id, department=importer.department)
        issued = rows_of(list(uploads.issued_rows(session, batch_id, department=importer.department)))
        rejected = rows_of(list(uploads.rejected_rows(session, batch_id, department=importer.department)))
        assert [one.batch_id for one in uploads.imports_of(session, department=importer.department)] == [batch_id]
    assert (over.issued, over.refused, over.is_over) == (446, 4, True)
    assert len(issued) == 447
    assert issued[1][-1].startswith("1.2.156.3005.2.")
    assert [row[10] for row in rejected[1:]] == ["52", "152", "252", "352"]
    assert rejected[1][6] == "'=A1"
    assert rejected[1][11].startswith("性别：")
    assert len(importer.held(people[0])) == 1


def test_a_part_whose_worker_dies_is_worked_at_again_and_issues_nothing_twice(
    importer: Importer, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = start(importer, importer.file([row_for(one) for one in people[:250]]))
    monkeypatch.setattr(batch_groups, "GROUP", 50)
    take = batch_groups.Work._together
    calls = iter(range(100))

    def dying(self: batch_groups.Work, *arguments: object, **named: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return take(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_groups.Work, "_together", dying)
    with pytest.raises(KeyboardInterrupt):
        work(importer, batch_id)
    assert len(importer.held(people[0])) == 1
    assert importer.held(people[150]) == []
    while work(importer, batch_id):
        pass
    assert [len(importer.held(one)) for one in people[:250]] == [1] * 250


def test_two_files_with_the_same_rows_worked_at_at_once_issue_each_row_once(
    importer: Importer, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row_for(one) for one in people[:30]]
    files = [importer.file([*rows, row_for(people[-1], 住址=name)], name) for name in ("a.csv", "b.csv")]
    imports = [start(importer, one) for one in files]
    asked, both = batches.issued_before, threading.Barrier(2)

    def asked_at_once(*args: Any, **named: Any) -> Any:
        found = asked(*args, **named)
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=2)
        return found

    monkeypatch.setattr(batches, "issued_before", asked_at_once)
    with ThreadPoolExecutor(max_workers=2) as pool:
        assert list(pool.map(lambda one: work(importer, one), imports)) == [True, True]
    assert [len(importer.held(one)) for one in people[:30]] == [1] * 30
    with importer.app.app_context(), transaction() as session:
        found = [uploads.progress_of(session, one, department=importer.department) for one in imports]
    assert (sum(one.issued for one in found), sum(one.refused for one in found)) == (32, 30)


def test_a_part_that_two_workers_have_in_hand_is_issued_and_counted_once(
    importer: Importer, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, both, take = start(importer, importer.file([row_for(one) for one in people[:20]])), threading.Barrier(2), running.take_rows

    def taken_at_once(*args: Any, **named: Any) -> Any:
        both.wait(timeout=30)
        return take(*args, **named)

    monkeypatch.setattr(running, "take_rows", taken_at_once)
    with ThreadPoolExecutor(max_workers=2) as pool:
        assert list(pool.map(lambda _: work(importer, batch_id), range(2))) == [True, True]
    assert [len(importer.held(one)) for one in people[:20]] == [1] * 20
    with importer.app.app_context(), transaction() as session:
        over = uploads.progress_of(session, batch_id, department=importer.department)
    assert (over.issued, over.refused, over.is_over) == (20, 0, True)


def test_a_job_takes_its_steps_and_asks_for_the_next(importer: Importer, people: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = start(importer, importer.file([row_for(one) for one in people]))
    monkeypatch.setattr(batch_jobs, "STEP_SECONDS", 0.0)
    query = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'kabao:work_at_import' AND args->>'batch_id' = :id")
    with importer.app.app_context():
        batch_jobs.work_at_import(str(batch_id))
        with transaction() as session:
            assert session.scalar(query, {"id": str(batch_id)}) == 2
            assert uploads.progress_of(session, batch_id, department=importer.department).issued == 200


def test_anothers_import_is_not_found(importer: Importer, people: list[Person]) -> None:
    batch_id = start(importer, importer.file([row_for(people[0])]))
    with importer.app.app_context(), transaction() as session:
        for ask in (uploads.progress_of, uploads.rejected_rows, uploads.issued_rows):
            with pytest.raises(uploads.ImportNotFound):
                ask(session, batch_id, department="11379999MB0000000X")
            with pytest.raises(uploads.ImportNotFound):
                ask(session, new_id(), department=importer.department)


def test_what_cannot_be_imported_is_refused_and_nothing_is_kept(importer: Importer, people: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    file = importer.file([row_for(one) for one in people[:3]])
    with pytest.raises(uploads.MappingRefused):
        start(importer, file, mapping_text="type: nothing")
    with pytest.raises(uploads.MappingRefused):
        start(importer, file, mapping_text=MAPPING.read_text().replace("姓名", "名字"))
    broken = importer.folder / "a.xlsx"
    broken.write_bytes(b"PK")
    with pytest.raises(TableUnreadable):
        start(importer, broken)
    monkeypatch.setattr(uploads, "MOST_ROWS", 2)
    with pytest.raises(uploads.TooManyRows):
        start(importer, file)
    with importer.app.app_context(), transaction() as session:
        assert uploads.imports_of(session, department=importer.department) == []


def test_a_file_rests_sealed_and_is_forgotten_with_its_batch(importer: Importer, people: list[Person]) -> None:
    person = people[0]
    batch_id = start(importer, importer.file([row_for(person, 性别="?")]))
    work(importer, batch_id)
    with importer.app.app_context():
        with transaction() as session:
            for table in ("import_files", "import_parts", "batch_lines"):
                dumped = session.scalar(text(f"SELECT string_agg(t::text, '') FROM {table} t WHERE batch_id = :id"), {"id": batch_id})  # noqa: S608 (names of ours)
                for personal in (person.number, person.name, person.number.encode().hex(), person.name.encode().hex(), "名单"):
                    assert personal not in dumped
            session.execute(text("UPDATE batches SET used_at = :old WHERE id = :id"), {"old": now() - timedelta(days=6), "id": batch_id})
        batch_jobs.forget_batches()
        with transaction() as session:
            assert uploads.progress_of(session, batch_id, department=importer.department).refused == 1
            session.execute(text("UPDATE batches SET used_at = :old WHERE id = :id"), {"old": now() - batches.KEPT - timedelta(1), "id": batch_id})
        batch_jobs.forget_batches()
        with transaction() as session:
            for table in ("import_files", "import_parts", "batch_lines"):
                assert session.scalar(text(f"SELECT count(*) FROM {table} WHERE batch_id = :id"), {"id": batch_id}) == 0  # noqa: S608
