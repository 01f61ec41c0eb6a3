"""Tree structures tell classes apart: JAX looks up compiled programs by them."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jdlm import pytrees, targets
from tests.targets.family import FAMILY


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class One:
    leaf: object
    size: int = dataclasses.field(metadata={"static": True})


@pytrees.register
@dataclasses.dataclass(frozen=True, eq=False)
class Other:
    leaf: object
    size: int = dataclasses.field(metadata={"static": True})


def test_classes_of_equal_fields_have_different_structures():
    one, other = (jax.tree.structure(kind(np.ones(2), 3)) for kind in (One, Other))
    assert one != other and one == jax.tree.structure(One(np.zeros(5), 3)) != jax.tree.structure(One(np.ones(2), 4))


def test_codes_of_equal_length_and_vocabulary_are_told_apart():
    codes = targets.reed_solomon(6, 1, 3), targets.reed_solomon(6, 5, 3)  # repetition, single parity check
    assert jax.tree.structure(codes[0]) != jax.tree.structure(codes[1])


def test_no_two_kinds_of_targets_share_a_structure():
    built = [member.target() for member in FAMILY]
    pairs = itertools.combinations([(type(target), jax.tree.structure(target)) for target in built], 2)
    assert all(one != other for (kind, one), (another, other) in pairs if kind is not another)


def test_leaves_keep_their_names_and_static_fields_stay():
    value = One(jnp.arange(3), 7)
    paths, tree = jax.tree_util.tree_flatten_with_path(value)
    assert [jax.tree_util.keystr(path) for path, _ in paths] == [".leaf"]
    doubled = jax.jit(lambda x: jax.tree.map(lambda leaf: 2 * leaf, x))(value)
    assert isinstance(doubled, One) and doubled.size == 7 and doubled.leaf.tolist() == [0, 2, 4]
    assert jax.tree.unflatten(tree, [5]).leaf == 5
