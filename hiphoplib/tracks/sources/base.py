"""Where tracks come from: one file a source, each with ``tracks()`` and ``preview(row)``."""

import re
from importlib import import_module

from hiphoplib.errors import BadInput

# name: module and class; a service's client library is loaded only if that service is wanted
SOURCES = {"synthetic": ("hiphoplib.tracks.synthetic.corpus", "Synthetic"),
           "folder": ("hiphoplib.tracks.sources.folder", "Folder"),
           "fma": ("hiphoplib.tracks.sources.fma", "FMA"),
           "spotify": ("hiphoplib.tracks.sources.spotify", "Spotify"),
           "jamendo": ("hiphoplib.tracks.sources.jamendo", "Jamendo")}
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


def open_source(source, **options):
    """A source by its name and options; an object that is one already comes back as it is.

    Raises
    ------
    BadInput
        If no source has that name.
    """
    return source_class(source)(**options) if isinstance(source, str) else source


def source_class(name):
    """The class of a source, by its name.

    Raises
    ------
    BadInput
        If no source has that name.
    """
    if name not in SOURCES:
        raise BadInput(f"source {name!r}: there is none of that name; "
                       f"there are {', '.join(SOURCES)}")
    module, class_name = SOURCES[name]
    return getattr(import_module(module), class_name)


def percentile_within(values, groups):
    """Share of its group that each value exceeds, with half of itself and of its equals.

    A track gains listens with every year that it is there; among those of its own year, the
    number of listens tells how well it is liked.

    Parameters
    ----------
    values : pd.Series of float
        For instance listens; may be missing.
    groups : pd.Series
        For instance the year, on the same index; may be missing.

    Returns
    -------
    pd.Series of float
        Above 0 and below 100, 50 on average over a group; NaN where value or group is missing.
    """
    ranked = values.astype(float).groupby(groups)
    return ((ranked.rank(method="average") - 0.5) / ranked.transform("count") * 100).rename(None)


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
