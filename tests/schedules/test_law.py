"""The interface of a distribution of sizes: all forms have it, and another form is one class."""

import ast
import inspect
import itertools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jdlm
from jdlm import schedules, targets
from jdlm.measure import exact
from jdlm.predictor import oracle
from jdlm.sampling import draw_sizes
from jdlm.schedules import Atoms, Chain, Schedule, Thinning
from jdlm.schedules.law import Law, choose


def test_all_forms_have_all_members_and_their_arguments():
    members = [name for name, value in vars(Law).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert len(members) == 13
    for form in (Atoms, Chain, Thinning):
        for name in members:
            mine, wanted = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (form, Law))
            assert mine == wanted, (form.__name__, name)
    assert not isinstance((np.ones(1), np.ones((1, 1))), Law)


def test_choose_inverts_each_rows_distribution():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.full(6, 0.5), 40)
    rows[:, [0, 3, 5]] = 0.0  # impossible ones at both ends and inside
    rows /= rows.sum(axis=1, keepdims=True)
    for uniforms in (rng.random(40), np.zeros(40), np.full(40, 1 - 2.0**-53)):
        found = choose(rows, uniforms)
        for row, uniform, index in zip(rows, uniforms, found, strict=True):
            before = math.fsum(row[:index]) / math.fsum(row)
            assert before <= uniform + 1e-15 and uniform < before + row[index] + 1e-15 and row[index] > 0.0


def test_choose_takes_one_row_for_all_and_does_not_end_outside():
    """The sum of ten tenths is below 1, so that a uniform above it must not give index 10."""
    tenths = np.full((1, 10), 0.1)
    assert np.cumsum(tenths)[-1] < 1.0
    assert choose(tenths, np.array([0.0, 0.55, 1 - 2.0**-53])).tolist() == [0, 5, 9]


class Coins:
    """Another form: each step reveals one token or two, with probability 1/2 each. Its members walk all paths."""

    def __init__(self, steps):
        self.steps = steps

    def _mean(self, function):
        return sum(function(sizes) for sizes in itertools.product((1, 2), repeat=self.steps)) / 2**self.steps

    def checked(self, length, num_steps):
        return self

    def draw(self, key, length):
        return 1 + jax.random.bernoulli(key, shape=(self.steps,)).astype(jnp.int32)

    def invert(self, uniforms, length):
        return 1 + (uniforms[:, : self.steps] >= 0.5).astype(np.int32)

    def mean_nfe(self, length):
        return None

    def exposure(self, length):
        return self._mean(lambda sizes: np.bincount(np.cumsum((0, *sizes[:-1])), sizes, length))

    def nfe_law(self, length):
        return np.eye(self.steps + 1)[self.steps]

    def leftover(self, length):
        return self._mean(lambda sizes: sum(sizes) < length)

    def expected_revealed(self, length):
        return 1.5 * np.arange(self.steps + 1)

    def overshoot(self, length, count):
        def one(sizes):
            above = [n for n in itertools.accumulate((0, *sizes)) if n >= count]
            return np.eye(length + 2)[above[0] - count if above else length + 1][: length - count + 1]

        return self._mean(one)

    def visits(self, length):
        return self._mean(lambda sizes: np.isin(np.arange(1, length), np.cumsum(sizes)))

    def kernels(self, length):
        step = np.tile(np.eye(length + 1)[1:3].sum(axis=0) / 2, (length + 1, 1))
        yield 1.0, [step] * self.steps

    def export(self, length):
        return {"coins": self.steps}

    def size_lists(self):
        return None


def test_another_form_is_one_class():
    """All that takes a schedule takes it with a law of another class, and finds what its mixture of lists has."""
    lists = list(itertools.product((1, 2), repeat=2))
    mixture = Schedule("lists", 4, 2, Atoms(np.full(4, 0.25), np.array(lists)))
    coins = Schedule("coins", 4, 2, Coins(2))
    for name in ("exposure", "nfe_law", "expected_revealed", "visits"):
        np.testing.assert_allclose(getattr(coins, name)(), getattr(mixture, name)(), atol=1e-15, err_msg=name)
    for count in range(5):
        np.testing.assert_allclose(coins.overshoot_law(count), mixture.overshoot_law(count), atol=1e-15)
    assert coins.leftover == mixture.leftover == 0.75 and coins.mean_nfe == mixture.mean_nfe == 2.0
    sizes = np.asarray(draw_sizes(jax.random.key(0), coins, 400))
    assert sorted(set(map(tuple, sizes.tolist()))) == lists and coins.sizes(jax.random.key(1)).shape == (2,)
    predictor = oracle(targets.parity(4))
    laws = [exact.output_law(predictor, schedule) for schedule in (coins, mixture)]
    np.testing.assert_allclose(laws[0].law, laws[1].law, atol=1e-15)
    assert laws[0].leftover == 0.75


def test_schedules_have_a_law_of_this_interface():
    for build in (schedules.cosine, schedules.random_cuts, schedules.tc_equalizer, schedules.random_phase_equal):
        assert isinstance(build(6, 3).law(), Law)


def test_nothing_outside_asks_which_form_a_law_has():
    root = Path(jdlm.__file__).parent
    for path in root.rglob("*.py"):
        if path.is_relative_to(root / "schedules"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
                asked = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node.args[1])}
                assert not {"Atoms", "Chain", "Thinning"} & asked, path
