"""What a worker does with a clip; it imports no more than that takes, for workers start often."""

from hiphoplib.audio.files import read_clip
from hiphoplib.audio.mel import mel_spectrogram
from hiphoplib.errors import BadInput

STORE_VERSION = 2  # of the way that spectrograms are computed: another one has other numbers


def clip_to_mel(task):
    """Read a clip and compute its spectrogram, maybe on another machine.

    Parameters
    ----------
    task : tuple of Path, MelGrid and int
        The clip, and the `STORE_VERSION` of the store that is made.

    Returns
    -------
    S_db : np.ndarray [shape=(n_mels, frames)], float16, or None
        In dB, in the store's precision.
    reason : str or None
        Why the clip cannot be used.
    there : bool
        Whether there is such a file.

    Raises
    ------
    BadInput
        If this is another version of the project.
    """
    path, grid, version = task
    if version != STORE_VERSION:
        raise BadInput("the workers run another version of this project; install the same there")
    try:
        S_db = mel_spectrogram(*read_clip(path, grid.seconds), grid)
    except BadInput as error:
        return None, str(error), path.is_file()
    return S_db.astype("float16"), None, True
