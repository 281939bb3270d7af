"""Errors that a user reads as one line, with exit status 1 on the command line."""


class BadInput(ValueError):
    """Input that cannot be used; the message names the thing, the reason and the next step."""


class Unreachable(BadInput):
    """A service that did not answer properly however often it was asked; another time it may."""


class TryLater(BadInput):
    """A service that wants to be left alone for a while; what came so far is kept."""
