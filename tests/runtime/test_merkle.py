"""The roots and proofs are those of the reference data that certificate-transparency implementations share; the paths those of RFC 9162, 2.1.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import merkle

LEAVES = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CONSISTENT = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


class Tree:
    """A tree in memory, grown a leaf at a time."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = [merkle.leaf_hash(leaf) for leaf in leaves]
        self.nodes: dict[tuple[int, int], bytes] = {}
        for index, leaf in enumerate(self.leaves):
            for level, at, digest in merkle.complete_nodes(index, leaf, self):
                assert (level, at) not in self.nodes
                self.nodes[level, at] = digest

    def __call__(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_the_reference_data(size: int) -> None:
    assert merkle.root(size, Tree(LEAVES[:size])).hex() == ROOTS[size]


def test_the_audit_paths_of_seven_leaves_are_those_of_the_rfc() -> None:
    tree = Tree(LEAVES[:7])
    a, b, c, d, e, f, j = tree.leaves
    g, h, i = merkle.node_hash(a, b), merkle.node_hash(c, d), merkle.node_hash(e, f)
    k, m = merkle.node_hash(g, h), merkle.node_hash(i, j)
    assert merkle.inclusion_path(0, 7, tree) == [b, h, m]
    assert merkle.inclusion_path(3, 7, tree) == [c, g, m]
    assert merkle.inclusion_path(4, 7, tree) == [f, j, k]
    assert merkle.inclusion_path(6, 7, tree) == [i, k]


SIZES = st.integers(1, 70)


def recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of section 2.1.1, word for word."""
    if len(leaves) == 1:
        return merkle.leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


@given(SIZES, st.data())
def test_every_leaf_of_every_tree_is_proven_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    leaves = [bytes([number]) for number in range(size)]
    tree, root = Tree(leaves), recursive_root(leaves)
    assert merkle.root(size, tree) == root
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, size, tree)
    proven = {"index": index, "size": size, "path": path, "expected_root": root}
    assert merkle.verify_inclusion(tree.leaves[index], **proven)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another"), **proven)
    assert not merkle.verify_inclusion(tree.leaves[index], **{**proven, "path": [*path, root]})
    assert not merkle.verify_inclusion(tree.leaves[index], **{**proven, "index": size})
    assert not merkle.verify_inclusion(tree.leaves[index], **{**proven, "index": -1})
    if path:
        assert not merkle.verify_inclusion(tree.leaves[index], **{**proven, "path": path[:-1]})
        other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index))
        assert not merkle.verify_inclusion(tree.leaves[index], **{**proven, "index": other})


def test_a_leaf_is_never_taken_for_a_node() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 0), (3, 2), (-1, 2)])
def test_sizes_that_are_none_go_on_from_nothing(first: int, second: int) -> None:
    assert not merkle.verify_consistency(merkle.EMPTY, merkle.EMPTY, first=first, second=second, path=[])


@pytest.mark.parametrize(("first", "second"), CONSISTENT)
def test_the_proofs_that_a_tree_goes_on_are_those_of_the_reference_data(first: int, second: int) -> None:
    path = [bytes.fromhex(one) for one in CONSISTENT[first, second]]
    assert merkle.consistency_path(first, second, Tree(LEAVES[:second])) == path
    roots = bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second])
    assert merkle.verify_consistency(*roots, first=first, second=second, path=path)


@pytest.mark.parametrize("second", range(1, 41))
def test_every_tree_goes_on_from_every_smaller_one_and_from_no_other(second: int) -> None:
    leaves = [bytes([number]) for number in range(second)]
    tree, root = Tree(leaves), recursive_root(leaves)
    for first in range(1, second + 1):
        path, before = merkle.consistency_path(first, second, tree), recursive_root(leaves[:first])
        proven = {"first": first, "second": second, "path": path}
        assert merkle.verify_consistency(before, root, **proven)
        assert not merkle.verify_consistency(merkle.leaf_hash(b"another"), root, **proven)
        assert not merkle.verify_consistency(before, merkle.leaf_hash(b"another"), **proven)
        assert not merkle.verify_consistency(before, root, **{**proven, "path": [*path, root]})
        for at in range(len(path)):
            assert not merkle.verify_consistency(before, root, **{**proven, "path": path[:at] + path[at + 1 :]})
            assert not merkle.verify_consistency(before, root, **{**proven, "path": [*path[:at], merkle.EMPTY, *path[at + 1 :]]})


@pytest.mark.parametrize(("first", "second"), [pytest.param(0, 3, id="none"), pytest.param(-1, 3, id="less"), pytest.param(4, 3, id="shorter")])
def test_no_tree_goes_on_from_none_or_from_a_larger_one(first: int, second: int) -> None:
    assert not merkle.verify_consistency(merkle.EMPTY, bytes.fromhex(ROOTS[3]), first=first, second=second, path=[])


@given(SIZES, st.data())
def test_a_tree_with_one_leaf_changed_does_not_go_on(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    leaves = [bytes([number]) for number in range(size)]
    changed = list(leaves)
    changed[data.draw(st.integers(0, first - 1))] = b"changed"
    path = merkle.consistency_path(first, size, Tree(changed))
    assert not merkle.verify_consistency(recursive_root(leaves[:first]), recursive_root(changed), first=first, second=size, path=path)
