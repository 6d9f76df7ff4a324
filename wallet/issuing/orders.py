"""What a department sends, act by act: which document each act reads, and what it asks for.

An order is a document that its schema has read; it can be written down and read again, so that what waited is checked like what has just come.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from marshmallow import Schema

from schemas.licence_acts import ActSchema, ChangeSchema, RenewalSchema, ReplacementSchema, TransferInSchema, TransferOutSchema
from schemas.licences import LicenceRequestSchema
from wallet.issuing.holders import HolderRequest
from wallet.issuing.requests import ActRequest, LicenceRequest, request_of
from wallet.register.acts import PLAIN_ACTS, Act

SCHEMAS: dict[Act, type[Schema]] = {
    Act.ISSUE: LicenceRequestSchema,
    Act.RENEW: RenewalSchema,
    Act.CHANGE: ChangeSchema,
    Act.REPLACE: ReplacementSchema,
    Act.TRANSFER_OUT: TransferOutSchema,
    Act.TRANSFER_IN: TransferInSchema,
    **dict.fromkeys(PLAIN_ACTS, ActSchema),
}


@dataclass(frozen=True, slots=True)
class Order:
    """An act with the document that asks for it; `licence_id` is the licence acted on, None for one to be issued."""

    act: Act
    document: dict[str, Any] = field(repr=False)
    licence_id: UUID | None = None

    def issue(self) -> LicenceRequest:
        """Return the licence that is asked for."""
        return request_of(self.document)

    def request(self) -> ActRequest:
        """Return the act that is asked for."""
        members = dict(self.document)
        co_holders = members.pop("co_holders", None)
        others = None if co_holders is None else tuple(HolderRequest(one["number"], one["name"]) for one in co_holders)
        return ActRequest(act=self.act, co_holders=others, **members)

    def as_text(self) -> str:
        """Return the document as it is kept."""
        return json.dumps(SCHEMAS[self.act]().dump(self.document), ensure_ascii=False)


def order_of(act: Act, unread: dict[str, Any], *, licence_id: UUID | None = None) -> Order:
    """Read a document for an act; raises ValidationError."""
    return Order(act, SCHEMAS[act]().load(unread), licence_id)
