"""The adaptation figure: random sizes do not know where the dependence sits, and lose little wherever it does."""

from pathlib import Path

from jdlm import curves, schedules, targets
from jdlm.config import build_schedule

LENGTH, STEPS, PRIME = 16, 4, 17
shown = [build_schedule(word, LENGTH, STEPS) for word in ("uniform", "cosine", "minimax_both")]
rows = {schedule.name: [] for schedule in shown}
for dimension in range(1, LENGTH):
    curve = targets.reed_solomon(LENGTH, dimension, PRIME).entropy_curve()
    tc, dtc = curves.total_correlation(curve), curves.dual_total_correlation(curve)
    for schedule in shown:
        rows[schedule.name].append(curves.path_kl(schedule.exposure(), curve) / min(tc, dtc))
for name, values in rows.items():
    print(f"{name:14} at most {max(values):.3f} of the smaller of TC and DTC, over all {len(values)} codes")
assert max(rows["minimax_both"]) < max(rows["cosine"]) and max(rows["minimax_both"]) < max(rows["uniform"])
assert schedules.minimax(LENGTH, STEPS, "both").name == "minimax_both"

try:
    from matplotlib.figure import Figure
except ImportError:
    raise SystemExit("no matplotlib, so no figure") from None
figure = Figure(figsize=(6, 3.5), layout="constrained")
axes = figure.subplots()
for name, values in rows.items():
    axes.plot(range(1, LENGTH), values, marker=".", label=name)
axes.set(xlabel="dimension of the code", ylabel="path KL / min(TC, DTC)", title=f"L = {LENGTH}, {STEPS} steps, exact")
axes.legend()
figure.savefig(Path("adaptation.png"), dpi=150)
print("wrote adaptation.png")
