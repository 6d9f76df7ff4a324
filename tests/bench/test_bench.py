"""Every benchmark runs, for a moment, and is answered without an error; how fast is not asked here."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import bench
from bench import delivery, grants, growth, imports, issuing, report, rotation, starting, verifying
from bench.__main__ import ALL, main
from bench.bare import bare_costs
from bench.load import drive, raw
from bench.measuring import measure
from bench.stand import stand

pytestmark = pytest.mark.slow


def test_every_path_is_answered_without_an_error() -> None:
    with stand() as standing:
        found = [measure(path, standing, seconds=0.2) for path in ALL]
        found.append(starting.start(standing, times=1))
        bare = bare_costs(standing.kabao.app.extensions["kabao_engine"], seconds=0.1)
        assert standing.cpu().jobs > 0, "the worker's connections are known by their name"
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


def test_every_measurement_of_its_own_is_named_beside_the_paths_and_none_that_there_is_not() -> None:
    ours = {f"bench.{path.stem}" for path in Path(bench.__file__).parent.glob("*.py") if "@click.command" in path.read_text()}
    assert {command for command, *_ in report.FURTHER} == ours - {"bench.__main__"}


def test_imports_are_measured() -> None:
    done = CliRunner().invoke(imports.main, ["--rows", "200"])
    assert done.exit_code == 0, done.output
    assert "licences=396" in done.output


def test_issuing_is_measured() -> None:
    done = CliRunner().invoke(issuing.main, ["--seconds", "0.5", "--only", "act", "--only", "batch"])
    assert done.exit_code == 0, done.output
    assert "suspend a licence" in done.output


def test_a_growing_register_is_measured() -> None:
    done = CliRunner().invoke(growth.main, ["--sizes", "200,400", "--times", "2"])
    assert done.exit_code == 0, done.output
    assert "list own, first page" in done.output


def test_the_way_of_an_act_to_a_webhook_is_measured() -> None:
    done = CliRunner().invoke(delivery.main, ["--acts", "2"])
    assert done.exit_code == 0, done.output
    assert "the webhook has heard" in done.output


def test_verifying_is_measured_beside_the_signatures_that_it_cannot_do_without() -> None:
    done = CliRunner().invoke(verifying.main, ["--seconds", "0.5", "--lines", "120"])
    assert done.exit_code == 0, done.output
    assert "of the bare limit" in done.output
