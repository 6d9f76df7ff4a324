import re

import pytest
from flask.testing import FlaskClient

from idp.signin.account_menu import ROOMS, Room
from tests.world_people import BROWSER, Person, sign_in


def test_each_room_of_the_menu_answers_and_is_marked_on_its_own_page(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    menu = re.findall(r'id="room-[a-z]+" href="([^"]+)"', client.get("/account", headers=BROWSER).text)
    assert menu[0] == "/account"
    for path in menu:
        page = client.get(path, headers=BROWSER, follow_redirects=True)
        assert page.status_code == 200, path
        if page.request.path == path:
            assert re.findall(r'href="([^"]+)" aria-current="page">', page.text.split('class="account-nav"')[1].split("</nav>")[0]) == [path]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.path)
def test_a_room_is_named_in_both_languages(room: Room) -> None:
    assert room.name.zh
    assert room.name.en
