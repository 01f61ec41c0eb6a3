"""``sample.py doctor``: checks the installation, the folders, a run, and the sampler against an exact distribution."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jdlm.cli import cache, figures, hosts, memory, options
from jdlm.cli.resource import find_run, load_network, resolve
from jdlm.config import MixtureConfig, presets
from jdlm.errors import InputError
from jdlm.study import places, runs

_DRAWS = 4096


@dataclass(frozen=True, kw_only=True)
class Options(options.FolderOptions):
    """Checks the installation (versions, device, folders, presets), the sampler, and a run.

    Draws of a small distribution are compared with it exactly; of a run its manifest, configuration, checkpoint and
    rows are checked.
    """

    run: options.Run = None


def main(arguments: list[str]) -> int:
    """Runs all checks, one line each; 0 if all passed, 1 if not."""
    given = options.parse(Options(), arguments, "doctor")
    folder = find_run(given.run, given.runs_folder, "and doctor checks runs; leave it out, or name a run")
    hosts.connect(hosts.HostOptions())  # the devices that a run would use
    checks: list[tuple[str, Callable[[], str]]] = [
        ("versions", _versions),
        ("device", _device),
        ("cache folder", _cache_folder),
        ("runs folder", lambda: _runs_folder(given.runs_folder)),
        ("presets", _presets),
        ("sampler", check_sampler),
    ]
    if folder is not None:
        checks += [
            ("run", lambda: _run(folder)),
            ("checkpoint", lambda: _checkpoint(folder)),
            ("rows", lambda: _rows(folder)),
        ]
    passed = [_report(name, check) for name, check in checks]
    if folder is None:
        print(f"no run under {given.runs_folder} yet, so none was checked")
    return 0 if all(passed) else 1


def _report(name: str, check: Callable[[], str]) -> bool:
    try:
        print(f"ok    {name}: {check()}", flush=True)
    except (ValueError, OSError, NotImplementedError, ImportError) as error:
        print(f"FAIL  {name}: {' '.join(str(error).split())}", flush=True)
        return False
    return True


def _versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in runs.environment()["versions"].items())


def _device() -> str:
    device = runs.environment()["device"]
    return f"{device['count']} x {device['kind']} ({device['platform']})"


def _cache_folder() -> str:
    folder = cache.folder()
    if folder is not None and runs.writable(folder):
        return str(folder)
    reason = "this user has no home" if folder is None else f"{folder} cannot be written"
    if os.environ.get("XDG_CACHE_HOME"):
        raise InputError(f"{reason}; set XDG_CACHE_HOME to another folder, else every command compiles anew")
    return f"none, as {reason}: every command compiles anew; set XDG_CACHE_HOME to keep compiled programs"


def _runs_folder(root: Path) -> str:
    existing = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    runs.check_writable(existing)
    return str(root)


def _presets() -> str:
    if not presets.names():
        raise InputError(f"none in {presets.folder()}; install jdlm again")
    return ", ".join(presets.load(name).name for name in presets.names())


def check_sampler() -> str:
    """Chi-square of oracle samples of a small distribution, one token per step, against its exact probabilities.

    Raises:
      ValueError: the samples do not follow the law (false-alarm rate 1e-6).
    """
    import itertools

    import jax
    import numpy as np
    from scipy import stats

    from jdlm import keys, sampling, schedules
    from jdlm.predictor import oracle

    target = MixtureConfig(length=4, weights=(0.7, 0.3), marginals=((0.8, 0.2), (0.1, 0.9))).build()
    sizes = sampling.draw_sizes(keys.key(0), schedules.first_hitting(4), _DRAWS)
    tokens = np.asarray(sampling.sample(keys.key(1), oracle(target), sizes))
    outcomes = np.array(list(itertools.product(range(2), repeat=4)), np.int32)
    law = np.exp(np.asarray(jax.vmap(target.log_prob)(outcomes), np.float64))
    counts = np.bincount(tokens @ np.array([8, 4, 2, 1]), minlength=16)
    result = stats.chisquare(counts, _DRAWS * law / law.sum())
    if result.pvalue < 1e-6:
        raise InputError(f"{_DRAWS} oracle samples do not follow their law (chi-square {result.statistic:.1f} with 15)")
    return f"{_DRAWS} oracle samples follow their exact law (chi-square {result.statistic:.1f}, 15 degrees of freedom)"


def _run(folder: Path) -> str:
    manifest, config = runs.read_manifest(folder), runs.read_config(folder)
    done = "finished" if manifest.get("finished") else "not finished"
    if config.training is not None:
        done += f", {manifest.get('steps_done')} of {config.training.steps} steps"
    return f"{folder}, {config.name}, {done}"


def _checkpoint(folder: Path) -> str:
    config = runs.read_config(folder)
    if config.network is None:
        return "none is needed, the run samples the oracle"
    need = memory.of_checkpoint(folder / runs.CHECKPOINT)
    memory.check(need, f"reading {folder / runs.CHECKPOINT}; use a machine with more")
    load_network(resolve(str(folder), folder.parent), config.target.build())
    return "whole: hash, shapes and types agree"


def _rows(folder: Path) -> str:
    found = {}
    if (folder / runs.METRICS).is_file():
        found[runs.METRICS] = len(figures.training_rows(folder))
    for name in places.names(folder):
        place = places.find(folder, name)
        found[str(place.path.relative_to(folder))] = len(places.read(place))
    return ", ".join(f"{count} in {name}" for name, count in found.items()) or "none yet"
