"""Studies of schedules: sweeps make rows, figures draw them, advice chooses a schedule, runs keep all of it."""

__all__ = ["advice", "cells", "figures", "fit", "metrics", "parts", "rows", "runs", "sweep"]
