"""A licence in the elements of GB/T 36903-2018, and a type in those of GB/T 36902-2018, for systems that speak those.

The tags of `VERIFIED` are those of files in the field. The text of the standards is not public: the others (version, defining body,
range of validity, place, matters, licence replaced) are formed in the same way from the elements' names, and are not verified. The
names of a type's elements are those of one public implementation.
"""

from typing import Any

from idp.subjects.numbers import Number
from wallet.register.definitions import LicenceType
from wallet.register.departments import Department
from wallet.register.fields import Field
from wallet.register.identifiers import parse_identifier
from wallet.register.licences import CHINA, Licence, china_date

HOLDER_CODE_TYPES = {
    "001": "统一社会信用代码",
    "111": "公民身份号码",
    "551": "港澳居民居住证号码",
    "552": "台湾居民居住证号码",
    "553": "外国人永久居留身份证号码",
}
LEVELS = {"national": "国家级", "provincial": "省级", "municipal": "地市级", "county": "区县级", "township": "乡镇级", "other": "其他"}
HOLDER_CATEGORIES = {"person": "自然人", "organisation": "法人", "either": "自然人、法人"}
VERIFIED = (
    "ZZMC", "ZZLXDM", "ZZBH", "ZZBS", "ZZBFJG", "ZZBFJGDM", "ZZBFRQ", "CZZT", "CZZTDM", "CZZTDMLX", "CZZTDMLXDM", "ZZYXQQSRQ", "ZZYXQJZRQ",
    "ZZQZR", "ZZQZMC", "ZZQZSJ",
)  # fmt: skip


def metadata_of(
    licence: Licence,
    *,
    licence_type: LicenceType,
    issuer: Department,
    holder_name: str,
    holder_number: Number,
    licence_number: str,
    fields: dict[str, Any],
    replaces: str | None = None,
) -> dict[str, str]:
    """Return the elements by their tags: those of every licence first, then the type's own (扩展信息); what is absent is left out.

    `replaces` is the identifier of the licence that this one took the place of.
    """
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
        "ZZYXQFW": range_of(licence_type),
        "ZZBBH": parse_identifier(licence.identifier).version,
        "ZZDYJG": licence_type.defining_authority_name.zh,
        "ZZDYJGDM": licence_type.defining_authority,
        "ZZQZR": issuer.name_zh,
        "ZZQZMC": f"{issuer.name_zh}电子印章",
        "ZZQZSJ": licence.issued_at.astimezone(CHINA).isoformat(timespec="seconds"),
        "SDBM": issuer.code[2:8],
        "GLSXMC": "；".join(one.name.zh for one in licence_type.origins) or None,
        "GLSXDM": "；".join(one.code for one in licence_type.origins) or None,
        "GLZZBS": replaces,
    }
    own = {tags[name].tag: _in_chinese(tags[name], value) for name, value in fields.items() if name in tags}
    return {tag: value for tag, value in {**elements, **own}.items() if value is not None}


def elements_of(licence_type: LicenceType) -> dict[str, str]:
    """Return a type in the elements of the national catalogue; what is absent is left out."""
    elements = {
        "CertificateTypeName": licence_type.name.zh,
        "CertificateTypeCode": licence_type.code,
        "CertificateDefineAuthorityName": licence_type.defining_authority_name.zh,
        "CertificateDefineAuthorityCode": licence_type.defining_authority,
        "CertificateDefineAuthorityLevel": LEVELS[licence_type.authority_level],
        "ItemName": "；".join(one.name.zh for one in licence_type.origins),
        "ItemCode": "；".join(one.code for one in licence_type.origins),
        "CertificateHolderCategory": HOLDER_CATEGORIES[licence_type.holder],
        "ValidityRange": range_of(licence_type),
        "CertificateIssuingAuthorityLevel": "；".join(LEVELS[one] for one in licence_type.issuer_levels),
    }
    return {name: value for name, value in elements.items() if value}


def range_of(licence_type: LicenceType) -> str:
    """Return how long licences of a type are valid (有效期范围)."""
    rule, years = licence_type.validity.rule, licence_type.validity.max_years
    if rule == "permanent":
        return "长期"
    return (f"{years}年" if years else "按证面记载") + ("或长期" if rule == "optional" else "")


def _in_chinese(one: Field, value: Any) -> str:
    chosen = one.choices.get(value)
    return chosen.zh if chosen else str(value)
