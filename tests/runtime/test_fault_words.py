"""What schemas say of a member is told in Chinese, too."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from runtime.fault_words import CHINESE, find_words

SAID = re.compile(r'ValidationError\("([^"]+)"')
SCHEMAS = Path(__file__).parents[2] / "schemas"
ELSEWHERE = ("It must", "It is blank, or")  # of clients and of licence types: told beside the field, by words of their own
OWN = sorted({said for file in SCHEMAS.glob("*.py") for said in SAID.findall(file.read_text()) if not said.startswith(ELSEWHERE)})
OF_MARSHMALLOW = ("Not a valid UUID.", "Length must be between 1 and 64.", "Must be one of: required, none.", "Must be greater than or equal to 1.")


@pytest.mark.parametrize("said", [*OWN, *OF_MARSHMALLOW])
def test_what_a_schema_says_is_told_in_chinese(said: str) -> None:
    words = find_words(said)
    assert words is not None, said
    assert words.en == said
    assert CHINESE.search(words.zh)


def test_an_answer_says_it_in_the_language_that_was_asked_for(client: FlaskClient) -> None:
    for language, said in (("zh", "请给出 receipt，或 id 和 digest。"), ("en", "Send `receipt`, or `id` and `digest`.")):
        answer = client.post("/api/v1/receipts/check", json={}, headers={"Accept-Language": language})
        assert [one["detail"] for one in answer.json["errors"]] == [said]
