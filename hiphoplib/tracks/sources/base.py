"""Where tracks come from: one file a source, each with ``tracks()`` and ``preview(row)``."""

from importlib import import_module

from hiphoplib.errors import BadInput

# name: module and class; a service's client library is loaded only if that service is wanted
SOURCES = {"synthetic": ("hiphoplib.tracks.synthetic.corpus", "Synthetic"),
           "folder": ("hiphoplib.tracks.sources.folder", "Folder"),
           "fma": ("hiphoplib.tracks.sources.fma", "FMA"),
           "spotify": ("hiphoplib.tracks.sources.spotify", "Spotify"),
           "jamendo": ("hiphoplib.tracks.sources.jamendo", "Jamendo")}


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
