"""From hip-hop clips to a chance of being popular: the module behind the notebooks.

The packages follow the data: `tracks` (sources, table, clips) and `audio` (files, spectrograms),
`dataset` (what models learn from), `models`, `evaluation`, `explanation`, `scoring`, `report`;
`studies` measures what the documentation states. What notebooks call most is here as well, and
is imported when it is first used: TensorFlow takes seconds to load.
"""

import atexit
import os
import shutil
import tempfile
from importlib.util import find_spec

from lazy_loader import attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    ["audio", "dataset", "evaluation", "explanation", "models", "report", "scoring", "tracks"],
    {
        "audio.files": ["read_clip"],
        "audio.mel": ["FULL", "QUICK", "mel_spectrogram"],
        "dataset.store": ["make_mels"],
        "evaluation.evaluate": ["evaluate"],
        "explanation.tracks": ["explain_track", "swap_track"],
        "models.experiment": ["prepare", "train"],
        "models.networks": ["build_model"],
        "scoring.score": ["score_tracks"],
        "tracks.cleaning": ["clean_tracks"],
        "tracks.gather": ["get_tracks", "open_corpus"],
        "tracks.table": ["read_tracks"],
    },
)

# librosa cannot be loaded where Numba has no folder for what it compiles, beside librosa or at home
_librosa = find_spec("librosa")
if (
    _librosa
    and _librosa.origin
    and "NUMBA_CACHE_DIR" not in os.environ
    and not any(
        os.access(place, os.W_OK)
        for place in (os.path.dirname(_librosa.origin), os.path.expanduser("~"))
    )
):
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="hiphoplib-")
    atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
