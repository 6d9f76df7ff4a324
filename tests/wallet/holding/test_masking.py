import pytest

from wallet.holding.masking import COVER, mask_name, mask_number


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        pytest.param("张伟", "张*", id="two characters"),
        pytest.param("欧阳思远", "欧***", id="four characters"),
        pytest.param("张", "张*", id="one character: still marked as covered"),
        pytest.param("阿卜杜拉·买买提·吐尔逊", "阿***", id="a long name does not tell its length"),
    ],
)
def test_a_name_keeps_its_first_character(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        pytest.param("379999199001011234", "379***********1234", id="a citizen number"),
        pytest.param("1234567890", "123***7890", id="ten characters"),
        pytest.param("123456789", COVER, id="a short number is covered whole"),
        pytest.param("", COVER, id="none"),
    ],
)
def test_a_number_keeps_its_ends(number: str, masked: str) -> None:
    assert mask_number(number) == masked
