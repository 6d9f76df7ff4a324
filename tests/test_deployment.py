"""What stands under deploy/ and in the page of settings agrees with the program: nothing is named that is not there."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from flask.testing import FlaskClient

from runtime import secret_files
from runtime.serve_command import serve
from runtime.worker_command import worker

ROOT = Path(__file__).parent.parent
UNITS = {"kabao@.service": serve, "kabao-worker.service": worker}
PAGE = (ROOT / "docs" / "settings.md").read_text()
NAME = re.compile(r"KABAO_[A-Z0-9_]*[A-Z0-9]")
COMMANDS = {"KABAO_TRUST_ROOT", "KABAO_TRUST_BUNDLE"}  # of which Click reads these two


def of_deploy(*path: str) -> str:
    return ROOT.joinpath("deploy", *path).read_text()


def test_every_setting_is_on_the_page_and_none_besides() -> None:
    read = {name for file in ("settings", "secret_files") for name in NAME.findall((ROOT / "runtime" / f"{file}.py").read_text())}
    named = {name for name in NAME.findall(PAGE) if not name.endswith("_FILE")}
    assert named - COMMANDS == {name for name in read if not name.endswith("_FILE")}


def test_the_page_marks_what_may_rest_in_a_file() -> None:
    assert set(re.findall(r"`(KABAO_[A-Z0-9_]+)` 🔒", PAGE)) == set(secret_files.SECRETS)


def test_the_environment_that_is_deployed_sets_what_there_is() -> None:
    lines = [line for line in of_deploy("systemd", "kabao.env").splitlines() if not line.startswith("#")]
    assert {line.partition("=")[0] for line in lines} <= set(NAME.findall(PAGE))
    assert all(shlex.split(line) == [line] for line in lines), "systemd and the shell both read it"


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_starts_a_command_that_there_is(unit: str) -> None:
    program, name, *arguments = shlex.split(re.search(r"(?m)^ExecStart=(.*)$", of_deploy("systemd", unit))[1].replace("%i", "8000"))  # type: ignore[index]
    command: click.Command = UNITS[unit]
    assert (program, name) == ("/opt/kabao/bin/kabao", command.name)
    command.make_context(name, arguments)


def test_the_units_are_held_alike() -> None:
    held = [of_deploy("systemd", unit).partition("CapabilityBoundingSet=")[2] for unit in UNITS]
    assert held[0] == held[1] != ""


def test_the_command_for_the_operator_is_a_script_of_the_plain_shell() -> None:
    subprocess.run(["/bin/sh", "-n", ROOT / "deploy" / "systemd" / "kabao"], check=True)


def test_every_alarm_hangs_on_something_that_is_counted(client: FlaskClient) -> None:
    client.get("/healthz")
    told = client.get("/metrics").text
    counted = set(re.findall(r"(?m)^# TYPE (\w+)", told)) | set(re.findall(r"(?m)^(kabao_\w+_bucket)", told))
    asked = set(re.findall(r"kabao_\w+", "\n".join(re.findall(r"(?m)^ +expr: (.*)$", of_deploy("prometheus", "kabao.rules.yml")))))
    assert asked
    assert asked <= counted
