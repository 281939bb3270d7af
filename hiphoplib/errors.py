"""The one exception that a user is meant to read."""


class BadInput(ValueError):
    """Input that cannot be used; the message names the thing, the reason and the next step.

    The command line prints it as one line and ends with exit status 1.
    """
