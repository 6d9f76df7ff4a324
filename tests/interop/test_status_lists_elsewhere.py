"""Status lists between houses: @sd-jwt/jwt-status-list (npm) reads ours and we read its, pycose verifies our CWT; revocations show within seconds."""

import time
import zlib
from typing import Any

import cbor2
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from pycose.keys import EC2Key
from pycose.keys.curves import P256
from pycose.messages import Sign1Message

from keys import ring
from runtime.clock import now
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.wallet.verifying.presented import ISSUER, NOW, encode, key, leaf, root
from tests.wallet.verifying.status_tokens import URI
from wallet.issuing import status_lists
from wallet.issuing.status_lists import INVALID, SUSPENDED, Place, uri_of
from wallet.issuing.status_places import draw_many
from wallet.verifying.status_files import read_status_file

pytestmark = pytest.mark.interop
REBUILT_SECONDS = 20
WIDTHS = {1: [INVALID, 0, INVALID, 0], 2: [INVALID, SUSPENDED, 0, INVALID]}


def changed(kabao: AddressedKabao, bits: int) -> tuple[list[Place], str, float]:
    """Take places, change them, and wait until the worker has published that; return how long it took."""
    settings = kabao.app.extensions["kabao_settings"]
    with kabao.app.app_context():
        places = draw_many(settings, len(WIDTHS[bits]), now=now(), bits=bits)
    with kabao.world() as session:
        for place, status in zip(places, WIDTHS[bits], strict=True):
            status_lists.set_status(session, place, status)
    uri, begun = uri_of(settings, places[0].list_id), time.monotonic()
    waiting = True
    while waiting:
        assert time.monotonic() - begun < REBUILT_SECONDS, "the status list does not follow"
        time.sleep(0.1)
        with kabao.world() as session:
            waiting = session.query(status_lists.StatusChange).filter_by(list_id=places[0].list_id).count() > 0
    return places, uri, time.monotonic() - begun


@pytest.mark.parametrize("bits", WIDTHS)
def test_our_lists_are_read_elsewhere(node: Program, kabao: AddressedKabao, bits: int) -> None:
    places, uri, seconds = changed(kabao, bits)
    token = requests.get(uri, headers={"Accept": "application/statuslist+jwt"}, timeout=10).text
    read = node("statuses", token=token, indices=[place.index for place in places])
    assert read == {"bits": bits, "statuses": WIDTHS[bits]}
    assert seconds < REBUILT_SECONDS


@pytest.mark.parametrize("bits", WIDTHS)
def test_our_cwt_is_verified_and_read_elsewhere(kabao: AddressedKabao, bits: int) -> None:
    places, uri, _ = changed(kabao, bits)
    tagged = cbor2.loads(requests.get(uri, headers={"Accept": "application/statuslist+cwt"}, timeout=10).content)
    assert tagged.tag == Sign1Message.cbor_tag
    protected, unprotected, payload, signature = tagged.value  # pycose's own decoder wants the lists that cbor2 gave before its version 6
    message = Sign1Message.from_cose_obj([protected, dict(unprotected), payload, signature], allow_unknown_attributes=True)
    certificate = x509.load_der_x509_certificate(next(value for value in message.uhdr.values() if isinstance(value, bytes) and value[:1] == b"\x30"))
    public = certificate.public_key()
    assert isinstance(public, EllipticCurvePublicKey)
    numbers = public.public_numbers()
    message.key = EC2Key(crv=P256, x=numbers.x.to_bytes(32, "big"), y=numbers.y.to_bytes(32, "big"))
    assert message.verify_signature()
    with kabao.app.app_context():
        assert certificate.public_key() == ring.signer(ring.STATUS).key.public_key()
    claims = cbor2.loads(message.payload)
    assert (claims[2], claims[4] - claims[6], claims[65534], claims[65533]["bits"]) == (uri, 24 * 3600, 60, bits)
    packed = zlib.decompress(claims[65533]["lst"])
    assert [packed[place.index * bits // 8] >> place.index * bits % 8 & (1 << bits) - 1 for place in places] == WIDTHS[bits]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_lists_from_elsewhere_are_read_here(node: Program, bits: int) -> None:
    statuses = [[3, 1], [100, 1], [999, 0 if bits == 1 else 2]]
    given: dict[str, Any] = {"bits": bits, "size": 1000, "statuses": statuses, "issuer": ISSUER, "uri": URI, "issued": int(NOW.timestamp())}
    token = node("statuses", **given, key=private_jwk(key("leaf")), x5c=[encode(leaf())])["token"]
    status_of = read_status_file(token.encode(), roots=(root(),), now=NOW)
    told = [status_of({"iss": ISSUER, "status": {"status_list": {"idx": index, "uri": URI}}}) for index in (0, 3, 100, 999)]
    assert told == ["valid", "revoked", "revoked", "valid" if bits == 1 else "suspended"]
