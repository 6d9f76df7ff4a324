"""Every benchmark runs, for a moment, and is answered without an error; how fast is not asked here."""

import pytest
from click.testing import CliRunner

from bench import grants, rotation, starting
from bench.__main__ import ALL, main
from bench.bare import bare_costs
from bench.load import drive, raw
from bench.measuring import measure
from bench.stand import stand

pytestmark = pytest.mark.slow


def test_every_path_is_answered_without_an_error() -> None:
    with stand() as standing:
        found = [measure(path, standing, seconds=0.3) for path in ALL]
        found.append(starting.start(standing))
        bare = bare_costs(standing.kabao.app.extensions["kabao_engine"], seconds=0.1)
        few = drive(standing.processes.port, [raw("GET", "/healthz")] * 20, seconds=2, once=True)
    assert {one.name: one.outcome.errors for one in found} == {one.name: 0 for one in found}
    assert all(one.outcome.count > 0 and one.cpu_ms > 0 for one in found)
    assert all(act.ms > 0 for act in bare)
    assert (few.errors, few.count <= 20) == (0, True)


def test_a_rotation_is_measured() -> None:
    done = CliRunner().invoke(rotation.main, ["--subjects", "60", "--batch", "25"])
    assert done.exit_code == 0, done.output
    assert "rows/s" in done.output


def test_a_full_database_is_measured_beside_an_empty_one() -> None:
    done = CliRunner().invoke(grants.main, ["--rows", "200", "--few", "100", "--times", "3"])
    assert done.exit_code == 0, done.output
    assert "redeem a code" in done.output


def test_the_command_says_which_paths_there_are() -> None:
    done = CliRunner().invoke(main, ["--help"])
    assert done.exit_code == 0
    assert "token" in done.output
