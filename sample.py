"""Samples a run under schedules side by side, prints tokens, draws figures; `python sample.py --help` explains."""

from jdlm.cli import sample_entry

if __name__ == "__main__":
    sample_entry()
