"""Licences that were issued before licence numbers had an index get theirs, a batch at a time, behind the scenes."""

from sqlalchemy import select

from keys import sealing
from runtime import jobs
from runtime.database import transaction
from wallet.register.licences import Licence, as_indexed, licence_number_of

BATCH = 500


@jobs.every("* * * * *")
def index_licence_numbers() -> None:
    """Index what has none yet; where all have one, this is one look at an empty index."""
    bare = select(Licence).where(Licence.licence_number_index.is_(None)).order_by(Licence.id).limit(BATCH).with_for_update(skip_locked=True)
    while True:
        with transaction() as session:
            found = session.scalars(bare).all()
            for licence in found:
                licence.licence_number_index = sealing.index_of(as_indexed(licence_number_of(licence)))
        if len(found) < BATCH:
            return
