import re
from pathlib import Path

import pytest

from schemas.licence_types import COLOURS as NAMES
from wallet.register.colours import COLOURS

STYLE_SHEET = (Path(__file__).parents[3] / "runtime" / "static" / "kabao.css").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_colour_is_the_same_in_documents_as_on_pages(name: str) -> None:
    found = re.search(rf"\.licence--{name}[ ,][^{{]*\{{ --from: (#[0-9a-f]{{6}}); --to: (#[0-9a-f]{{6}});", STYLE_SHEET)
    assert found is not None
    assert (COLOURS[name].light, COLOURS[name].dark) == found.groups()
