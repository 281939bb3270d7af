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

from hiphoplib import plots
from hiphoplib.errors import BadInput
from hiphoplib.presentation import SOURCE, font_folder, main, make_presentation, needed_files

ROOT = Path(__file__).parents[2]
MODELS = {"dummy": 0.5, "mlp": 0.53, "cnn1": 0.61, "cnn2": 0.6, "rnn": 0.64, "oracle": 0.79}


def results():
    """A results file."""
    def value(mean, half):
        return {"mean": mean, "low": mean - half, "high": mean + half, "by_seed": [mean]}

    def difference(mean):
        return {"mean": mean - 0.64, "low": mean - 0.7, "high": mean - 0.58}

    return {"corpus": {"name": "c", "tracks": 371, "artists": 214},
            "protocol": {"grid": "quick", "split": "artist", "folds": 5, "heldout": 371,
                         "seeds": [0, 1, 2], "threshold": 44.6, "positive_share": 0.51},
            "models": {name: {"auc": value(mean, 0.05 * (name != "dummy")),
                              "accuracy": value(mean, 0.05), "parameters": 391_585}
                       for name, mean in MODELS.items()},
            "paired": {f"{name}-rnn": {"auc": difference(mean)} for name, mean in MODELS.items()
                       if name != "rnn"},
            "made": "2026-11-23"}


def with_parity(node, odd):
    """The same, every number shown ending in an even digit (odd 0) or an odd one (odd 1)."""
    if isinstance(node, dict):
        return {key: with_parity(part, odd) for key, part in node.items()}
    if isinstance(node, float):
        return (2 * round(50 * node) + odd) / 100
    return node - node % 2 + odd if isinstance(node, int) else node


def set_auc(made, low, high, models=MODELS):
    """Give models an interval."""
    for name in models:
        made["models"][name]["auc"] |= {"mean": (low + high) / 2, "low": low, "high": high}


def write(folder, synthetic=None, liked=None):
    """Write both results files of a folder."""
    for name, content in (("synthetic", synthetic), ("liked_songs", liked)):
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
    return [" ".join(" ".join(texts(slide)).split()) for slide in json.loads(found)]


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
    assert pages(pdf) == len(slides(folder)) >= 10
    assert b"DejaVuSans" in pdf and b"Libertinus" not in pdf
    assert make_presentation(folder).read_bytes() == pdf


def mixed():
    made = results()
    set_auc(made, 0.501, 0.6, ["cnn1"])
    set_auc(made, 0.3, 0.48, ["mlp"])
    set_auc(made, 0.48, 0.6, ["cnn2"])
    made["paired"]["cnn1-rnn"]["auc"] |= {"low": 0.01, "high": 0.1}
    made["paired"]["mlp-rnn"]["auc"] |= {"low": -0.2, "high": -0.01}
    return made


def at(low, high):
    made = results()
    set_auc(made, low, high)
    return made


def once():
    made = results()
    made["protocol"] |= {"folds": 0, "seeds": [0], "heldout": 1617, "split": "random"}
    return made


def more_models():
    made = mixed()
    for name in ("transfer", "crnn"):
        made["models"][name] = made["models"]["rnn"]
    return made


@pytest.mark.parametrize("made", [
    mixed(), at(0.45, 0.6), at(0.2, 0.4), at(0.9, 0.99), once(), more_models()], ids=[
    "mixed", "nothing", "worse", "all", "one split", "more models"])
def test_no_slide_overflows_whatever_comes_out(folder, made):
    write(folder, made, made)
    assert pages(make_presentation(folder).read_bytes()) == len(slides(folder))


@pytest.mark.parametrize("odd", [0, 1])
def test_no_number_is_typed(folder, odd):
    made = with_parity(results(), odd)
    made["protocol"]["threshold"], made["made"] = 44.6 + odd / 10, f"202{6 + odd}-1{odd}-2{odd}"
    write(folder, made, made)
    text = " ".join(slides(folder)).replace("CNN 1", "").replace("CNN 2", "")
    for method in ("95 %", "0.50 is guessing", "1.00 is perfect", "above 0.50"):
        assert method in text
        text = text.replace(method, "")
    numbers = re.findall(r"\d+(?:[.,]\d+)*", text)
    assert len(numbers) > 50
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


def test_verdict_follows_the_intervals(folder):
    write(folder, mixed(), at(0.45, 0.6))
    text = " ".join(slides(folder))
    assert "CNN 1 and the RNN rank better than guessing" in text
    assert "For CNN 2, that is not shown. The MLP ranks worse than guessing." in text
    assert "(Judged before rounding.)" in text
    assert "CNN 1 ranks better than the RNN. The MLP ranks worse than the RNN." in text
    assert "CNN 2 cannot be told apart from the RNN." in text
    assert "No network is shown to rank better than guessing" in text


GOOD, BAD = (0.55, 0.7), (0.45, 0.6)


@pytest.mark.parametrize("synthetic", [GOOD, BAD])
@pytest.mark.parametrize("liked", [GOOD, BAD])
def test_recommendation_needs_both_results(folder, synthetic, liked):
    write(folder, at(*synthetic), at(*liked))
    text = " ".join(slides(folder))
    assert ("one vote, not the verdict" in text) == (synthetic == liked == GOOD)
    assert ("Do not use it to order your ten songs." in text) != (synthetic == liked == GOOD)
    assert ("a network that may be wrong" in text) == (synthetic == BAD)


def test_synthetic_numbers_carry_the_warning():
    source = (ROOT / SOURCE).read_text()
    parts = re.split(r"^#slide\(", source, flags=re.M)[1:]
    for part in parts:
        if "synthetic" in part or "images/" in part:
            assert "foot: warning" in part


def test_colours_are_those_of_the_figures():
    hexes = set(re.findall(r'rgb\("(#\w+)"\)', (ROOT / SOURCE).read_text()))
    assert hexes <= {*plots.PALETTE.values(), plots.NEUTRAL}
    assert len(hexes) >= 5


def test_what_is_missing_is_named(folder):
    for name in ("images/ladder.png", "notebooks/results/liked_songs.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(BadInput, match=rf"^{name}: .*run `make report`$"):
            make_presentation(folder)
        (folder / name).write_bytes(content)
    assert not (folder / "Presentation.pdf").exists()
    with pytest.raises(BadInput, match="no such file"):
        make_presentation(folder / "images")


def test_stale_results_are_told_in_one_line(folder):
    made = results()
    del made["models"]["rnn"]
    write(folder, made)
    with pytest.raises(BadInput, match="^.*rnn.*run `make report`$"):
        make_presentation(folder)


def test_command_line(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main() == 0
    assert capsys.readouterr().out == "Presentation.pdf\n"
    (folder / "images" / "ladder.png").unlink()
    assert main() == 1
    assert capsys.readouterr().err.startswith("error: images/ladder.png")
