"""What the word RUN or PRESET of a command stands for, and the predictor in a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jdlm import files
from jdlm.cli import options
from jdlm.cli.commands import COMMANDS
from jdlm.config import Config, presets
from jdlm.errors import InputError
from jdlm.study import runs

if TYPE_CHECKING:
    from jdlm.predictor import Predictor
    from jdlm.targets import Target


@dataclass(frozen=True)
class Resource:
    """A run (with a folder) or a preset (without)."""

    name: str
    config: Config
    folder: Path | None


def resolve(word: str | None, root: Path, *, fresh: bool = False) -> Resource:
    """The run or preset of that name; a run wins over a preset, no name is the newest run.

    Args:
      word: name or path; None where the user gave none.
      root: folder of the runs.
      fresh: a new run is wanted, so ``word`` is a preset.

    Raises:
      ValueError: there is neither.
    """
    if word is None:
        if fresh:
            raise InputError("--name makes a new run, which needs a preset, as in `python sample.py tiny --name mine`")
        folder = runs.newest(root)
        if folder is None:
            raise InputError(
                f"no run under {str(root)!r} yet; train one with `python train.py`, "
                "or name a preset as in `python sample.py reed-solomon`"
            )
        return Resource(folder.name, runs.read_config(folder), folder)
    folder = None if fresh else runs.find(word, root)
    if folder is not None:
        return Resource(word, runs.read_config(folder), folder)
    if fresh or word in presets.names() or word.endswith(".toml"):
        return Resource(word, presets.load(word), None)
    if Path(word).is_dir():
        raise InputError(f"{word} is a folder without {runs.MANIFEST}, so no run; give a run or a preset")
    import difflib  # only for errors, so that `--help` is instant

    missing = runs.missing(word, root)
    commands = difflib.get_close_matches(word, [command.name for command in COMMANDS], n=1)
    raise InputError(f"{missing}; there is also the command {commands[0]!r}") if commands else missing


def find_run(word: str | None, root: Path, instead: str) -> Path | None:
    """The folder of a run or a study, of the newest run if there is no word; None if there is no run at all.

    Args:
      word: name or path.
      root: folder of the runs.
      instead: what is said of a preset, which has no folder.

    Raises:
      ValueError: there is no run of that name.
    """
    folder = runs.newest(root) if word is None else runs.find(word, root)
    if folder is None and word is not None:
        resolve(word, root)  # says what is wrong with a word that is neither
        raise InputError(f"{word!r} is a preset, {instead}")
    return folder


def run_of(word: str, root: Path) -> Path:
    """The folder of a run.

    Raises:
      ValueError: there is none of that name.
    """
    folder = runs.find(word, root)
    if folder is None:
        raise runs.missing(word, root)
    return folder


def load_network(resource: Resource, target: "Target") -> "Predictor | None":
    """The trained network of a run; None for a run of the oracle alone.

    Raises:
      ValueError: there is no checkpoint, or it is damaged or of another model.
    """
    config = resource.config
    if resource.folder is None or config.network is None:
        return None
    from jdlm.training import checkpoint as checkpoints

    return checkpoints.load_predictor(
        resource.folder / runs.CHECKPOINT,
        config.network,
        target.length,
        target.vocab_size,
        settings=config.record(),
    )


def load_predictor(resource: Resource, target: "Target", *, oracle: bool = False) -> "Predictor":
    """The trained network of a run where there is one, else (or if asked for) the oracle.

    Raises:
      ValueError: neither is there, or the checkpoint is damaged or of another model.
    """
    from jdlm import predictor

    network = None if oracle else load_network(resource, target)
    if network is None and not target.has("conditionals"):
        trained = resource.folder is not None and resource.config.network is not None
        remedy = "sample its network" if trained else f"train a network with `python train.py {resource.name}`"
        raise InputError(f"{resource.name!r} has no exact conditionals to sample from; {remedy}")
    return predictor.oracle(target) if network is None else network


def record(folder: Path, config: Config, target: "Target", mesh: Any = None) -> None:
    """Writes what a new run is into its folder: the configuration and the manifest."""
    from jdlm import devices
    from jdlm.targets import reading

    runs.write_config(folder, config)
    digest = data_sha256(target)
    content = None if digest is None else reading.piped().get(digest)
    if digest is not None and content is not None:
        (folder / runs.DATA).mkdir(exist_ok=True)
        files.write(folder / runs.DATA / digest, content)
    manifest = runs.new_manifest(config, options.command_line(), data_sha256=digest)
    if config.training is not None:
        manifest["training_devices"] = devices.size(mesh)  # the bits of a training depend on it
    runs.write_manifest(folder, manifest)


def data_sha256(target: "Target") -> str | None:
    """Digest of the file behind a data target, for the manifest; None for any other target."""
    return getattr(target, "sha256", None)
