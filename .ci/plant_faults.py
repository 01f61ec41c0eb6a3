"""Plants known faults in a copy of the project, one at a time, and checks that the named test turns red.

    python .ci/plant_faults.py [WORD ...]     # all faults, or those whose name contains one of the words

A fault whose text is no longer in the source is an error too, so the list cannot rot. Takes about 20 s a fault.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# name, file, text, text with the fault, test that has to fail
FAULTS = [
    (
        "argmax instead of a draw",
        "jdlm/sampling.py",
        "jnp.argmax(logits + noise, axis=-1)",
        "jnp.argmax(logits + 0 * noise, axis=-1)",
        "tests/test_sampling.py::test_one_token_a_step_has_the_law_of_the_target",
    ),
    (
        "one lane's key used for all lanes",
        "jdlm/sampling.py",
        "return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, indices)",
        "return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, 0 * indices)",
        "tests/test_sampling.py::test_samples_of_different_indices_and_keys_differ",
    ),
    (
        "a key used twice",
        "jdlm/sampling.py",
        "    key_order, key_tokens = jax.random.split(key)\n    dtype",
        "    key_order, key_tokens = key, key\n    jax.random.bits(key)\n    jax.random.bits(key)\n    dtype",
        "tests/test_sampling.py::test_no_key_is_used_twice",
    ),
    (
        "the same noise at every position",
        "jdlm/sampling.py",
        'jax.random.gumbel(k, shape, dtype, mode="high")',
        'jnp.broadcast_to(jax.random.gumbel(k, shape[1:], dtype, mode="high"), shape)',
        "tests/test_sampling.py::test_fixed_sizes_with_the_oracle",
    ),
    (
        "coarse Gumbel noise",
        "jdlm/sampling.py",
        'jax.random.gumbel(k, shape, dtype, mode="high")',
        "jax.random.gumbel(k, shape, dtype)",
        "tests/test_sampling.py::test_noise_resolves_probabilities_below_those_of_a_float32_uniform",
    ),
    (
        "reveal window off by one",
        "jdlm/sampling.py",
        "return masked & (rank < size)",
        "return masked & (rank < size + 1)",
        "tests/test_sampling.py::test_random_sizes_with_a_predictor_that_is_no_oracle",
    ),
    (
        "sizes read one step late",
        "jdlm/sampling.py",
        "size = None if sizes is None else sizes[:, state.step]",
        "size = None if sizes is None else jnp.roll(sizes, 1, axis=1)[:, state.step]",
        "tests/test_sampling.py::test_random_sizes_with_a_predictor_that_is_no_oracle",
    ),
    (
        "revealed tokens drawn again",
        "jdlm/sampling.py",
        "tokens = jnp.where(reveal, drawn, state.tokens)",
        "tokens = jnp.where(reveal | (state.tokens != predictor.vocab_size), drawn, state.tokens)",
        "tests/test_sampling.py::test_revealed_tokens_are_never_drawn_again",
    ),
    (
        "argmax for leftover masks",
        "jdlm/sampling.py",
        "    return end.tokens, end.path_log_prob, end.nfe",
        "    final = jnp.argmax(map_lanes(predictor, end.tokens), axis=-1).astype(jnp.int32)\n"
        "    tokens = jnp.where(end.tokens == predictor.vocab_size, final, end.tokens)\n"
        "    return tokens, end.path_log_prob, end.nfe",
        "tests/test_sampling.py::test_leftover_masks_are_counted_and_kept",
    ),
    (
        "ties broken by index",
        "jdlm/sampling.py",
        "high, low = jax.random.bits(key, (2, length))",
        "high, low = 0 * jax.random.bits(key, (2, length))",
        "tests/test_exact.py::test_output_law_is_that_of_enumeration_and_of_samples[confidence-halves]",
    ),
    (
        "the order of a lane fixed for all its steps, off the grid",
        "jdlm/sampling.py",
        "rounded(planner.priority(log_probs, masked)), -jnp.inf)",
        "planner.priority(log_probs, masked), -jnp.inf) - 1e-6 * jnp.arange(length)",
        "tests/test_exact.py::test_output_law_is_that_of_enumeration_and_of_samples[entropy-halves]",
    ),
    (
        "temperature in the confidence",
        "jdlm/sampling.py",
        "        step_keys = jax.vmap(jax.random.fold_in",
        "        logits = draw(logits)\n        step_keys = jax.vmap(jax.random.fold_in",
        "tests/test_exact.py::test_temperature_and_filters_change_the_draw_and_not_the_plan",
    ),
    (
        "exact law without the average over ties",
        "jdlm/state_space.py",
        "probability = (skipped == 0) / scipy.special.comb(tied, taken)",
        "probability = (skipped == 0) * 1.0",
        "tests/test_exact.py::test_output_law_is_that_of_enumeration_and_of_samples[random-halves]",
    ),
    (
        "path KL of the sampler's own tokens",
        "jdlm/exact.py",
        "after[successors] += probability * forced",
        "after[successors] += probability * product",
        "tests/test_exact.py::test_path_kl_by_enumeration_is_the_identity_and_bounds_the_output_law",
    ),
    (
        "mean over all positions in the curve",
        "jdlm/evaluate.py",
        "share = masked / masked.sum(axis=1, keepdims=True)",
        "share = masked / length",
        "tests/test_evaluate.py::test_cross_entropy_curve_is_that_of_enumeration",
    ),
    (
        "one revealed token too many in the curve",
        "jdlm/evaluate.py",
        "order >= jnp.minimum(index // n, length - 1)",
        "order >= jnp.minimum(index // n + 1, length - 1)",
        "tests/test_evaluate.py::test_cross_entropy_curve_is_that_of_enumeration",
    ),
    (
        "nested curves taken for independent ones",
        "jdlm/evaluate.py",
        "if self.covariance is None:",
        "if True:",
        "tests/test_evaluate.py::test_the_standard_error_of_any_weights_is_right",
    ),
    (
        "audit blind to impossible outcomes",
        "jdlm/audit.py",
        "if observed[expected == 0.0].any():",
        "if False:",
        "tests/test_audit.py::test_chi_square_counts_a_sample_of_probability_0_as_impossible",
    ),
]


def run(test: str, folder: Path) -> bool:
    """Whether the test passes in a copy of the project."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode not in (0, 1) or "error" in result.stdout.splitlines()[-1]:
        raise SystemExit(f"{test} did not run:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.returncode == 0


def main(words: list[str]) -> int:
    """Plants the faults whose names contain a word; returns 1 if one goes unnoticed."""
    faults = [fault for fault in FAULTS if not words or any(word in fault[0] for word in words)]
    missed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "copy"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", "runs", "__pycache__", ".*_cache"))
        for title, file, text, fault, test in faults:
            source = (folder / file).read_text()
            if source.count(text) != 1:
                raise SystemExit(f"{title}: {file} holds the text {source.count(text)} times, not once: {text}")
            (folder / file).write_text(source.replace(text, fault))
            caught = not run(test, folder)
            (folder / file).write_text(source)
            print(f"{'caught' if caught else 'MISSED':7} {title:60} {test}", flush=True)
            missed += [] if caught else [title]
    print(f"{len(faults) - len(missed)} of {len(faults)} faults caught")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
