"""What a licence lets a corpus do: whether a recording may be trained on."""

import re

NO_LICENCE = "no licence given"
NO_DERIVATIVES = "licence forbids derivatives"
UNCLEAR = "licence unclear"

# On text in lower case whose punctuation is blanks; addresses of licences read the same way.
_FORBIDS = re.compile(r"\bnd\b|no ?deriv|\bmusic sharing\b")
_REFUSES = re.compile(r"\ball rights reserved\b|\bdownload only\b")
_ALLOWS = re.compile(r"""
    (?: https? \s )? (?: www \s )? creativecommons \s org
        \s (?: licen[cs]es \s (?: by | sa | nc | sampling ) | publicdomain ) \b
    | (?: creative \s commons \s | cc \s )? attribution
        (?: $ | \s (?: \d | non \s? commercial \b | share \s? alike \b | licen[cs]e \b ) )
    | cc \s by \b | by (?: \s nc )? (?: \s sa )? (?: $ | \s \d )
    | cc0 \b | creative \s commons \s (?: zero | cc0 ) \b | public \s? domain \b
    | (?: creative \s commons \s | cc \s )? (?: (?: non \s? commercial | nc ) \s )? sampling \b
    | free \s art \s licen[cs]e \b""", re.VERBOSE)


def forbids_derivatives(text):
    """Whether a licence of Creative Commons is one of the "NoDerivatives" kind, bool."""
    return bool(_FORBIDS.search(_plain(text)))


def withheld(text, *, no_derivatives=False):
    """Why a recording may not be trained on.

    What is not understood is not allowed: a licence is needed to use a recording, not to refuse.

    Parameters
    ----------
    text : str or missing
        Name, abbreviation or address of a licence, in any case: "Attribution-NoDerivatives 4.0",
        "CC BY-ND 4.0", "https://creativecommons.org/licenses/by-nd/4.0/".
    no_derivatives : bool
        Take what forbids derivatives as well, for those who hold that a model is none.

    Returns
    -------
    str or None
        `NO_LICENCE`, `NO_DERIVATIVES` or `UNCLEAR`; None where it may be trained on.
    """
    plain = _plain(text)
    if not plain:
        return NO_LICENCE
    if forbids_derivatives(text):
        return None if no_derivatives else NO_DERIVATIVES
    return None if _ALLOWS.match(plain) and not _REFUSES.search(plain) else UNCLEAR


def _plain(text):
    """Lower case, words and numbers only; empty where there is no text."""
    return re.sub(r"[\W_]+", " ", text.lower()).strip() if isinstance(text, str) else ""
