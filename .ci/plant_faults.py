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
        "jdlm/rounds.py",
        "jnp.argmax(law + noise, axis=2)",
        "jnp.argmax(law + 0 * noise, axis=2)",
        "tests/test_sampling.py::test_one_token_a_step_has_the_law_of_the_target",
    ),
    (
        "one lane's key used for all lanes",
        "jdlm/requests.py",
        "fold(keys[:, 1], self.indices)",
        "fold(keys[:, 1], 0 * self.indices)",
        "tests/test_sampling.py::test_samples_of_different_indices_and_keys_differ",
    ),
    (
        "a key used twice",
        "jdlm/requests.py",
        "    words = np.asarray(",
        "    jax.random.bits(request.key)\n    words = np.asarray(",
        "tests/test_sampling.py::test_no_key_is_used_twice",
    ),
    (
        "the same noise at every position",
        "jdlm/steps.py",
        "jax.random.fold_in(key, position)",
        "jax.random.fold_in(key, 0 * position)",
        "tests/test_sampling.py::test_fixed_sizes_with_the_oracle",
    ),
    (
        "coarse Gumbel noise",
        "jdlm/steps.py",
        '(vocab_size,), dtype, mode="high")',
        "(vocab_size,), dtype)",
        "tests/test_sampling.py::test_noise_resolves_probabilities_below_those_of_a_float32_uniform",
    ),
    (
        "reveal window off by one",
        "jdlm/rounds.py",
        "[None] < size[:, None])[:, None, :]",
        "[None] < size[:, None] + 1)[:, None, :]",
        "tests/test_sampling.py::test_random_sizes_with_a_predictor_that_is_no_oracle",
    ),
    (
        "sizes read one step late",
        "jdlm/rounds.py",
        "jnp.where(active, lanes.sizes[lane, jnp.minimum(mine.step, length - 1)], 0)",
        "jnp.where(active, jnp.roll(lanes.sizes, 1, axis=1)[lane, jnp.minimum(mine.step, length - 1)], 0)",
        "tests/test_sampling.py::test_random_sizes_with_a_predictor_that_is_no_oracle",
    ),
    (
        "revealed tokens drawn again",
        "jdlm/rounds.py",
        "revealed=mine.revealed + size",
        "revealed=mine.revealed + 0 * size",
        "tests/test_sampling.py::test_revealed_tokens_are_never_drawn_again",
    ),
    (
        "argmax for leftover masks",
        "jdlm/sampling.py",
        "        leftover = (tokens == predictor",
        "        tokens = np.where(tokens == predictor.vocab_size, 0, tokens)\n        leftover = (tokens == predictor",
        "tests/test_sampling.py::test_leftover_masks_are_counted_and_kept",
    ),
    (
        "logits of masks alone for lanes with given tokens",
        "jdlm/rounds.py",
        "(lanes.start == predictor.vocab_size).all(axis=1) & (lanes.num_steps > 0)",
        "(lanes.start == predictor.vocab_size).any(axis=1) & (lanes.num_steps > 0)",
        "tests/test_sampling.py::test_infilling_has_the_conditional_law",
    ),
    (
        "the last lane of a queue forgotten",
        "jdlm/rounds.py",
        "jnp.where(place < queue.limit, place, capacity)",
        "jnp.where(place < queue.limit - 1, place, capacity)",
        "tests/test_slots.py::test_several_queues_give_the_bits_of_one",
    ),
    (
        "logits of other positions",
        "jdlm/rounds.py",
        "map_lanes(predictor, tokens, positions[:, :width])",
        "map_lanes(predictor, tokens, positions[:, ::-1][:, :width])",
        "tests/test_slots.py::test_all_planners_together_have_the_bits_of_the_plain_path",
    ),
    (
        "gradients added over devices",
        "jdlm/training.py",
        "jax.lax.pmean(own",
        "jax.lax.psum(own",
        "tests/test_devices.py::test_losses_agree_to_rounding_also_after_a_checkpoint_of_other_devices",
    ),
    (
        "ties broken by index",
        "jdlm/steps.py",
        "high, low = jax.random.bits(key, (2, length))",
        "high, low = 0 * jax.random.bits(key, (2, length))",
        "tests/test_exact.py::test_output_law_is_that_of_enumeration_and_of_samples[confidence-halves]",
    ),
    (
        "the order of a lane fixed for all its steps, off the grid",
        "jdlm/steps.py",
        "return rounded(planner.priority(seen(planner, log_probs), masked)).astype(logits.dtype)",
        "return planner.priority(seen(planner, log_probs), masked) - 1e-6 * jnp.arange(len(masked))",
        "tests/test_exact.py::test_output_law_is_that_of_enumeration_and_of_samples[entropy-halves]",
    ),
    (
        "temperature in the confidence",
        "jdlm/rounds.py",
        "begins, mine.tokens)\n        masked",
        "begins, mine.tokens)\n        logits = kind.draw(logits)\n        masked",
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
    (
        "every device measures the same sequences",
        "jdlm/evaluate.py",
        "(False, False, False, True, False, False)",
        "(False,) * 6",
        "tests/test_devices.py::test_measured_curves_agree_on_any_devices",
    ),
    (
        "an empty array that compiles the loop twice",
        "jdlm/slots.py",
        "order = None if kind.planners else np.zeros((rows, predictor.length), np.int32)",
        "order = np.zeros((rows, 0 if kind.planners else predictor.length), np.int32)",
        "tests/test_devices.py::test_each_kind_of_planner_compiles_once_on_any_devices",
    ),
    (
        "cores are no devices",
        "jdlm/cli/cores.py",
        'jax.config.update("jax_num_cpu_devices", count or number())',
        "pass",
        "tests/test_devices.py::test_cores_are_devices_as_far_as_they_divide_a_batch_unless_the_user_chose",
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
