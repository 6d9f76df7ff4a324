"""Licence types as YAML files: read with distrust, and written as people would write them.

What is read is plain: texts, numbers, lists and mappings. No references, so that nothing small becomes large; no tags, no key
twice, no depth beyond what a definition has.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from runtime.languages import Text
from wallet.register.definitions import FaultyDefinition, LicenceType, document_of, read_definition

LARGEST = 256 * 1024
MOST_FILES = 2000
MOST_EVENTS = 20_000
DEEPEST = 12
ORDER = (
    "code", "slug", "name", "description", "family", "colour", "holder", "most_holders", "defining_authority", "issuer_levels", "matters",
    "number_rule", "number_pattern", "number_example", "validity", "open_to", "checked_acts", "barred_acts", "gathers", "proves_identity", "doctype",
    "summary", "face", "fields",
)  # fmt: skip
ORDER_IN_FIELD = (
    "name", "label", "tag", "type", "choices", "max_length", "pattern", "minimum", "maximum", "required", "hidden_by_default", "hideable", "example"
)  # fmt: skip
Opening = yaml.MappingStartEvent, yaml.SequenceStartEvent
Closing = yaml.MappingEndEvent, yaml.SequenceEndEvent


Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, by libyaml where it is there


class _Plain(Loader):
    """Reads plain YAML, a key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the library's signature
        """Return a mapping; raises YAMLError for a key that stands twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len({repr(key) for key in keys}) < len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


class _Written(yaml.SafeDumper):
    """Writes without references."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether to write a value in full again: always."""
        return True


def read_folder(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a folder's files, each checked; raises FaultyDefinition that names the file and the fault."""
    files = sorted(folder.glob("*.yaml"))
    if not files or len(files) > MOST_FILES:
        raise FaultyDefinition(str(folder), Text("没有.yaml文件，或文件过多。", "There is no .yaml file, or there are too many."))
    for file in files:
        try:
            document = read_file(file.read_bytes()[: LARGEST + 1])
            slug = read_definition(document).slug
        except FaultyDefinition as fault:
            raise FaultyDefinition(f"{file.name}: {fault.member}", fault.why) from fault
        if slug != file.stem:
            raise FaultyDefinition(f"{file.name}: slug", Text(f"文件应名为{slug}.yaml。", f"The file should be named {slug}.yaml."))
        yield document


def read_file(unverified: bytes) -> dict[str, Any]:
    """Return what a file holds; raises FaultyDefinition for what is not plain YAML of a bounded size, in UTF-8."""
    if len(unverified) > LARGEST:
        raise _fault("文件过大。", "The file is too large.")
    try:
        text = unverified.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault("文件应为UTF-8编码。", "The file is not in UTF-8.") from error
    try:
        _check_events(text)
        document = yaml.load(text, Loader=_Plain)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise _fault(f"不是有效的YAML{where}。", f"It is not plain YAML{where}.") from error
    if not isinstance(document, dict):
        raise _fault("应为键值结构。", "It is not a mapping.")
    return document


def write_file(licence_type: LicenceType) -> str:
    """Return a type as its file, without what has its default."""
    return yaml.dump(lean_document(licence_type), Dumper=_Written, allow_unicode=True, sort_keys=False, width=150)


def lean_document(licence_type: LicenceType) -> dict[str, Any]:
    """Return a type's document in the order of files, without what has its default."""
    whole = document_of(licence_type)
    lean = {name: whole[name] for name in ORDER if name in whole and whole[name] not in ([], {})}
    if not lean["proves_identity"]:
        del lean["proves_identity"]
    if lean["most_holders"] == 1:
        del lean["most_holders"]
    if lean["doctype"].endswith(licence_type.code):
        del lean["doctype"]
    if lean["validity"]["ends_on"] == "day":
        lean["validity"] = {name: value for name, value in lean["validity"].items() if name != "ends_on"}
    lean["face"] = {
        name: value for name, value in lean["face"].items() if value not in ([], {}) and (name, value) not in (("portrait", False), ("seal", True))
    }
    lean["fields"] = [_lean_field(one) for one in lean["fields"]]
    return lean


def _lean_field(document: dict[str, Any]) -> dict[str, Any]:
    usual = {"required": True, "hidden_by_default": False, "hideable": True}
    return {name: document[name] for name in ORDER_IN_FIELD if name in document and document[name] != usual.get(name, document)}


def _check_events(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=Loader)):
        depth += isinstance(event, Opening) - isinstance(event, Closing)
        is_reference = isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None
        if is_reference or getattr(event, "tag", None) is not None or depth > DEEPEST or count > MOST_EVENTS:
            raise yaml.YAMLError("not plain")


def _fault(zh: str, en: str) -> FaultyDefinition:
    return FaultyDefinition("file", Text(zh, en))
