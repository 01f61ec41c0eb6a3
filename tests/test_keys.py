"""Keys of another implementation than threefry's are refused, jdlm makes none, and a key is the first argument."""

import ast
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from jdlm import evaluate, keys, sampling, schedules, targets, training
from jdlm.config.settings import NetworkConfig, TrainingConfig
from jdlm.measure import audit
from jdlm.planners import random
from jdlm.predictor import oracle
from jdlm.sampling.request import Request
from jdlm.study import cells
from jdlm.training import objective
from tests.targets.family import FAMILY

TARGET = targets.sticky_markov(4, 3, 0.7)
SIZES = np.full((3, 2), 2)
ENTRIES = {
    "sample": lambda key: sampling.sample(key, oracle(TARGET), SIZES),
    "sample_with_info": lambda key: sampling.sample_with_info(key, oracle(TARGET), SIZES),
    "sample_all": lambda key: sampling.sample_all(oracle(TARGET), [Request(key, random(), SIZES)]),
    "path_log_prob": lambda key: sampling.path_log_prob(key, oracle(TARGET), SIZES, [0, 1, 2, 0]),
    "draw_sizes": lambda key: sampling.draw_sizes(key, schedules.tc_equalizer(4, 2), 3),
    "schedule.sizes": lambda key: schedules.tc_equalizer(4, 2).sizes(key),
    "cross_entropy_curve": lambda key: evaluate.cross_entropy_curve(key, oracle(TARGET), TARGET, 2),
    "monte_carlo_path_kl": lambda key: evaluate.monte_carlo_path_kl(
        key, oracle(TARGET), TARGET, schedules.uniform(4, 2), 2
    ),
    "draw_tokens": lambda key: evaluate.draw_tokens(key, TARGET, 2),
    "audit": lambda key: audit.audit(key, lambda key: np.zeros((100, 4), int), TARGET, 100),
    "draw_batch": lambda key: objective.draw_batch(key, TARGET, 2),
    "vmap": lambda key: jax.vmap(TARGET.sample)(jax.random.split(key, 3)),
    "data": lambda key: targets.data([[0, 1]] * 9).sample(key),
    **{member.name: lambda key, member=member: member.target().sample(key) for member in FAMILY},
}


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_keys_of_another_implementation_are_refused(name, impl):
    with pytest.raises(
        ValueError, match=f'^key is of {impl}, .*; make it with jax.random.key.seed, impl="threefry2x32'
    ):
        ENTRIES[name](jax.random.key(0, impl=impl))


def test_what_is_no_typed_key_is_refused():
    for wrong in (jax.random.PRNGKey(0), 0, np.zeros(2, np.uint32), None):
        with pytest.raises(ValueError, match=r"not a typed key; make it with jax\.random\.key"):
            keys.check(wrong)
    keys.check(jax.random.key(0, impl="threefry2x32"))
    keys.check(keys.key(3))


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_numbers_do_not_depend_on_the_default_implementation(impl):
    key = keys.key(5)

    def numbers():
        tokens = sampling.sample(key, oracle(TARGET), SIZES)
        sizes = sampling.draw_sizes(key, schedules.tc_equalizer(4, 2), 5)
        curve = evaluate.cross_entropy_curve(key, oracle(TARGET), TARGET, 8, batch_size=5).cross_entropy.values
        cell = cells._folded(np.uint32(1), np.uint32(2))
        state = training.init(NetworkConfig(width=8, depth=1, heads=1), TARGET, TrainingConfig(seed=3))
        words = [jax.random.key_data(made) for made in (cell, state.key)]
        return [*map(np.asarray, (tokens, sizes, curve, *words)), *jax.tree.leaves(jax.device_get(state.params))]

    expected = numbers()
    with jax.default_prng_impl(impl):
        assert str(jax.random.key_impl(jax.random.key(0))) == impl
        found = numbers()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_key_is_made_by_default():
    """In the source: `jax.random.key` and `PRNGKey` without an implementation follow JAX's default."""
    package = Path(keys.__file__).parent
    for path in package.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"random\.(key|PRNGKey)\((?!.*impl=)[^`]*\)", line) and "``" not in line and "`" not in line:
                assert '"' in line.split("random.")[0], f"{path.relative_to(package)}: {line.strip()}"


def test_a_key_is_the_first_argument():
    """Of every public function and method, and of none is it a keyword."""
    package, found = Path(keys.__file__).parent, 0
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or path.stem.startswith("_"):
                continue
            named = [arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            named = [arg for arg in named if arg.arg not in ("self", "cls")]
            taken = [ast.unparse(arg.annotation) if arg.annotation else "" for arg in named]
            places = [place for place, kind in enumerate(taken) if kind.startswith(("Key[", "Shaped[PRNGKeyArray"))]
            assert places in ([], [0]), f"{path.relative_to(package)}: {node.name} has its key in place {places}"
            found += len(places)
    assert found > 10
