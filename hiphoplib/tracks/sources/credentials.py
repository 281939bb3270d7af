"""Credentials: read from the environment, and kept out of whatever is said or written."""

import logging
import os
import re
import traceback
from urllib.parse import quote

from hiphoplib.errors import BadInput

_HIDDEN = "[hidden]"
_secrets = set()
_HEADER = re.compile(r"""(authorization\W{1,8}(?:b['"])?(?:basic|bearer)\s+)[^\s'",}]+""", re.I)


def from_environment(*names, advice):
    """Credentials from environment variables, each concealed from now on.

    Parameters
    ----------
    *names : str
        Of the variables.
    advice : str
        Where such credentials are to be had, for the error.

    Returns
    -------
    list of str

    Raises
    ------
    BadInput
        Names the variables that are not set, or that hold what no header can carry.
    """
    missing = [name for name in names if not os.environ.get(name, "").strip()]
    if missing:
        raise BadInput(f"{' and '.join(missing)}: not set in the environment; {advice}")
    found = [os.environ[name].strip() for name in names]
    conceal(*found, *(quote(value, safe="") for value in found))  # as it stands in an address
    for name, value in zip(names, found):
        if re.search(r"[^!-~]", value):
            raise BadInput(f"{name}: holds a blank or a sign that is not ASCII; copy it again, "
                           f"{advice}")
    return found


def conceal(*secrets):
    """Keep these out of every log record of this process, and of all that `redact` looks at.

    Loggers of libraries print request headers and addresses, which hold credentials; a filter on
    handlers would miss the handlers that come later, so the records themselves are cleaned.
    """
    _secrets.update(secret for secret in secrets if secret)
    if not hasattr(logging.getLogRecordFactory(), "redacts"):
        logging.setLogRecordFactory(_redacting(logging.getLogRecordFactory()))


def redact(text):
    """The text without what was concealed and without authorisation headers, str."""
    return _HEADER.sub(rf"\1{_HIDDEN}", without_secrets(text))


def without_secrets(value):
    """The same value, its texts without what was concealed; lists and dicts are gone through."""
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    if isinstance(value, str):
        for secret in sorted(_secrets, key=len, reverse=True):
            value = value.replace(secret, _HIDDEN)
    return value


def _redacting(factory):
    """A factory of log records that makes the same ones, redacted."""
    def make(*args, **kwargs):
        record = factory(*args, **kwargs)
        said = _said(record)
        if redact(said) != said:
            record.msg, record.args = redact(said), ()
        _redact_traceback(record)
        return record

    make.redacts = True
    return make


def _said(record):
    """What a handler will make of a record, str."""
    try:
        return record.getMessage()
    except Exception:  # wrong arguments: the handler will complain, and repeat them
        pass
    try:
        return f"{record.msg} {record.args!r}"
    except Exception:  # they cannot be said at all, by nobody
        return ""


def _redact_traceback(record):
    """Say the traceback of a record in place of its exception, where that holds a secret."""
    if record.exc_info and record.exc_info[0]:
        said = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if redact(said) != said:
            record.exc_info, record.exc_text = None, redact(said)
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
