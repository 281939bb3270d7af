"""The presentation: every page in place, every number and verdict out of the results files."""

import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import typst

from hiphoplib import plots, power
from hiphoplib.errors import BadInput
from hiphoplib.presentation import SOURCE, font_folder, main, make_presentation, needed_files

ROOT = Path(__file__).parents[2]
MODELS = {"dummy": 0.5, "mlp": 0.53, "cnn1": 0.61, "cnn2": 0.6, "rnn": 0.64, "transfer": 0.65,
          "oracle": 0.79}
LADDER = dict(zip(plots.MODEL_LABELS, [
    0.5, 0.5, 0.62, 0.63, 0.57, 0.5, 0.53, 0.48, 0.62, 0.6, 0.57, 0.61, 0.6, 0.62, 0.63, 0.64,
    0.5, 0.75]))
NEVER = {"dummy", "artist_mean", "oracle"}


def value(mean, half, **more):
    """An estimate."""
    return {"mean": mean, "low": mean - half, "high": mean + half, "by_seed": [mean]} | more


def model(mean, half=0.05):
    """What a results file holds of a model, as far as it is shown."""
    return {"auc": value(mean, half), "accuracy": value(mean, half), "parameters": 391_585,
            "recovered": value(2 * mean - 1, half), "within_artist": value(mean, half, artists=21),
            "within_genre": value(mean - 0.04, half, genres=4),
            "sieve": [{"n": 10, "k": k, "base": base, "hit_share": value(mean, half),
                       "lift": value(mean / 0.51, half)} for k in (1, 3) for base in (None, 0.2)]}


def results(means=MODELS):
    """A results file."""
    return {"corpus": {"name": "c", "tracks": 371, "artists": 214},
            "protocol": {"grid": "quick", "split": "artist", "folds": 5, "heldout": 371,
                         "seeds": [0, 1, 2], "threshold": 44.6, "positive_share": 0.51},
            "models": {name: model(mean, 0.05 * (name != "dummy"))
                       for name, mean in means.items()},
            "paired": {f"{name}-rnn": {"auc": value(mean - 0.64, 0.06)}
                       for name, mean in means.items() if name != "rnn"},
            "splits": splits(), "power": power_curve(), "made": "2026-11-23"}


def splits(gap=0.03, models=("statistics", "recogniser", "transfer", "artist_mean")):
    """Three splits side by side."""
    return {"folds": 5, "tracks": 3623, "known": {"artist": 0.0, "time": 0.4, "random": 0.66},
            "models": {name: {"artist": value(0.63, 0.02), "random": value(0.66, 0.02),
                              "random-artist": value(gap, 0.02)} for name in models}}


def power_curve(needed=(501, None), models=("transfer", "crnn")):
    """How many tracks it takes."""
    rows = [{"tracks": size, "draws": 20, "auc": value(0.63, 20 / size),
             "excludes": {"0.5": 0.9, "0.6": 0.1}} for size in (125, 251, 501, 1001, 2001, 3623)]
    return {"models": dict.fromkeys(models, rows),
            "needed": {name: dict(zip(("0.5", "0.6"), needed)) for name in models}}


def with_parity(node, odd):
    """The same, every number shown ending in an even digit (odd 0) or an odd one (odd 1)."""
    if isinstance(node, dict):
        return {key: with_parity(part, odd) for key, part in node.items()}
    if isinstance(node, list):
        return [with_parity(part, odd) for part in node]
    if isinstance(node, float):
        return (2 * round(50 * node) + odd) / 100
    return node - node % 2 + odd if isinstance(node, int) else node  # a text, or nothing


def set_auc(made, low, high, models=MODELS):
    """Give models an interval."""
    for name in models:
        made["models"][name]["auc"] |= {"mean": (low + high) / 2, "low": low, "high": high}


def set_ends(estimate, low, high):
    """Give an estimate an interval."""
    estimate |= {"mean": (low + high) / 2, "low": low, "high": high}


def write(folder, synthetic=None, liked=None, large=None):
    """Write the results files of a folder."""
    for name, content in (("synthetic", synthetic), ("liked_songs", liked),
                          ("synthetic-4000", large)):
        path = folder / "notebooks" / "results" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content or results()))


@pytest.fixture
def folder(tmp_path):
    """A folder with the source, small figures and results."""
    (tmp_path / SOURCE).write_bytes((ROOT / SOURCE).read_bytes())
    (tmp_path / "images").mkdir()
    for name in needed_files(ROOT / SOURCE):
        if name.startswith("images/"):
            plt.imsave(tmp_path / name, np.zeros((2, 4)))
    write(tmp_path)
    return tmp_path


def slides(folder):
    """Text of every slide."""
    found = typst.query(folder / SOURCE, "<slide>", font_paths=[font_folder()])
    joined = (" ".join(" ".join(texts(slide)).split()) for slide in json.loads(found))
    return [re.sub(r" (?=[.,:;)])|(?<=\() ", "", text) for text in joined]


def texts(node):
    """Every text in a Typst element, in order."""
    if isinstance(node, dict):
        for key, part in node.items():
            yield from [part] if key == "text" and isinstance(part, str) else texts(part)
    elif isinstance(node, list):
        for part in node:
            yield from texts(part)


def pages(pdf):
    """Number of pages of a PDF."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_every_slide_is_one_page_in_the_figures_typeface(folder):
    pdf = make_presentation(folder).read_bytes()
    assert 10 <= pages(pdf) == len(slides(folder)) <= 17
    assert b"DejaVuSans" in pdf and b"Libertinus" not in pdf
    assert make_presentation(folder).read_bytes() == pdf


def mixed():
    made = results()
    set_auc(made, 0.501, 0.6, ["cnn1"])
    set_auc(made, 0.3, 0.48, ["mlp"])
    set_auc(made, 0.48, 0.6, ["cnn2"])
    set_auc(made, 0.48, 0.61, ["transfer"])
    for name, low, high in (("cnn1", 0.01, 0.1), ("mlp", -0.2, -0.01), ("cnn2", -0.1, 0.1),
                            ("transfer", -0.1, 0.1)):
        set_ends(made["paired"][f"{name}-rnn"]["auc"], low, high)
    return made


def at(low, high):
    made = results()
    set_auc(made, low, high)
    for each in made["models"].values():
        set_ends(each["within_genre"], low, high)
    return made


def once():
    made = results()
    made["protocol"] |= {"folds": 0, "seeds": [0], "heldout": 1617, "split": "random"}
    return made


def whole_ladder():
    """Every model, the one with the longest name ahead, and sentences as long as they get."""
    made = results(LADDER)
    everything = [name for name in LADDER if name not in NEVER]
    made |= {"splits": splits(models=[*everything, "artist_mean"]),
             "power": power_curve((None, None), ("transfer", "crnn", "ensemble"))}
    set_auc(made, 0.3, 0.48, ["mlp", "cnn1", "cnn2"])
    set_auc(made, 0.48, 0.501, ["crnn", "transfer", "ensemble"])
    set_auc(made, 0.501, 0.9, ["with_context"])
    for name, ends in (("mlp", (-0.2, -0.1)), ("cnn1", (-0.2, -0.1)), ("cnn2", (-0.2, -0.1)),
                       ("with_context", (0.1, 0.2)), ("statistics", (0.1, 0.2))):
        set_ends(made["paired"][f"{name}-rnn"]["auc"], *ends)
    for number, name in enumerate(["statistics", "recogniser", "transfer"]):
        set_ends(made["splits"]["models"][name]["random-artist"], -0.1 - number / 10, -0.001)
    set_ends(made["models"]["with_context"]["within_artist"], 0.499, 0.501)
    set_ends(made["models"]["transfer"]["within_genre"], 0.4, 0.6)
    for row in made["models"]["with_context"]["sieve"][1:]:
        set_ends(row["lift"], 0.9, 1.001)
    made["corpus"] |= {"tracks": 123_456, "artists": 98_765}
    return made


def unknown():
    made = results()
    made["models"]["something_else"] = model(0.9)
    return made


def nothing_within():
    made = results()
    for each in made["models"].values():
        each |= {"within_artist": None, "within_genre": None}
    return made


@pytest.mark.parametrize("made", [
    mixed(), at(0.45, 0.6), at(0.2, 0.4), at(0.9, 0.99), once(), whole_ladder(), unknown(),
    nothing_within()], ids=["mixed", "nothing", "worse", "all", "one split", "whole ladder",
                            "unknown model", "nothing within"])
def test_no_slide_overflows_whatever_comes_out(folder, made):
    write(folder, made, made, made)
    assert pages(make_presentation(folder).read_bytes()) == len(slides(folder))


@pytest.mark.parametrize("odd", [0, 1])
def test_no_number_is_typed(folder, odd):
    made = with_parity(results(), odd)
    made["protocol"]["threshold"], made["made"] = 44.6 + odd / 10, f"202{6 + odd}-1{odd}-2{odd}"
    write(folder, made, made, made)
    text = " ".join(slides(folder)).replace("CNN 1", "").replace("CNN 2", "")
    for method in ("95 %", "0.50 is guessing", "1.00 is perfect", "above 0.50", "pass 0.60",
                   "0.50", "0.60"):  # the last two are the lines of the curve
        assert method in text
        text = text.replace(method, "")
    numbers = re.findall(r"\d+(?:[.,]\d+)*", text)
    assert len(numbers) > 100
    assert {int(number[-1]) % 2 for number in numbers} == {odd}


@pytest.mark.parametrize("corpus", ["synthetic", "liked_songs"])
def test_a_changed_result_is_shown(folder, corpus):
    made = results()
    made["models"]["rnn"]["auc"] |= {"mean": 0.6789, "low": 0.5432, "high": 0.7654}
    made["corpus"]["tracks"] = 98_765
    write(folder, **{"liked" if corpus == "liked_songs" else corpus: made})
    text = " ".join(slides(folder))
    for shown in ("0.68", "0.54 to 0.77", "98,765"):
        assert shown in text


def told(folder, synthetic=None, liked=None, large=None):
    """Text of all slides."""
    write(folder, synthetic, liked, large)
    return " ".join(slides(folder))


def test_verdict_follows_the_intervals(folder):
    text = told(folder, mixed(), at(0.45, 0.6))
    assert "CNN 1 and the RNN rank better than guessing" in text
    assert "For CNN 2 and the transfer model, that is not shown." in text
    assert "The MLP ranks worse than guessing." in text
    assert "(Judged before rounding.)" in text
    assert "CNN 1 ranks better than the RNN. The MLP ranks worse than the RNN." in text
    assert "CNN 2 and the transfer model cannot be told apart from the RNN." in text
    assert "No model is shown to rank better than guessing" in text


def test_nobody_is_told_of_models_that_he_cannot_use(folder):
    made = results(LADDER)
    for name in NEVER:
        set_auc(made, 0.9, 0.99, [name])
        made["paired"][f"{name}-rnn"]["auc"] |= {"low": 0.3, "high": 0.4}
    with_the_best = told(folder, made, made)
    assert "64 times on synthetic music (the ensemble with context)" in with_the_best
    for sentence in ("the dummy", "Dummy rank", "oracle rank", "fame rank"):
        assert sentence not in with_the_best
    assert "Shown: eleven of eighteen models." in with_the_best
    set_auc(made, 0.6, 0.8, ["recency"])
    assert "70 times on synthetic music (the release date)" in told(folder, made)


@pytest.mark.parametrize("ends, title, color", [
    ([(1.1, 1.4)] * 4, "better than a blind pick", 1),
    ([(0.6, 0.9)] * 4, "worse than a blind pick", 1),
    ([(0.9, 1.4)] * 4, "a blind pick may be as good", 0),
    ([(1.1, 1.4)] + [(0.9, 1.4)] * 3, "not always better than blind", 1)])
def test_best_of_ten_follows_the_lifts(folder, ends, title, color):
    made = results()
    for row, (low, high) in zip(made["models"]["transfer"]["sieve"], ends):
        set_ends(row["lift"], low, high)
    made["models"]["transfer"]["sieve"][3]["hit_share"] |= {"mean": 0.37, "low": 0.33, "high": 0.41}
    text = told(folder, made)
    assert f"The best of ten: {title}" in text
    assert ("more hits than blind" in text) == color
    assert "the first three of ten 20 % 37 % 33 % to 41 %" in text


@pytest.mark.parametrize("ends, said", [
    ((0.51, 0.6), "it ranks them better than guessing"),
    ((0.4, 0.49), "it ranks them worse than guessing"),
    ((0.45, 0.6), "it is not shown to beat guessing there"), (None, "no artist here has enough")])
def test_songs_of_one_artist_are_a_result_of_their_own(folder, ends, said):
    made = results()
    if ends:
        set_ends(made["models"]["transfer"]["within_artist"], *ends)
    else:
        made["models"]["transfer"]["within_artist"] = None
    assert said in told(folder, made)


@pytest.mark.parametrize("gaps, said", [
    ({"transfer": (0.01, 0.05)}, "Tested at random, the transfer model seems better than it is. "
                                 "No gap shows for the handmade model and the recogniser."),
    ({"transfer": (-0.05, -0.01)}, "the transfer model seems worse, and none better."),
    ({"transfer": (0.01, 0.05), "statistics": (-0.05, -0.01)}, "The handmade model seems worse."),
    ({"artist_mean": (0.1, 0.2)}, "no gap shows between the two tests")])
def test_why_artists_are_held_out_follows_the_gap(folder, gaps, said):
    made = results() | {"splits": splits(gap=0)}
    for name, ends in gaps.items():
        set_ends(made["splits"]["models"][name]["random-artist"], *ends)
    assert said in told(folder, large=made)


@pytest.mark.parametrize("needed, said", [
    ((251, 2001), "beats guessing from 251 tracks on and passes 0.60 from 2,001 tracks on."),
    ((251, None), "beats guessing from 251 tracks on. Even with 3,623 tracks, it is not shown to "
                  "pass 0.60."),
    ((None, None), "is not shown to beat guessing or to pass 0.60, even with 3,623 tracks.")])
def test_how_many_tracks_it_takes(folder, needed, said):
    text = told(folder, large=results() | {"power": power_curve(needed)})
    assert f"The transfer model {said}" in text and f"The CRNN {said}" in text
    assert power.POWER == 0.8 and "at least four of five test collections" in text


@pytest.mark.parametrize("ends, title, sentence", [
    ((0.02, 0.1), "transfer beats the RNN", "better than the RNN: the difference"),
    ((-0.1, -0.02), "the RNN beats transfer", "worse than the RNN: the difference"),
    ((-0.1, 0.02), "transfer or RNN? Open", "neither better nor worse than the RNN")])
def test_transfer_beats_the_rnn_only_if_the_paired_interval_says_so(folder, ends, title, sentence):
    made = results()
    set_ends(made["paired"]["transfer-rnn"]["auc"], *ends)
    text = told(folder, liked=made)
    assert f"Real recordings: {title}" in text and sentence in text


@pytest.mark.parametrize("ends, part, within", [
    ((0.51, 0.59), "Part of the score is genre", "still ranks better than guessing"),
    ((0.45, 0.59), "Part of the score is genre", "is not shown to beat guessing"),
    ((0.55, 0.62), "How much genre adds cannot be told", "still ranks better"),
    ((0.8, 0.9), "Genre does not help here", "still ranks better"),
    ((0.4, 0.45), "Part of the score is genre", "ranks worse than guessing")])
def test_how_much_is_genre(folder, ends, part, within):
    made = results()
    set_ends(made["models"]["transfer"]["within_genre"], *ends)
    text = told(folder, liked=made)
    assert part in text and f"Within a genre, transfer {within}" in text
    assert ("one vote, not the verdict" in text) == (ends[0] > 0.5)


GOOD, BAD = (0.55, 0.7), (0.45, 0.6)


@pytest.mark.parametrize("synthetic", [GOOD, BAD])
@pytest.mark.parametrize("liked", [GOOD, BAD])
def test_recommendation_needs_both_results(folder, synthetic, liked):
    text = told(folder, at(*synthetic), at(*liked))
    assert ("one vote, not the verdict" in text) == (synthetic == liked == GOOD)
    assert ("Do not use it to order your ten songs." in text) != (synthetic == liked == GOOD)
    assert ("a network that may be wrong" in text) == (synthetic == BAD)


def test_synthetic_numbers_carry_the_warning():
    source = (ROOT / SOURCE).read_text()
    parts = re.split(r"^#slide\(", source, flags=re.M)[1:]
    for part in parts:
        if re.search("synthetic|large|images/", part):
            assert "foot: warning" in part


def test_colours_are_those_of_the_figures():
    hexes = set(re.findall(r'rgb\("(#\w+)"\)', (ROOT / SOURCE).read_text()))
    assert hexes <= {*plots.PALETTE.values(), plots.NEUTRAL}
    assert len(hexes) >= 5


def test_what_is_missing_is_named(folder):
    for name in ("images/popularity.png", "notebooks/results/liked_songs.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(BadInput, match=rf"^{name}: .*run `make report`$"):
            make_presentation(folder)
        (folder / name).write_bytes(content)
    assert not (folder / "Presentation.pdf").exists()
    with pytest.raises(BadInput, match="no such file"):
        make_presentation(folder / "images")


@pytest.mark.parametrize("corpus, keys, said", [
    ("synthetic", ["models"], "synthetic.json lacks models"),
    ("synthetic", ["models", "rnn", "sieve"], "synthetic.json lacks sieve of rnn"),
    ("synthetic", ["models", "rnn", "recovered"], "synthetic.json lacks recovered of rnn"),
    ("synthetic", ["models", "rnn"], "rnn"),
    ("large", ["splits"], "synthetic-4000.json lacks splits"),
    ("large", ["power"], "synthetic-4000.json lacks power"),
    ("liked", ["models", "mlp", "within_genre"], "liked_songs.json lacks within_genre of mlp"),
    ("liked", ["models", "transfer"], "liked_songs.json lacks the model transfer"),
    ("liked", ["paired", "transfer-rnn"], "transfer-rnn")])
def test_stale_results_are_told_in_one_line(folder, corpus, keys, said):
    made = results()
    part = made
    for key in keys[:-1]:
        part = part[key]
    del part[keys[-1]]
    write(folder, **{corpus: made})
    with pytest.raises(BadInput, match=f"^.*{said}.*run `make report`$"):
        make_presentation(folder)


def test_command_line(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main() == 0
    assert capsys.readouterr().out == "Presentation.pdf\n"
    (folder / "images" / "popularity.png").unlink()
    assert main() == 1
    assert capsys.readouterr().err.startswith("error: images/popularity.png")
