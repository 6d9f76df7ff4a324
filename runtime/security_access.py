"""How a security module (PKCS#11) is reached; by itself, so that the settings need not load what reaches it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Access:
    """A module: its library, the token that new keys are made in, and the PIN of its tokens."""

    module: str
    token: str
    pin: str = field(repr=False)
