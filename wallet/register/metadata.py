"""A licence in the elements of GB/T 36903-2018, under the tags that files of licences carry, for systems that speak those."""

from typing import Any

from idp.subjects.numbers import Number
from wallet.register.definitions import LicenceType
from wallet.register.departments import Department
from wallet.register.fields import Field
from wallet.register.licences import Licence, china_date

HOLDER_CODE_TYPES = {
    "001": "统一社会信用代码",
    "111": "公民身份号码",
    "551": "港澳居民居住证号码",
    "552": "台湾居民居住证号码",
    "553": "外国人永久居留身份证号码",
}


def metadata_of(
    licence: Licence,
    *,
    licence_type: LicenceType,
    issuer: Department,
    holder_name: str,
    holder_number: Number,
    licence_number: str,
    fields: dict[str, Any],
) -> dict[str, str]:
    """Return the elements by their tags: those of every licence first, then the type's own; what is absent is left out."""
    tags = {one.name: one for one in licence_type.fields}
    elements = {
        "ZZMC": licence_type.name.zh,
        "ZZLXDM": licence.type_code,
        "ZZBH": licence_number,
        "ZZBS": licence.identifier,
        "ZZBFJG": issuer.name_zh,
        "ZZBFJGDM": issuer.code,
        "ZZBFRQ": china_date(licence.issued_at).isoformat(),
        "CZZT": holder_name,
        "CZZTDM": holder_number.value,
        "CZZTDMLX": HOLDER_CODE_TYPES[holder_number.holder_code_type],
        "CZZTDMLXDM": holder_number.holder_code_type,
        "ZZYXQQSRQ": licence.valid_from.isoformat(),
        "ZZYXQJZRQ": licence.valid_until.isoformat() if licence.valid_until else None,
    }
    own = {tags[name].tag: _in_chinese(tags[name], value) for name, value in fields.items() if name in tags}
    return {tag: value for tag, value in {**elements, **own}.items() if value is not None}


def _in_chinese(one: Field, value: Any) -> str:
    chosen = one.choices.get(value)
    return chosen.zh if chosen else str(value)
