"""The recipe for a department's system works as it is written: its Python is run, with the registration that it tells the operator to make."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.postgres import PostgresServer
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from tests.at_address import AddressedKabao, kabao_at_address
from tests.world_people import credit_code, new_person
from tests.world_wallet import apply_catalogue, new_department, new_licence
from wallet.presenting import qr_codes

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
RECIPES = ROOT / "docs" / "recipes"
INVENTED = "1137999900010001XM"
TYPE = "driving-licence"


@pytest.fixture(scope="module")
def kabao(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AddressedKabao]:
    name = "recipes_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    with kabao_at_address(server, name=name, folder=tmp_path_factory.mktemp("recipes")) as kabao:
        with kabao.app.app_context():
            apply_catalogue()
        yield kabao


def blocks(language: str, recipe: Path = RECIPES / "department.md") -> list[str]:
    """Return a recipe's blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", recipe.read_text(), re.MULTILINE | re.DOTALL)


def shown_code(kabao: AddressedKabao, number: str) -> str:
    """Let someone show a licence of another department."""
    with kabao.app.app_context():
        issuer = new_department(issue=[TYPE])
    with kabao.world() as session:
        holder_id = ensure_subject(session, parse_number(number), now=now()).id
    with kabao.world() as session:
        licence = new_licence(session, type=TYPE, department=issuer, number=number)
    with kabao.world() as session:
        return qr_codes.create(session, holder_id=holder_id, licence_id=licence.id, fields=["vehicle_class"], now=now()).content


def register(kabao: AddressedKabao, folder: Path) -> None:
    """Run the operator's commands as the recipe has them, for a department of the test's own."""
    commands = next(block for block in blocks("sh") if "department add" in block)
    commands = commands.replace(INVENTED, credit_code(kind="11")).replace("jwks.json", str(folder / "jwks.json")).replace("\\\n", " ")
    for line in commands.splitlines():
        done = kabao.processes.command(*shlex.split(line)[1:])
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_for_a_department_works_as_written(kabao: AddressedKabao, tmp_path: Path) -> None:
    with kabao.world() as session:
        holder, shower = new_person(session), new_person(session)
    environ = {
        **os.environ,
        "KABAO_URL": kabao.url,
        "CLIENT_ID": "licensing-system",
        "HOLDER_NUMBER": holder.number,
        "SHOWN_CODE": shown_code(kabao, shower.number),
    }
    subprocess.run(shlex.split(blocks("sh")[0]), cwd=tmp_path, check=True, capture_output=True)
    key, *rest = blocks("python")
    for program in (key, "\n".join([key, *rest])):
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        if program == key:
            register(kabao, tmp_path)
    assert "valid {'vehicle_class': 'C1'}" in done.stdout
    assert "422" in done.stdout


def test_the_recipe_for_a_portal_is_cut_from_the_portal_that_runs() -> None:
    program = (ROOT / "examples" / "portal" / "app.py").read_text()
    pieces = blocks("python", RECIPES / "portal.md")
    assert pieces
    assert [piece for piece in pieces if piece.strip() not in program] == []
