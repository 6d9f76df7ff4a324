"""SD-JWT (RFC 9901): a signed JWT, some of whose claims show only as digests, and the disclosures that open them.

Pure: no signature is made or checked here, and nothing is trusted. Whoever calls signs what `conceal` returns, and verifies the
JWT's signature before `reveal` says anything of worth. Texts that others sent are bounded in size, number and depth.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from runtime import base64url, compact_json, strict_json

HASH = "sha-256"
NEVER_HIDDEN = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status"})
RESERVED = frozenset({"_sd", "...", "_sd_alg"})
SALT_BYTES = 16
MAX_TEXT = 128 * 1024
MAX_DISCLOSURES = 256
MAX_DEPTH = 16
HOLDS = (dict, list)


class MalformedSdJwt(ValueError):
    """The text, its disclosures or its digests are not as RFC 9901 has them. The message holds nothing of the content."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One opened claim, or array element (then `name` is None), in the very letters over which its digest was taken.

    The value stays out of the repr, and so out of any log.
    """

    encoded: str = field(repr=False)
    name: str | None
    value: Any = field(repr=False)
    digest: str

    @classmethod
    def of(cls, name: str, value: Any) -> "Disclosure":
        """Make the disclosure of a claim, with 128 bits of fresh salt. Section 4.2.1."""
        encoded = base64url.write(compact_json.write([base64url.write(os.urandom(SALT_BYTES)), name, value]))
        return cls(encoded, name, value, _digest(encoded))

    @classmethod
    def read(cls, unverified: str) -> "Disclosure":
        """Read a disclosure that someone sent; raises MalformedSdJwt."""
        content = read_json(unverified)
        if not isinstance(content, list) or len(content) not in (2, 3) or not isinstance(content[0], str):
            raise MalformedSdJwt("a disclosure is not an array of salt, name and value")
        name = content[1] if len(content) == 3 else None
        if len(content) == 3 and (not isinstance(name, str) or name in RESERVED):
            raise MalformedSdJwt("a disclosure has a name that no claim may have")
        return cls(unverified, name, content[-1], _digest(unverified))


@dataclass(frozen=True, slots=True)
class SdJwt:
    """The parts of an SD-JWT, or of an SD-JWT+KB if `key_binding` is not empty."""

    jwt: str
    disclosures: tuple[Disclosure, ...]
    key_binding: str = ""

    @property
    def bound_text(self) -> str:
        """The text that a key binding is made over: everything but the key binding itself."""
        return combine(self.jwt, self.disclosures)


def conceal(claims: dict[str, Any], *, hidden: Iterable[str], decoys: int = 0) -> tuple[dict[str, Any], list[Disclosure]]:
    """Return the payload to sign, in which the hidden claims are digests, and a disclosure for each of them.

    Digests are sorted, so that their order says nothing, and as many more as `decoys` says stand for nothing (section 4.2.5).
    Raises ValueError for a claim that is absent, or that SD-JWT VC never lets be hidden. Section 4.2.4.1.
    """
    hidden = list(dict.fromkeys(hidden))
    refused = [name for name in hidden if name not in claims or name in NEVER_HIDDEN or name in RESERVED]
    if refused or RESERVED & claims.keys():
        raise ValueError(f"claims that cannot be hidden: {refused or sorted(RESERVED & claims.keys())}")
    disclosures = [Disclosure.of(name, claims[name]) for name in hidden]
    payload = {name: value for name, value in claims.items() if name not in set(hidden)}
    if disclosures:
        digests = [disclosure.digest for disclosure in disclosures] + [_decoy() for _ in range(decoys)]
        payload |= {"_sd": sorted(digests), "_sd_alg": HASH}
    return payload, disclosures


def combine(jwt: str, disclosures: Iterable[Disclosure], key_binding: str = "") -> str:
    """Return the compact text: JWT, disclosures, key binding, each but the last followed by a tilde. Section 4."""
    return "~".join([jwt, *(disclosure.encoded for disclosure in disclosures), key_binding])


def parse(unverified: str) -> SdJwt:
    """Take a compact text apart. Nothing is verified.

    Raises MalformedSdJwt if it is too large, lacks its closing tilde, repeats a disclosure or has one that cannot be read.
    """
    if len(unverified) > MAX_TEXT:
        raise MalformedSdJwt("the text is too large")
    jwt, *encoded, key_binding = unverified.split("~") if "~" in unverified else _malformed("there is no tilde")
    if not is_compact_jws(jwt) or (key_binding and not is_compact_jws(key_binding)):
        raise MalformedSdJwt("a part is not a compact JWS")
    if len(encoded) > MAX_DISCLOSURES or len(set(encoded)) != len(encoded):
        raise MalformedSdJwt("disclosures are too many or repeated")
    return SdJwt(jwt, tuple(Disclosure.read(one) for one in encoded), key_binding)


def reveal(payload: dict[str, Any], disclosures: Sequence[Disclosure]) -> dict[str, Any]:
    """Return the processed payload: disclosed claims in their places, every trace of digests removed. Section 7.1, steps 3 to 5.

    Call it on a payload whose signature was verified. Raises MalformedSdJwt for another hash, a digest that stands twice, a
    disclosure that no digest refers to, a name that is there already, or a claim that must stand in the open.
    """
    if payload.get("_sd_alg", HASH) != HASH:
        raise MalformedSdJwt("the digests are of another hash")
    opened = _Opening({disclosure.digest: disclosure for disclosure in disclosures})
    revealed = opened.members({name: value for name, value in payload.items() if name != "_sd_alg"}, depth=0)
    if opened.by_digest.keys() - opened.met:
        raise MalformedSdJwt("a disclosure is referred to by no digest")
    return revealed


def sd_hash(text_without_key_binding: str) -> str:
    """Return the hash that a key binding carries of what it binds. Section 4.3.1."""
    return _digest(text_without_key_binding)


def is_compact_jws(unverified: str) -> bool:
    """Tell whether a text is three parts of base64url with points between, none of them empty."""
    return unverified.isascii() and unverified.encode().translate(None, base64url.LETTERS) == b".." and all(unverified.split("."))


def read_json(unverified: str) -> Any:
    """Read JSON in base64url, strictly: no padding, no NaN, no member twice, nothing that UTF-8 cannot carry.

    Raises MalformedSdJwt.
    """
    try:
        return strict_json.read(base64url.read(unverified))
    except ValueError as error:
        raise MalformedSdJwt("a part is not JSON in base64url") from error


class _Opening:
    """One walk through a payload; `met` are the digests seen so far, of which none may come twice."""

    def __init__(self, by_digest: dict[str, Disclosure]) -> None:
        self.by_digest = by_digest
        self.met: set[str] = set()

    def value(self, value: dict[str, Any] | list[Any], depth: int) -> Any:
        """Open what holds others; whatever does not stands as it is, and is not even asked for."""
        if depth >= MAX_DEPTH:
            raise MalformedSdJwt("the content is too deep")
        return self.members(value, depth) if isinstance(value, dict) else self.elements(value, depth)

    def members(self, members: dict[str, Any], depth: int) -> dict[str, Any]:
        if "..." in members or "_sd_alg" in members:
            raise MalformedSdJwt("a digest of an element stands outside an array, or the hash is named within")
        revealed = {name: self.value(value, depth + 1) if isinstance(value, HOLDS) else value for name, value in members.items() if name != "_sd"}
        for disclosure in self.meet(members["_sd"]) if "_sd" in members else ():
            name, value = disclosure.name, disclosure.value
            if name is None or name in members or name in revealed or (depth == 0 and name in NEVER_HIDDEN):
                raise MalformedSdJwt("a disclosed claim may not stand where its digest does")
            revealed[name] = self.value(value, depth + 1) if isinstance(value, HOLDS) else value
        return revealed

    def elements(self, elements: list[Any], depth: int) -> list[Any]:
        revealed = []
        for element in elements:
            if not (isinstance(element, dict) and element.keys() == {"..."}):
                revealed.append(self.value(element, depth + 1) if isinstance(element, HOLDS) else element)
                continue
            for disclosure in self.meet([element["..."]]):
                if disclosure.name is not None:
                    raise MalformedSdJwt("a claim is disclosed where an element belongs")
                value = disclosure.value
                revealed.append(self.value(value, depth + 1) if isinstance(value, HOLDS) else value)
        return revealed

    def meet(self, digests: Any) -> list[Disclosure]:
        """Return the disclosures of some digests, in their order."""
        if not isinstance(digests, list):
            raise MalformedSdJwt("the digests are not a list")
        for digest in digests:
            if not isinstance(digest, str) or digest in self.met:
                raise MalformedSdJwt("a digest is no text or stands twice")
            self.met.add(digest)
        return [self.by_digest[digest] for digest in digests if digest in self.by_digest]


def _decoy() -> str:
    """Return a digest of nothing, which none can tell from another."""
    return base64url.write(hashlib.sha256(os.urandom(SALT_BYTES)).digest())


def _digest(text: str) -> str:
    return base64url.write(hashlib.sha256(text.encode("ascii")).digest())


def _malformed(why: str) -> NoReturn:
    raise MalformedSdJwt(why)
