"""How the fields of authorization details are checked, whatever their type: which there are, and of what kind. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from idp.oauth.requests.authorization_details import Faulty


def check_names(detail: Mapping[str, Any], *, required: Collection[str], optional: Collection[str] = ()) -> None:
    """Check that every required field is there, and none that the type does not have; raises Faulty."""
    for name in required:
        if name not in detail:
            raise Faulty(f"{name} is missing.")
    if not set(detail) <= {"type", *required, *optional}:
        raise Faulty("There is a field that the type does not have.")


def check_text(value: Any, name: str, *, longest: int) -> None:
    """Check that a field is a printable text; raises Faulty."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable() or not value.strip():
        raise Faulty(f"{name} is not a printable text of one to {longest} characters.")


def check_texts(value: Any, name: str, *, most: int, longest: int) -> None:
    """Check that a field is an array of printable texts, at least one, none twice; raises Faulty."""
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise Faulty(f"{name} is not an array of one to {most} texts.")
    for each in value:
        check_text(each, name, longest=longest)
    if len(set(value)) < len(value):
        raise Faulty(f"{name} names the same twice.")


def check_locations(value: Any, allowed: Collection[str]) -> None:
    """Check that `locations` are among some; raises Faulty."""
    check_texts(value, "locations", most=10, longest=300)
    if not set(value) <= set(allowed):
        raise Faulty("locations names another than this service.")
