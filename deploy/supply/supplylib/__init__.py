"""The parts of deploy/supply/check."""
