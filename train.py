"""Trains a mask predictor on a distribution that is known exactly; `python train.py --help` explains the options."""

from jdlm.cli import train_entry

if __name__ == "__main__":
    train_entry()
