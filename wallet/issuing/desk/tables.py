"""The table that officers fill in to issue many licences of a type: its columns are the type's own words, so that nobody writes a mapping."""

import csv
import io

import yaml

from wallet.issuing.importing.reasons import harmless
from wallet.register.definitions import LicenceType

NUMBER, NAME, FROM, UNTIL, LICENCE_NUMBER = "持证主体号码", "持证主体名称", "有效期自", "有效期至", "证照编号"
EXAMPLE_OF_A_PERSON, EXAMPLE_OF_AN_ORGANISATION = "379999199001010027", "91379999MA0000001X"
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


def mapping_of(licence_type: LicenceType) -> str:
    """Return the mapping of a type's table, as an import takes it."""
    return yaml.safe_dump({"type": licence_type.slug, "columns": columns_of(licence_type)}, allow_unicode=True, sort_keys=False)


def blank_table(licence_type: LicenceType) -> str:
    """Return the table as a CSV file that spreadsheets open: the names of the columns, and one line as an example."""
    shown = {f"fields.{one.name}": one.choices[str(one.example)].zh if one.choices else str(one.example) for one in licence_type.fields}
    holder = EXAMPLE_OF_AN_ORGANISATION if licence_type.holder == "organisation" else EXAMPLE_OF_A_PERSON
    example = {"holder.number": holder, "holder.name": "示例", "valid_from": "2026-01-01", "valid_until": "2031-12-31", **shown}
    columns = columns_of(licence_type)
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow([harmless(name) for name in columns.values()])
    lines.writerow([harmless(example.get(member, "")) for member in columns])
    return BOM + text.getvalue()
