"""Names of settings: those that were asked for are known, and whatever else begins alike is misspelt, most likely, and would be ignored."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

OF_COMMANDS = ("KABAO_TRUST_ROOT", "KABAO_TRUST_BUNDLE")  # which spare their options
OF_OTHERS = re.compile(r"_SERVICE_|_PORT(_|$)")  # Kubernetes tells each container of a service called so by such names


class Asked(dict[str, str]):
    """An environment that knows what it was asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting, and remember that there is one of this name."""
        self.names.add(name)
        return super().get(name, default)

    def unknown(self, prefix: str, known: Collection[str]) -> tuple[str, ...]:
        """Return each name that begins with a prefix and was not asked for, with the one that is meant, if it can be told; never a value."""
        names = {*self.names, *known, *OF_COMMANDS}
        others = sorted(name for name in self if name.startswith(prefix) and name not in names and not OF_OTHERS.search(name))
        meant = {name: get_close_matches(name, sorted(names), n=1) for name in others}
        return tuple(f"{name} (is it {nearest[0]}?)" if nearest else name for name, nearest in meant.items())
