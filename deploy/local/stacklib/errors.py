"""The one kind of error that a person is meant to read."""


class StackError(Exception):
    """Says in one line what is wrong and, where it is known, what to do about it."""
