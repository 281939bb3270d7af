"""Every figure, also of awkward data: on the Axes it was given, named, and nothing left open."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from hiphoplib import report
from hiphoplib.audio.mel import FLOOR_DB, FULL, QUICK
from hiphoplib.tracks.describe import describe

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 50)
SCORES = RNG.random(50)
S_DB = RNG.normal(-20, 10, QUICK.shape)
HISTORY = pd.DataFrame(RNG.random((5, 4)), columns=["loss", "val_loss", "auc", "val_auc"])
HISTORY["epoch"] = np.arange(5)
RELEASES = pd.DataFrame({"recording": ["a", "a", "b", "c", "c"], "label": ["A" * 80] * 5,
                         "popularity": [10, 60, 3, 44, np.nan]})


def steps(*left):
    """Return the steps of a cleaning that leave so many rows."""
    names = ["rows gathered", "licence forbids derivatives", "one row a recording", "preview " * 20]
    return pd.DataFrame({"step": names[:len(left)], "left": left,
                         "gone": -np.diff(left, prepend=left[0])})


def shapes(*popularities):
    """Return shapes of corpora of these popularities, all of one year and by one artist."""
    return {f"corpus {i}": describe(pd.DataFrame({
        "popularity": found, "artists": [["a"]] * len(found),
        "release_date": pd.Timestamp("2001-02-03")})) for i, found in enumerate(popularities)}


def spectra(difference):
    return QUICK.mel_frequencies(), S_DB.mean(axis=1) + difference, S_DB.mean(axis=1)


FIGURES = {
    "popularity": (report.popularity_histogram, pd.Series([0, 1, 50, 100, np.nan])),
    "popularity with threshold": (report.popularity_histogram, pd.Series([0, 50, 100.0]), 50),
    "popularity, all missing": (report.popularity_histogram, pd.Series([np.nan] * 3), 50),
    "artists": (report.tracks_per_artist, [1, 1, 2, 300]),
    "no artists": (report.tracks_per_artist, []),
    "years": (report.release_years, pd.to_datetime(["1999-01-01", None, "2021-12-31"])),
    "no years": (report.release_years, pd.Series([pd.NaT, pd.NaT])),
    "missing": (report.missing_values, RELEASES),
    "missing nothing, lists": (report.missing_values, pd.DataFrame({"artists": [["a"], ["b"]]})),
    "versions": (report.versions, RELEASES),
    "no versions": (report.versions, RELEASES[2:3]),
    "waterfall": (report.waterfall, steps(1_023_100, 1_016_194, 16_168, 16_168)),
    "waterfall, nothing gone": (report.waterfall, steps(4, 4)),
    "waterfall, nothing there": (report.waterfall, steps(0, 0, 0)),
    "shapes": (report.popularity_shapes, shapes(np.full(30, 5.0), np.full(90, 7.0))),
    "shape of nothing": (report.popularity_shapes, shapes(np.array([np.nan]))),
    "by year": (report.popularity_by_year, shapes(np.full(30, 5.0), np.full(90, 7.0))),
    "by year, too few": (report.popularity_by_year, shapes(np.full(3, 5.0))),
    "waveform": (report.waveform, RNG.normal(0, 0.1, 30000), 22050),
    "waveform, short and silent": (report.waveform, np.zeros(10), 22050),
    "spectrogram": (report.spectrogram, S_DB, QUICK),
    "spectrogram, silent": (report.spectrogram, np.full(FULL.shape, FLOOR_DB), FULL),
    "spectra": (report.mean_spectra, *spectra(np.sin(np.arange(QUICK.n_mels)))),
    "spectra, equal": (report.mean_spectra, *spectra(0)),
    "curves": (report.training_curves, {"rnn": HISTORY, "another": HISTORY}),
    "curves of one epoch": (report.training_curves, {"mlp": HISTORY[:1]}, "auc"),
    "roc": (report.roc, {"rnn": (LABELS, SCORES), "mlp": (LABELS, LABELS)}),
    "roc, constant": (report.roc, {"dummy": (LABELS, np.full(50, 0.5))}),
    "roc, one class": (report.roc, {"rnn": (np.ones(50, int), SCORES)}),
    "confusion": (report.confusion, LABELS, SCORES > 0.5),
    "confusion, one class": (report.confusion, np.ones(50), np.ones(50)),
    "confusion, nothing": (report.confusion, [], []),
    "thresholds": (report.threshold_sensitivity, [20, 40, 60], [0.9, 0.52, 0.1]),
}


pytestmark = pytest.mark.usefixtures("figure_style")


@pytest.fixture
def ax():
    return plt.subplots()[1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_drawn_where_asked(name, ax):
    draw, *data = FIGURES[name]
    before = plt.get_fignums()
    assert draw(*data, ax=ax) is ax
    assert plt.get_fignums() == before
    assert ax.get_title(loc="left") and ax.get_xlabel() and ax.get_ylabel()
    assert "nan" not in ax.get_title(loc="left")
    ax.figure.canvas.draw()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIGURES)
def test_figure_of_its_own_holds_its_title(name):
    draw, *data = FIGURES[name]
    figure = draw(*data).figure
    figure.canvas.draw()
    title = figure.axes[0].get_title(loc="left")
    drawn = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text() == title][0]
    assert drawn.get_window_extent().x1 <= figure.bbox.x1
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
    assert min(sizes) >= 10


def test_numbers_and_names_at_a_waterfall_have_room():
    ax = report.waterfall(steps(1_023_100, 1_016_194, 16_168, 16_168))
    ax.figure.canvas.draw()
    assert max(text.get_window_extent().x1 for text in ax.texts) <= ax.bbox.x1
    assert all(label.get_text().count("\n") < 3 for label in ax.get_yticklabels())


def test_data_stays_as_it_was(ax):
    data = {name: [np.copy(part) for part in parts if isinstance(part, np.ndarray)]
            for name, (_, *parts) in FIGURES.items()}
    table = RELEASES.copy()
    for draw, *parts in FIGURES.values():
        draw(*parts)
        plt.close("all")
    for name, (_, *parts) in FIGURES.items():
        arrays = [part for part in parts if isinstance(part, np.ndarray)]
        assert all(map(np.array_equal, arrays, data[name]))
    pd.testing.assert_frame_equal(RELEASES, table)


def test_histogram_shows_every_known_track_on_its_side(ax):
    popularity = pd.Series([0, 49, 50, 51, 100, np.nan])
    report.popularity_histogram(popularity, 50, ax)
    sides = {}
    for bar in ax.patches:
        color = to_hex(bar.get_facecolor()).upper()
        sides[color] = sides.get(color, 0) + bar.get_height()
    assert sides == {report.UNPOPULAR: 2, report.POPULAR: 3}


def test_waterfall_shows_what_is_left_and_what_went_top_down(ax):
    report.waterfall(steps(23_100, 16_194, 16_168, 16_168), ax)
    solid, hatched = ax.containers
    assert [bar.get_width() for bar in solid] == [23_100, 16_194, 16_168, 16_168]
    assert [bar.get_width() for bar in hatched] == [0, 6_906, 26, 0]
    assert [bar.get_x() for bar in hatched] == [bar.get_width() for bar in solid]
    assert len({to_hex(bar.get_facecolor()) for bar in [*solid, *hatched]}) == 2
    assert [text.get_text() for text in ax.texts] == [
        "23,100", "16,194 (6,906 gone)", "16,168 (26 gone)", "16,168"]
    tops = [label.get_window_extent().y0 for label in ax.get_yticklabels()]
    assert ax.get_yticklabels()[0].get_text() == "rows gathered" and tops[0] == max(tops)
    assert "16,168 of 23,100 rows" in ax.get_title(loc="left") and ax.get_xlabel() == "rows"


def test_shapes_of_corpora_of_other_sizes_compare(ax):
    report.popularity_shapes(
        shapes(np.full(30, 5.0), np.r_[np.full(45, 1.0), np.full(45, 5.0)]), ax
    )
    one, half = (patch.get_data().values for patch in ax.patches)
    assert one.sum() == half.sum() == pytest.approx(100)
    assert one[2] == 100 and half[2] == 50
    assert "0% and 50%" in ax.get_title(loc="left")


def test_confusion_counts(ax):
    report.confusion([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], ax)
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["1\n50%", "1\n50%", "1\n33%", "2\n67%"]


def test_save_writes_and_closes(ax, tmp_path):
    report.save(ax, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 0
    assert plt.get_fignums() == []
