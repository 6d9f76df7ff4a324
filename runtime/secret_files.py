"""Settings that are secrets may rest in files: KABAO_MASTER_KEY_FILE names the file that holds KABAO_MASTER_KEY.

So the credentials of systemd and the secrets of containers are taken as they come. An environment, on the other hand, is shown to whoever may look at
the process, and is handed on to all that it starts.
"""

from collections.abc import Mapping
from pathlib import Path

SECRETS = (
    "KABAO_DATABASE_URL",
    "KABAO_MASTER_KEY",
    "KABAO_FORMER_MASTER_KEY",
    "KABAO_DERIVATION_KEY",
    "KABAO_PKCS11_PIN",
    "KABAO_SMTP_URL",
    "KABAO_SMS_URL",
)
ENDING = "_FILE"
NAMES = frozenset(name + ending for name in SECRETS for ending in ("", ENDING))
MOST_BYTES = 64 * 1024


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Whether a secret is set, by itself or by a file, whatever is in that."""
    return any(environ.get(one, "").strip() for one in (name, name + ENDING))


def resolved(environ: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    """Return an environment in which each secret that rests in a file stands by its own name; what cannot be read is added to the faults."""
    found = dict(environ)
    for name in SECRETS:
        file = environ.get(name + ENDING, "").strip()
        if not file:
            continue
        if environ.get(name):
            faults.append(f"{name} and {name}{ENDING} are both set: take one of them away.")
            continue
        text = _read(Path(file))
        if text is None:
            faults.append(f"{name}{ENDING} must name a text file of one line that can be read.")
        else:
            found[name] = text
    return found


def _read(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode().strip()
    except (OSError, ValueError):
        return None
    return text if text and "\n" not in text else None
