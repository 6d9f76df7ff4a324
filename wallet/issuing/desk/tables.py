"""The tables that officers fill in, to issue many licences of a type or act on them: columns in plain words, so that nobody writes a mapping."""

import csv
import io

import yaml

from wallet.issuing.importing.reasons import harmless
from wallet.register.acts import Act
from wallet.register.definitions import LicenceType

NUMBER, NAME, FROM, UNTIL, LICENCE_NUMBER = "持证主体号码", "持证主体名称", "有效期自", "有效期至", "证照编号"
EXAMPLE_OF_A_PERSON, EXAMPLE_OF_AN_ORGANISATION = "379999199001010027", "91379999MA0000001X"
ACT, IDENTIFIER, REASON, BASIS, EFFECTIVE, TO = "业务", "证照标识", "理由", "法律依据", "生效日期", "转往部门"
BOM = "\ufeff"


def columns_of(licence_type: LicenceType) -> dict[str, str]:
    """Return the columns of a type's table, by the member that each is for."""
    columns = {"holder.number": NUMBER, "holder.name": NAME, "valid_from": FROM}
    if licence_type.validity.rule != "permanent":
        columns["valid_until"] = UNTIL
    if licence_type.number_rule == "issuer":
        columns["licence_number"] = LICENCE_NUMBER
    taken = set(columns.values())
    for one in licence_type.fields:
        label = one.label.zh if one.label.zh not in taken else f"{one.label.zh}（{one.name}）"
        taken.add(label)
        columns[f"fields.{one.name}"] = label
    return columns


def columns_of_acts(licence_type: LicenceType) -> dict[str, str]:
    """Return the columns of the table of acts on licences of a type: what is done, to which, why, and what changes."""
    acts = {"act": ACT, "licence": IDENTIFIER, "reason": REASON, "legal_basis": BASIS, "effective_on": EFFECTIVE, "to": TO}
    changes = {member: label for member, label in columns_of(licence_type).items() if member not in ("holder.number", "holder.name", "valid_from")}
    return {**acts, **{member: f"{label}（{member}）" if label in acts.values() else label for member, label in changes.items()}}


def mapping_of(licence_type: LicenceType) -> str:
    """Return the mapping of a type's table, as an import takes it."""
    return yaml.safe_dump({"type": licence_type.slug, "columns": columns_of(licence_type)}, allow_unicode=True, sort_keys=False)


def mapping_of_acts(licence_type: LicenceType) -> str:
    """Return the mapping of the table of acts."""
    return yaml.safe_dump({"type": licence_type.slug, "columns": columns_of_acts(licence_type)}, allow_unicode=True, sort_keys=False)


def blank_table_of_acts(licence_type: LicenceType) -> str:
    """Return the table of acts as a CSV file that spreadsheets open, with one line as an example."""
    example = {"act": Act.SUSPEND.text.zh, "licence": "1.2.156.3005.2.…", "reason": "示例", "legal_basis": "《示例办法》第一条"}
    return _written(columns_of_acts(licence_type), example)


def blank_table(licence_type: LicenceType, *, year: int) -> str:
    """Return the table as a CSV file that spreadsheets open: the names of the columns, and one line as an example, whose licence begins in a year."""
    shown = {f"fields.{one.name}": one.choices[str(one.example)].zh if one.choices else str(one.example) for one in licence_type.fields}
    holder = EXAMPLE_OF_AN_ORGANISATION if licence_type.holder == "organisation" else EXAMPLE_OF_A_PERSON
    years = min(licence_type.validity.max_years or 5, 5)
    dates = {"valid_from": f"{year}-01-01", "valid_until": f"{year + years - 1}-12-31"}
    example = {"holder.number": holder, "holder.name": "示例", **dates, **shown}
    return _written(columns_of(licence_type), example)


def _written(columns: dict[str, str], example: dict[str, str]) -> str:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow([harmless(name) for name in columns.values()])
    lines.writerow([harmless(example.get(member, "")) for member in columns])
    return BOM + text.getvalue()
