"""Prints how many inputs were tried, refused and verified."""

from tests.fuzz import fuzzing


def pytest_terminal_summary(terminalreporter):
    if fuzzing.LONG and fuzzing.COUNTS:
        terminalreporter.write_line("| area | tried | refused | accepted | verified |")
        terminalreporter.write_line("|---|---|---|---|---|")
        for area, count in sorted(fuzzing.COUNTS.items()):
            row = [str(count[name]) for name in ("tried", "refused", "accepted", "verified")]
            terminalreporter.write_line(f"| {area} | {' | '.join(row)} |")
        total = sum(count["tried"] for count in fuzzing.COUNTS.values())
        terminalreporter.write_line(f"| all | {total} | | | |")
