"""Where tracks come from: one file a source, each with ``tracks()`` and ``preview(row)``."""

from ..errors import BadInput
from .folder import Folder
from .synthetic import Synthetic

SOURCES = {source.name: source for source in (Synthetic, Folder)}


def open_source(source, **options):
    """A source by its name and options; an object that is one already comes back as it is.

    Raises
    ------
    BadInput
        If no source has that name.
    """
    if not isinstance(source, str):
        return source
    if source not in SOURCES:
        raise BadInput(f"source {source!r}: there is none of that name; "
                       f"there are {', '.join(SOURCES)}")
    return SOURCES[source](**options)
