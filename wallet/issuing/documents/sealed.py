"""A sealed document of a licence: drawn, with the licence's data inside, under the department's signature.

The data is a W3C credential of its own, with its own place in a status list: whoever has the document long after can read in it, by machine,
what it says, and ask whether that still holds. Nothing is ever written to a file on the way.
"""

from datetime import datetime, timedelta

from runtime.languages import Text
from runtime.settings import Settings
from wallet.issuing import compact, vc_jwt
from wallet.issuing.contents import Content
from wallet.issuing.copy_marks import Marking
from wallet.issuing.documents import layouts, pades, writing
from wallet.issuing.documents.layouts import Sheet
from wallet.issuing.documents.writing import About, Attached
from wallet.issuing.status_lists import Place

DATA_NAME, DATA_TYPE = "licence.vc.jwt", "application/vc+jwt"
ON_PAPER = ("holder_name", "licence_identifier")
PAPER_IS_FRESH = timedelta(days=5 * 365)


def make(settings: Settings, content: Content, *, issuer: Text, place: Place, kind: str, now: datetime, marking: Marking | None = None) -> bytes:
    """Return the PDF, as a sheet or a card; raises KeyNotReady if the department has no key, and TimeStampUnavailable.

    `marking` makes it a marked copy (加注件), which says for whom, for what and until when: across the page, in its metadata, its data and its code.
    """
    code = compact.make(settings, content, fields=ON_PAPER, fresh_for=PAPER_IS_FRESH, now=now, place=place, marking=marking)
    canvas = layouts.draw(Sheet(content, issuer, code, marking), kind=kind)
    name = content.licence_type.name
    about = About(
        f"{name.zh} {name.en}", issuer.zh, content.licence_type.description.zh, content.identifier, now, marking.elements if marking else {}
    )
    data = vc_jwt.make_lasting(settings, content, place=place, now=now, marking=marking).encode()
    attached = [Attached(DATA_NAME, data, DATA_TYPE, "证照数据 The licence as data, signed by its issuer")]
    document = writing.write(canvas, about, attached)
    return pades.seal(document, settings, department=content.department, reason=f"{issuer.zh}制发电子证照{'加注件' if marking else ''}", now=now)
