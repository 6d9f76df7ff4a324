"""What differs between two versions of a licence type, and whether the new one would change what old words mean. Pure.

Licences are read by the version under which they were issued, so a new version breaks none of them. But the world outside knows a
type's fields by their names and tags: a name that comes to mean something else would deceive whoever has learned it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.languages import Text
from wallet.register.definitions import LicenceType, document_of
from wallet.register.fields import Field

BY_NAME = {"fields": "name", "matters": "code"}
KEPT = ("number_rule", "doctype", "proves_identity")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two documents differ: `old` or `new` is None where there is nothing."""

    path: str
    old: Any
    new: Any

    @property
    def old_text(self) -> str:
        """What was, in one line."""
        return _short(self.old)

    @property
    def new_text(self) -> str:
        """What is to be, in one line."""
        return _short(self.new)

    def __str__(self) -> str:
        """Return it in one line."""
        if self.old is None:
            return f"+ {self.path}: {_short(self.new)}"
        return f"- {self.path}: {_short(self.old)}" if self.new is None else f"~ {self.path}: {_short(self.old)} -> {_short(self.new)}"


def differences_of(before: LicenceType | None, after: LicenceType) -> list[Difference]:
    """Return each place in which a version differs from the one before it; of a new type, only that it is new."""
    return list(_compare("", document_of(before), document_of(after))) if before is not None else [Difference("", None, after.slug)]


def breaks_of(versions: Sequence[LicenceType], after: LicenceType) -> list[tuple[str, Text]]:
    """Return what of a new version would change the meaning of an older one's words, by member; `versions` from the first on."""
    return list(_breaks(versions, after)) if versions else []


def _breaks(versions: Sequence[LicenceType], after: LicenceType) -> Iterator[tuple[str, Text]]:
    newest = versions[-1]
    if after.holder not in (newest.holder, "either"):
        yield "holder", Text("已有此前类别的持证主体。", "There are holders of the other kind.")
    for member in KEPT:
        if getattr(newest, member) != getattr(after, member):
            yield member, Text("已发证照及其凭证依此理解，不宜更改。", "Licences and credentials that were issued are understood by it.")
    known = {one.name: one for version in versions for one in version.fields}
    tags = {one.tag: one.name for version in versions for one in version.fields}
    for one in after.fields:
        if tags.get(one.tag, one.name) != one.name:
            yield f"fields.{one.name}.tag", Text(f"{one.tag}此前属于另一字段。", f"{one.tag} has been another field's.")
        if one.name in known:
            yield from _breaks_in_field(known[one.name], one)
    for gone in sorted({one.name for one in newest.fields} - {one.name for one in after.fields}):
        yield f"fields.{gone}", Text("用证部门可能正在使用此字段。", "Whoever verifies may ask for this field.")


def _breaks_in_field(before: Field, after: Field) -> Iterator[tuple[str, Text]]:
    if before.type != after.type:
        yield f"fields.{after.name}.type", Text(f"此前为{before.type}。", f"It has been {before.type}.")
    if before.tag != after.tag:
        yield f"fields.{after.name}.tag", Text(f"此前为{before.tag}。", f"It has been {before.tag}.")
    for code, text in after.choices.items():
        if code in before.choices and before.choices[code].zh != text.zh:
            yield (
                f"fields.{after.name}.choices.{code}",
                Text(f"此代码此前表示“{before.choices[code].zh}”。", f"The code has meant “{before.choices[code].en}”."),
            )


def _compare(path: str, old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _compare(f"{path}.{name}".lstrip("."), old.get(name), new.get(name))
        if path.endswith(".choices"):
            yield from _order(path, list(old), list(new))
    elif path in BY_NAME and isinstance(old, list) and isinstance(new, list):
        key = BY_NAME[path]
        yield from _compare(path, {one[key]: one for one in old}, {one[key]: one for one in new})
        yield from _order(path, [one[key] for one in old], [one[key] for one in new])
    elif old != new:
        yield Difference(path, old, new)


def _order(path: str, before: list[str], after: list[str]) -> Iterator[Difference]:
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield Difference(f"{path} (order)", before, after)


def _short(value: Any) -> str:
    if isinstance(value, dict) and {"zh", "en"} <= set(value):
        return f"{value['zh']} / {value['en']}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(_short(one) for one in value) + "]"
    return str(value)
