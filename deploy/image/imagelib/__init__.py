"""The parts of deploy/image/check."""
