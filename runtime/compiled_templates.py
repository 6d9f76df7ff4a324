"""Templates are kept compiled where Python keeps modules compiled, under the same rules, and in the process for every application in it.

To compile a page's templates takes longer than all else that its first request does, in each process. What is kept is taken only for the very
source that it was made of, and from the release of Jinja that would make it now: an upgrade that mends the compiler mends every page. What is
damaged is made anew; where nothing can be written, or shall not (`PYTHONDONTWRITEBYTECODE`), nothing is.
"""

import os
import pickle
import sys
from contextlib import suppress
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType

from jinja2.bccache import Bucket, BytecodeCache

COMPILER = version("jinja2")
DAMAGE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ImportError)  # what pickle documents, and marshal


class CompiledTemplates(BytecodeCache):
    """The compiled templates of a process; a bucket's key is the file that one is kept in."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], CodeType] = {}

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return where a template is kept; a file of its own for each ending."""
        return cache_from_source(f"{filename}.") if filename else name

    def get_source_checksum(self, source: str) -> str:
        """Return what tells a source, and who compiles it, from all others."""
        return super().get_source_checksum(f"{COMPILER}\n{source}")

    def load_bytecode(self, bucket: Bucket) -> None:
        """Find what was made of the bucket's source, if it is kept."""
        bucket.code = self._loaded.get((bucket.key, bucket.checksum))
        if bucket.code is None:
            with suppress(OSError, *DAMAGE), Path(bucket.key).open("rb") as kept:
                bucket.load_bytecode(kept)
            self._remember(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was made of the bucket's source; of two processes that do at once, the later one's stays, whole."""
        self._remember(bucket)
        if sys.dont_write_bytecode:
            return
        place = Path(bucket.key)
        written = place.with_name(f"{place.name}.{os.getpid()}")
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(bucket.bytecode_to_string())
            written.replace(place)

    def _remember(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._loaded[bucket.key, bucket.checksum] = bucket.code


COMPILED = CompiledTemplates()
