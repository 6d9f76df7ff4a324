"""Merkle tree hashing of RFC 9162 section 2.1, over nodes that someone else keeps.

Pure: `node(level, index)` returns the hash of the complete subtree of 2**level leaves that begins at leaf
index * 2**level.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

Node = Callable[[int, int], bytes]
EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def leaf_of(members: dict[str, Any]) -> bytes:
    """Return the leaf hash of a row's members: of their canonical JSON."""
    return leaf_hash(json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_nodes(index: int, leaf: bytes, node: Node) -> list[tuple[int, int, bytes]]:
    """Return (level, index, hash) of each complete subtree that appending leaf number `index` closes, itself first."""
    closed = [(0, index, leaf)]
    level = 0
    while index % 2:
        leaf = node_hash(node(level, index - 1), leaf)
        level, index = level + 1, index // 2
        closed.append((level, index, leaf))
    return closed


def root(size: int, node: Node) -> bytes:
    """Return the root of a tree of `size` leaves."""
    return _hash(0, size, node) if size else EMPTY


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return the audit path of a leaf, nearest sibling first. Section 2.1.3.1."""
    return _path(index, 0, size, node)


def verify_inclusion(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Tell whether the path leads from the leaf to the root. Section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at % 2 or at == last:
            found = node_hash(sibling, found)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            found = node_hash(found, sibling)
        at, last = at // 2, last // 2
    return last == 0 and found == expected_root


def consistency_path(first: int, second: int, node: Node) -> list[bytes]:
    """Return the proof that the first leaves of a tree are those of a smaller one, innermost first. Section 2.1.4.1; 0 < first <= second."""
    return _subproof(first, 0, second, node, is_known=True)


def verify_consistency(first_root: bytes, second_root: bytes, *, first: int, second: int, path: Sequence[bytes]) -> bool:
    """Tell whether a tree goes on from a smaller one, with none of its leaves changed. Section 2.1.4.2."""
    if not 0 < first <= second:
        return False
    left = list(path)
    try:
        found = _both_roots(first, second, left, first_root, is_known=True)
    except IndexError:
        return False
    return not left and found == (first_root, second_root)


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _hash(start: int, end: int, node: Node) -> bytes:
    size = end - start
    if size & (size - 1) == 0 and start % size == 0:
        return node(size.bit_length() - 1, start // size)
    middle = start + _split(size)
    return node_hash(_hash(start, middle, node), _hash(middle, end, node))


def _path(index: int, start: int, end: int, node: Node) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, node), _hash(middle, end, node)]
    return [*_path(index, middle, end, node), _hash(start, middle, node)]


def _subproof(first: int, start: int, end: int, node: Node, *, is_known: bool) -> list[bytes]:
    """Return the proof of the `first` leaves from `start` on; `is_known`: they are the smaller tree, whose root the reader has."""
    size = end - start
    if first == size:
        return [] if is_known else [_hash(start, end, node)]
    split = _split(size)
    middle = start + split
    if first <= split:
        return [*_subproof(first, start, middle, node, is_known=is_known), _hash(middle, end, node)]
    return [*_subproof(first - split, middle, end, node, is_known=False), _hash(start, middle, node)]


def _both_roots(first: int, size: int, left: list[bytes], first_root: bytes, *, is_known: bool) -> tuple[bytes, bytes]:
    """Return what a proof makes of the smaller tree's root and of the larger one's; takes what it reads from its end. Raises IndexError."""
    if first == size:
        same = first_root if is_known else left.pop()
        return same, same
    split, sibling = _split(size), left.pop()
    if first <= split:
        smaller, larger = _both_roots(first, split, left, first_root, is_known=is_known)
        return smaller, node_hash(larger, sibling)
    smaller, larger = _both_roots(first - split, size - split, left, first_root, is_known=False)
    return node_hash(sibling, smaller), node_hash(sibling, larger)
