"""Cells of a sweep as a command keeps them; with the first one a new run takes its name."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jdlm.cli import interrupt, options
from jdlm.config import Config, SweepConfig
from jdlm.study import places, runs
from jdlm.study.kept import Kept

if TYPE_CHECKING:
    from jdlm.study.rows import Row

__all__ = ["Cells", "context"]


class Cells:
    """Where the cells of a sweep are kept until it is complete.

    Attributes:
      kept: the cells.
    """

    def __init__(self, place: places.Place, settings: SweepConfig, draft: runs.Draft | None):
        self._place, self._settings, self._draft = place, settings, draft
        self._begun = False
        self.kept = Kept(place.cells)

    def get(self, name: str) -> "list[Row] | None":
        """The rows of a cell that is kept."""
        return self.kept.get(name)

    def put(self, name: str, table: "Iterable[Row]") -> None:
        """Keep the rows of a cell."""
        if not self._begun:
            self.settle()
            places.begin(self._place, self._settings)
            self._begun = True
        self.kept.put(name, table)
        interrupt.remains(f"what is done by now is kept. Continue with: {options.again()}")

    def settle(self) -> places.Place:
        """Give the run its name, if it has none yet; return where the sweep lies."""
        if self._draft is not None and not self._draft.published:
            self._place = places.Place(self._draft.publish(), self._place.name)
            self.kept.folder = self._place.cells
        return self._place


def context(config: Config) -> dict[str, Any]:
    """What the last bits of a sweep's numbers depend on besides its cells: the settings, versions and the machine."""
    return {"settings": config.record(), "environment": runs.environment()}
