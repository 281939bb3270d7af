"""The slides: a message a page, and every number out of the results files."""

import io
import json
import re
import shutil
import struct
import zlib
from functools import reduce
from operator import getitem

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import typst

from hiphoplib import report
from hiphoplib.errors import BadInput
from hiphoplib.studies.documents import CLIP, FONTS, SOURCE, _needed_files, make_presentation
from hiphoplib.tracks.sources.fma import read_fma_hiphop
from tests.paths import ROOT

PARTS = "presentation"  # folder of what the source imports
RESULTS = "notebooks/results"
PAGES, APPENDIX = 10, 8
MAIN = (ROOT / SOURCE).read_text().partition("// ---- appendix")[0]


@pytest.fixture
def folder(tmp_path):
    """A folder with the source, small figures and the committed results."""
    (tmp_path / SOURCE).write_bytes((ROOT / SOURCE).read_bytes())
    shutil.copytree(ROOT / PARTS, tmp_path / PARTS)
    for name in _needed_files(ROOT / SOURCE):
        there = tmp_path / name
        there.parent.mkdir(parents=True, exist_ok=True)
        if name.startswith("images/"):
            plt.imsave(there, small_figure(name))
        else:
            there.write_bytes((ROOT / name).read_bytes())
    return tmp_path


def small_figure(path):
    """A figure of the shape of the real one."""
    width, height = struct.unpack(">II", (ROOT / path).read_bytes()[16:24])
    return np.zeros((round(100 * height / width), 100))


def change(folder, file, **values):
    """Give a results file other values, by path, such as models__rnn__auc."""
    path = folder / RESULTS / f"{file}.json"
    made = json.loads(path.read_text())
    for keys, new in values.items():
        *keys, last = [int(key) if key.isdigit() else key for key in keys.split("__")]
        reduce(getitem, keys, made)[last] = new
    path.write_text(json.dumps(made))


def slides(folder):
    """Text of every page."""
    found = typst.query(folder / SOURCE, "<slide>", font_paths=[FONTS])
    return [
        " ".join(" ".join(texts(slide)).split()).replace(" :", ":") for slide in json.loads(found)
    ]


def texts(node):
    if isinstance(node, dict):
        for key, part in node.items():
            yield from [part] if key == "text" and isinstance(part, str) else texts(part)
    elif isinstance(node, list):
        for part in node:
            yield from texts(part)


def sizes(pdf):
    """Sizes of all type of a PDF, in points."""
    found = set()
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S):
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        found |= {float(size) for size in re.findall(rb"/\w+ ([\d.]+) Tf", content)}
    return found


def spills(folder):
    """Pages of which something reaches into the outermost points, where they have a margin."""
    pngs = typst.compile(
        # half a pixel a point
        folder / SOURCE,
        font_paths=[FONTS],
        ignore_system_fonts=True,
        format="png",
        ppi=36,
    )
    found = []
    for number, png in enumerate(pngs, 1):
        page = plt.imread(io.BytesIO(png))[..., :3]
        page = np.abs(page - page[-1, 0]).max(axis=2) > 0.05
        if number != 4 and (page[:, :16].any() or page[:, -8:].any() or page[-6:].any()):
            found.append(number)
    return found


def test_ten_pages_and_an_appendix_in_the_typeface_chosen_for_them(folder):
    pdf = make_presentation(folder).read_bytes()
    n = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert n == len(slides(folder)) and PAGES < n <= PAGES + APPENDIX
    assert b"Manrope" in pdf and b"Libertinus" not in pdf and b"DejaVu" not in pdf
    assert make_presentation(folder).read_bytes() == pdf
    assert spills(folder) == []


def test_a_page_has_few_words_and_large_ones(folder):
    for text in slides(folder)[:PAGES]:
        assert len(text.split()) <= 30, text  # its title included
        assert "hiphoplib" not in text
    look = (ROOT / PARTS / "look.typ").read_text().partition("// One page of the appendix")[0]
    for source in (MAIN, look):
        assert min(map(int, re.findall(r"\bsize: (\d+)pt", source))) >= 24
    assert min(sizes(make_presentation(folder).read_bytes())) >= 14


def test_the_client_and_the_question_are_on_the_cover(folder):
    cover = slides(folder)[0]
    assert "KC Makes Music" in cover and "Which one goes out first?" in cover


def test_numbers_come_from_the_results_files(folder):
    model = (
        "stack"
        if "stack" in json.loads((folder / RESULTS / "liked_songs.json").read_text())["models"]
        else "rnn"
    )
    change(
        folder,
        "liked_songs",
        **{f"models__{model}__within_genre": {"mean": 0.734, "low": 0.7, "high": 0.76}},
    )
    change(
        folder,
        "fma_hiphop",
        features={"auc": {"mean": 0.81, "low": 0.8, "high": 0.82}},
        tracks=98_765,
    )
    text = slides(folder)
    assert text[1].startswith("73 of 100. A coin gets 50.")
    assert "Real hip-hop: 81 of 100" in text[6] and "98,765" in text[6]
    assert "0.73 [0.70, 0.76]" in text[11]


def test_numbers_of_synthetic_tracks_carry_a_badge(folder):
    synthetic = [
        page
        for page in re.split(r"^#(?:message|dark|page)", MAIN, flags=re.M)
        if re.search(r"\blarge\.|picked|found", page.partition("#let")[0])
    ]
    assert synthetic and all(re.search("badge: (made-up|sketch)", page) for page in synthetic)


def test_what_is_listened_to_more_is_as_the_archive_has_it():
    tracks = read_fma_hiphop()
    for what, up in re.findall(r"arrow\((true|false)\)\[(\w+)\]", MAIN):
        column = {
            "acoustic": "acousticness",
            "words": "speechiness",
            "instrumental": "instrumentalness",
            "danceable": "danceability",
        }[up]
        ranks = tracks[column].corr(tracks["popularity"], method="spearman")
        assert (ranks > 0.1) if what == "true" else (ranks < -0.1)


def test_artist_identification_gains_most_from_a_random_split():
    models = json.loads((ROOT / RESULTS / "synthetic-4000.json").read_text())["splits"]["models"]
    gains = {
        name: of["random-artist"]["mean"] for name, of in models.items() if name != "artist_mean"
    }
    assert max(gains, key=gains.get) == "artist_identification"


def test_colours_are_those_of_the_figures():
    source = "".join(path.read_text() for path in [ROOT / SOURCE, *(ROOT / PARTS).glob("*.typ")])
    hexes = set(re.findall(r'rgb\("(#\w+)"\)', source))
    assert hexes <= {*report.PALETTE.values(), report.NEUTRAL} and len(hexes) >= 5


def test_labels_are_those_of_the_figures():
    source = (ROOT / PARTS / "words.typ").read_text().partition("#let labels")[2]
    assert dict(re.findall(r'(\w+): "([^"]+)"', source)) == report.MODEL_LABELS


@pytest.mark.parametrize("name", ["images/score_report.png", f"{RESULTS}/liked_songs.json"])
def test_what_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BadInput, match=rf"^{name}: there is no such file.*`make report`.*$"):
        make_presentation(folder)
    assert not (folder / "Presentation.pdf").exists()


def test_the_picture_of_a_clip_is_drawn_where_it_is_missing(folder):
    (folder / CLIP).unlink()
    make_presentation(folder)
    picture = plt.imread(folder / CLIP)
    assert picture.shape[:2] == (128, 1292) and picture[..., 0].std() > 0.1


@pytest.mark.parametrize(
    "file, key",
    [("synthetic-4000", "splits"), ("explanations", "swap_test"), ("fma_hiphop", "features")],
)
def test_stale_results_are_told_in_one_line(folder, file, key):
    path = folder / RESULTS / f"{file}.json"
    made = json.loads(path.read_text())
    del made[key]
    path.write_text(json.dumps(made))
    with pytest.raises(BadInput, match=f"^[^\n]*cannot be typeset [^\n]*lacks {key}[^\n]*$"):
        make_presentation(folder)
