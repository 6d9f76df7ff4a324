"""Credential configurations: each licence type in each form that wallets take, by one identifier (OpenID4VCI 1.0 section 12.2.4).

The form that every wallet reads, SD-JWT VC, has the type's short name; each other adds its format. One scope stands for a type in all its forms.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from wallet.issuing.formats import FORMATS, MDOC, SD_JWT_VC, Format
from wallet.issuing.formats import VC_JWT_1_1 as JWT_VC
from wallet.register.catalogue import LicenceType, LicenceTypeNotFound, all_types, get_type

SCOPE_PREFIX = "licence:"
LONGEST = 120


@dataclass(frozen=True, slots=True)
class Profile:
    """How a format is announced: what its keys are bound by, what its signatures are called, and by which algorithms keys may prove themselves."""

    binding: str
    signing: tuple[Any, ...]
    proving: tuple[str, ...]


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        SD_JWT_VC: Profile("jwk", ("ES256",), ("ES256", "EdDSA", "Ed25519")),
        MDOC: Profile("cose_key", (-7,), ("ES256",)),
        JWT_VC: Profile("jwk", ("ES256",), ("ES256", "EdDSA", "Ed25519")),
    }
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A licence type in one form."""

    licence_type: LicenceType
    format: Format

    @property
    def id(self) -> str:
        """The identifier of the configuration."""
        return self.licence_type.slug + suffix_of(self.format.name)

    @property
    def scope(self) -> str:
        """The scope that stands for the type."""
        return SCOPE_PREFIX + self.licence_type.slug

    @property
    def profile(self) -> Profile:
        """How the format is announced."""
        return PROFILES[self.format.name]


def suffix_of(format_name: str) -> str:
    """Return what an identifier of a format ends in."""
    return "" if format_name == SD_JWT_VC else f".{format_name}"


def all_configurations() -> Iterator[Configuration]:
    """Yield every configuration that there is, by type."""
    for licence_type in all_types():
        yield from of_type(licence_type)


def of_type(licence_type: LicenceType) -> list[Configuration]:
    """Return a type in each of its forms; as a mobile document only if it has a name as one."""
    names = [name for name in PROFILES if name in FORMATS and (name != MDOC or licence_type.doctype)]
    return [Configuration(licence_type, FORMATS[name]) for name in names]


def find_configuration(unverified_id: str) -> Configuration | None:
    """Return the configuration of an identifier, or None."""
    slug, _, _ = unverified_id.partition(".")
    found = _find_type(slug) if len(unverified_id) <= LONGEST else None
    return next((one for one in of_type(found) if one.id == unverified_id), None) if found is not None else None


def of_scope(scope: str) -> list[Configuration]:
    """Return the configurations that a scope stands for; none if there is no such type."""
    found = _find_type(scope.removeprefix(SCOPE_PREFIX))
    return of_type(found) if found is not None else []


def _find_type(slug: str) -> LicenceType | None:
    try:
        found = get_type(slug)
    except LicenceTypeNotFound:
        return None
    return found if found.slug == slug else None
