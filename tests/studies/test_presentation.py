"""The presentation: every page in place, every number and verdict out of the results files."""

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
from hiphoplib.studies import learning_curve as power
from hiphoplib.studies.documents import FONTS, SOURCE, _needed_files, make_presentation
from hiphoplib.tracks.synthetic.beats import CAUSES
from tests.paths import ROOT

PARTS = "presentation"  # folder of what the source imports
MODELS = {"dummy": 0.5, "mlp": 0.53, "cnn1": 0.61, "cnn2": 0.6, "rnn": 0.64, "musicnn": 0.65,
          "upper_bound": 0.79}
EVERY_MODEL = dict(zip(report.MODEL_LABELS, [
    0.5, 0.5, 0.62, 0.63, 0.57, 0.5, 0.53, 0.48, 0.52, 0.62, 0.6, 0.57, 0.61, 0.6, 0.62, 0.63, 0.64,
    0.5, 0.75]))
NEVER = {"dummy", "artist_mean", "upper_bound"}


def value(mean, half, **more):
    return {"mean": mean, "low": mean - half, "high": mean + half, "by_seed": [mean]} | more


def model(mean, half=0.05):
    """What a results file holds of a model, as far as it is shown."""
    return {"auc": value(mean, half), "accuracy": value(mean, half), "parameters": 391_585,
            "recovered": value(2 * mean - 1, half), "brier_skill": value(2 * mean - 1, half),
            "within_artist": value(mean, half, artists=21),
            "within_genre": value(mean - 0.04, half, groups=4),
            "precision_at_k": [{"n": 10, "k": k, "base": base, "hit_share": value(mean, half),
                       "lift": value(mean / 0.51, half)} for k in (1, 3) for base in (None, 0.2)]}


def results(means=MODELS):
    return {"corpus": {"name": "c", "tracks": 371, "artists": 214},
            "protocol": {"grid": "quick", "split": "artist", "folds": 5, "test_tracks": 371,
                         "seeds": [0, 1, 2], "threshold": 44.6, "positive_share": 0.51},
            "models": {name: model(mean, 0.05 * (name != "dummy"))
                       for name, mean in means.items()},
            "paired": {f"{name}-rnn": {"auc": value(mean - 0.64, 0.06)}
                       for name, mean in means.items() if name != "rnn"},
            "splits": splits(), "power": power_curve(), "made": "2026-11-23"}


def splits(gap=0.03, models=("handcrafted", "artist_identification", "musicnn", "artist_mean")):
    return {"folds": 5, "tracks": 3623, "known": {"artist": 0.0, "time": 0.4, "random": 0.66},
            "models": {name: {"artist": value(0.63, 0.02), "random": value(0.66, 0.02),
                              "random-artist": value(gap, 0.02)} for name in models}}


def power_curve(needed=(501, None), models=("musicnn", "crnn")):
    rows = [{"tracks": size, "draws": 20, "auc": value(0.63, 20 / size),
             "excludes": {"0.5": 0.9, "0.6": 0.1}} for size in (125, 251, 501, 1001, 2001, 3623)]
    return {"models": dict.fromkeys(models, rows),
            "needed": {name: dict(zip(("0.5", "0.6"), needed)) for name in models}}


CLAIM = "Sub and bass from 21 to 30 s speak for popularity"


def explanations(recovery=0.58, muted=0.06, shuffled=0.0):
    found = {"auc": 1.0, "clips": 31, "recovery": value(0.98, 0.01),
             "recovery_lime_default": value(0.85, 0.05), "top1": value(0.95, 0.04),
             "top1_lime_default": value(0.13, 0.12)}
    rising = [0.02, 0.03, 0.04, 0.08, 0.11, 0.13, 0.19, 0.4]
    return {"clips": 61, "planted": {"kinds": {"level": found, "texture": dict(found)}},
            "deletion_minus_random": value(muted, 0.02),
            "insertion_minus_random": value(0.07, 0.01),
            "stability": value(0.84, 0.02), "cell_seconds": 3.0,
            "seconds": {"mean": rising, "low": [share - 0.01 for share in rising],
                        "high": [share + 0.01 for share in rising]},
            "sanity": {"clips": 13, "correlation": value(shuffled, 0.15),
                       "claims": {"share": value(0.0, 0)},
                       "claims_trained": {"share": value(0.33, 0.25)}},
            "recovery": {"strongest": value(recovery, 0.06), "top1": value(0.25, 0.11),
                         "top1_by_chance": 0.16,
                         "causes": {"low_end": value(0.47, 0.1, clips=18), "riser": None,
                                    "hat_rolls": value(0.65, 0.13, clips=16)}},
            "four": {"popular": f"- The answer is 0.91.\n- {CLAIM} (agreed in 10 of 10 runs). "
                                "Occlusion says the same.\n- Low mids speak against popularity."}}


def with_parity(node, odd):
    """The same, every number shown ending in an even digit (odd 0) or an odd one (odd 1)."""
    if isinstance(node, dict):
        return {key: with_parity(part, odd) for key, part in node.items()}
    if isinstance(node, list):
        return [with_parity(part, odd) for part in node]
    if isinstance(node, float):
        return (2 * round(50 * node) + odd) / 100
    return node - node % 2 + odd if isinstance(node, int) else node  # a text, or nothing


def changed(made, ends):
    """Return results with other intervals, by path, such as "models.rnn.auc"."""
    for path, (low, high) in ends.items():
        *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        node = reduce(getitem, keys, made)
        node[last] = (node[last] or {}) | {"mean": (low + high) / 2, "low": low, "high": high}
    return made


def with_auc(low, high, models=MODELS, made=None):
    """Return results with another AUC of some models."""
    return changed(made or results(), {f"models.{name}.auc": (low, high) for name in models})


FMA = {"tracks": 910, "features": {"auc": value(0.66, 0.06)}}


def write(folder, synthetic=None, liked=None, large=None, explained=None, fma=FMA):
    for name, content in (("synthetic", synthetic), ("liked_songs", liked),
                          ("synthetic-4000", large), ("explanations", explained),
                          ("fma_hiphop", fma)):
        default = explanations() if name == "explanations" else results()
        path = folder / "notebooks" / "results" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content or default))


def small_figure(path):
    """A figure of the shape of the real one."""
    width, height = struct.unpack(">II", (ROOT / path).read_bytes()[16:24])
    return np.zeros((round(300 * height / width), 300))


@pytest.fixture
def folder(tmp_path):
    """A folder with the source, small figures and results."""
    (tmp_path / SOURCE).write_bytes((ROOT / SOURCE).read_bytes())
    shutil.copytree(ROOT / PARTS, tmp_path / PARTS)
    (tmp_path / "images").mkdir()
    for name in _needed_files(ROOT / SOURCE):
        if name.startswith("images/"):
            plt.imsave(tmp_path / name, small_figure(name))
    write(tmp_path)
    return tmp_path


def slides(folder):
    """Text of every slide."""
    found = typst.query(folder / SOURCE, "<slide>", font_paths=[FONTS])
    joined = (" ".join(" ".join(texts(slide)).split()) for slide in json.loads(found))
    return [re.sub(r" (?=[.,:;)?])|(?<=\() ", "", text) for text in joined]


def slide_of(folder, start):
    return next(slide for slide in slides(folder) if slide.startswith(start))


def texts(node):
    if isinstance(node, dict):
        for key, part in node.items():
            yield from [part] if key == "text" and isinstance(part, str) else texts(part)
    elif isinstance(node, list):
        for part in node:
            yield from texts(part)


def pages(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


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
    """Pages of which something reaches into the margin left, right or between text and footer."""
    pngs = typst.compile(folder / SOURCE, font_paths=[FONTS], ignore_system_fonts=True,
                         format="png", ppi=36)  # half a pixel a point
    found = []
    for number, png in enumerate(pngs, 1):
        page = plt.imread(io.BytesIO(png))[..., :3]
        page = np.abs(page - page[0, 0]).max(axis=2) > 0.05
        if page[:, :24].any() or page[:, -25:].any() or page[246:251].any():
            found.append(number)
    return found


def test_every_slide_is_one_page_in_the_figures_typeface(folder):
    pdf = make_presentation(folder).read_bytes()
    assert pages(pdf) == len(slides(folder))
    assert b"DejaVuSans" in pdf and b"Libertinus" not in pdf and b"Mono" not in pdf
    assert make_presentation(folder).read_bytes() == pdf


def test_ten_topics_in_their_order_then_the_appendix(folder):
    text = slides(folder)
    starts = [
        "HipHopPopularity Which of my", "Ten songs are finished", "The data", "Real hip-hop",
        "From sound to pict",
        "What “popular” means", "Three of five models", "Three of ten", "What the RNN listens to",
        "How far to trust it", "Recommendation", "Next steps",
        "Appendix", "Why we hold artists out", "Can its percentages", "Explanations find",
        "What a map names first", "The strongest cause", "Real recordings", "Real recordings",
        "How many tracks", "Every model"]
    assert [start for start, slide in zip(starts, text) if not slide.startswith(start)] == []
    assert len(text) == len(starts)
    command = "python -m hiphoplib score FOLDER --model models/synthetic --out report.html"
    assert command in text[starts.index("Next steps")]


def mixed():
    return changed(results(), {
        "models.cnn1.auc": (0.501, 0.6), "paired.cnn1-rnn.auc": (0.01, 0.1),
        "models.mlp.auc": (0.3, 0.48), "paired.mlp-rnn.auc": (-0.2, -0.01),
        "models.cnn2.auc": (0.48, 0.6), "paired.cnn2-rnn.auc": (-0.05, 0.1),
        "models.musicnn.auc": (0.48, 0.61), "paired.musicnn-rnn.auc": (-0.1, 0.1)})


def everywhere(low, high):
    return changed(with_auc(low, high), {f"models.{name}.within_genre": (low, high)
                                         for name in MODELS})


def every_model():
    """Every model, the one with the longest name ahead, and sentences as long as they get."""
    made = results(EVERY_MODEL)
    made |= {"splits": splits(models=[name for name in EVERY_MODEL if name not in NEVER
                                      or name == "artist_mean"]),
             "power": power_curve((None, None), ("musicnn", "crnn", "stack"))}
    made["corpus"] |= {"tracks": 123_456, "artists": 98_765}
    with_auc(0.3, 0.48, ["mlp", "cnn1", "cnn2"], made)
    with_auc(0.48, 0.501, ["crnn", "musicnn", "stack"], made)
    return changed(made, {
        "paired.mlp-rnn.auc": (-0.2, -0.1), "paired.cnn1-rnn.auc": (-0.2, -0.1),
        "paired.cnn2-rnn.auc": (-0.2, -0.1), "paired.handcrafted-rnn.auc": (0.1, 0.2),
        "paired.stack_metadata-rnn.auc": (0.1, 0.2),
        "models.stack_metadata.auc": (0.501, 0.9),
        "splits.models.handcrafted.random-artist": (-0.1, -0.001),
        "splits.models.artist_identification.random-artist": (-0.2, -0.001),
        "splits.models.musicnn.random-artist": (-0.3, -0.001),
        "models.stack_metadata.within_artist": (0.499, 0.501),
        "models.musicnn.within_genre": (0.4, 0.6),
        **{f"models.stack_metadata.precision_at_k.{row}.lift": (0.9, 1.001)
           for row in (1, 2, 3)}})


def other(part, **more):
    """Return results with something else in one part."""
    made = results()
    return made | {part: made[part] | more}


def long_explanations():
    """Nothing holds, and it is said at length."""
    made = explanations(0.5, 0.0, 0.2)
    made["seconds"]["low"] = [0.0] * 8
    for kind in made["planted"]["kinds"].values():
        kind["top1"] = kind["top1_lime_default"] = value(0.55, 0.45)
    made["recovery"]["causes"] = {name: value(0.55, 0.1) for name in CAUSES}
    made["four"]["popular"] = ("- The answer.\n- Vocals and snare from 21 to 30 s speak against "
                               "popularity (agreed in 10 of 10 runs).")
    return made


@pytest.mark.parametrize("made, explained", [
    (mixed(), None), (everywhere(0.45, 0.6), long_explanations()),
    (everywhere(0.2, 0.4), explanations(0.3, -0.06, -0.4)),
    (everywhere(0.9, 0.99), explanations(0.95, 0.3, 0.9)),
    (other("protocol", folds=0, seeds=[0], test_tracks=1617, split="random"), None),
    (every_model(), long_explanations()), (other("models", something_else=model(0.9)), None),
    (other("models", **{name: model(mean) | {"within_artist": None, "within_genre": None}
                        for name, mean in MODELS.items()}), None)],
    ids=["mixed", "nothing", "worse", "all", "one split", "every model", "unknown model",
         "nothing within"])
def test_no_slide_overflows_whatever_comes_out(folder, made, explained):
    write(folder, made, made, made, explained)
    pdf = make_presentation(folder).read_bytes()
    assert pages(pdf) == len(slides(folder))
    assert spills(folder) == []
    assert min(sizes(pdf)) >= 13


@pytest.mark.parametrize("odd", [0, 1])
def test_no_number_is_typed(folder, odd):
    made = with_parity(results(), odd)
    made["protocol"]["threshold"], made["made"] = 44.6 + odd / 10, f"202{6 + odd}-1{odd}-2{odd}"
    write(folder, made, made, made, with_parity(explanations(), odd), with_parity(FMA, odd))
    text = " ".join(slides(folder)).replace("CNN 1", "").replace("CNN 2", "")
    text = re.sub(r"[\d.]+ to [\d.]+ s\b", "", text)  # a place in a song: times three seconds
    for method in ("95 %", "guessing has 50 %", "2017, CC BY 4.0", "0.50 is guessing",
                   "1.00 is perfect", "above 0.50", "pass 0.60",
                   "guessing is 0.50", "0.50 is chance", "1.00 always"):
        assert method in text
        text = text.replace(method, "")
    numbers = re.findall(r"\d+(?:[.,]\d+)*", text)
    assert len(numbers) > 150
    assert {int(number[-1]) % 2 for number in numbers} == {odd}


@pytest.mark.parametrize("corpus", ["synthetic", "liked"])
def test_a_changed_result_is_shown(folder, corpus):
    made = changed(other("corpus", tracks=98_765), {"models.rnn.auc": (0.5432, 0.7954)})
    text = told(folder, **{corpus: made})
    assert "0.67" in text and "0.54 to 0.80" in text and "98,765" in text


def told(folder, synthetic=None, liked=None, large=None, explained=None):
    """Text of all slides."""
    write(folder, synthetic, liked, large, explained)
    return " ".join(slides(folder))


def test_verdict_follows_the_intervals(folder):
    text = told(folder, mixed(), everywhere(0.45, 0.6))
    assert "CNN 1 and the RNN rank better than guessing" in text
    assert "For CNN 2, that is not shown." in text
    assert "The MLP ranks worse than guessing." in text
    assert "(Judged before rounding.)" in text
    assert "No model is shown to rank better than guessing" in text


@pytest.mark.parametrize("above, title", [
    (["mlp", "cnn1", "cnn2", "rnn"], "Four of five models rank better than guessing"),
    (["rnn"], "One of five models ranks better than guessing"),
    ([], "Five models: none is shown to beat guessing")])
def test_what_five_models_reached_is_counted(folder, above, title):
    made = with_auc(0.45, 0.6, ["mlp", "cnn1", "cnn2", "rnn"])
    assert title in told(folder, with_auc(0.51, 0.6, above, made))


def test_the_stack_is_spoken_of_whatever_came_out(folder):
    made = changed(with_auc(0.9, 0.99, {*NEVER, "mlp"}, results(EVERY_MODEL)),
                   {f"paired.{name}-rnn.auc": (0.3, 0.4) for name in NEVER})
    text = told(folder, made, made)
    assert "63 times on synthetic music (the stack)" in text
    for sentence in ("The dummy", "Dummy rank", "upper bound rank", "mean rank"):
        assert sentence not in text
    assert "64 times on synthetic music (the RNN)" in told(folder, results(), results())


@pytest.mark.parametrize("ends, title", [
    ([(1.1, 1.4)] * 4, "better than a blind pick"),
    ([(0.6, 0.9)] * 4, "worse than a blind pick"),
    ([(0.9, 1.4)] * 4, "a blind pick may be as good"),
    ([(0.9, 1.4)] * 3 + [(1.1, 1.4)], "not always better than blind"),
    ([(1.1, 1.4)] * 2 + [(0.9, 1.4)] * 2, "a blind pick may be as good")])  # of one, not of three
def test_three_of_ten_follow_the_lifts(folder, ends, title):
    text = told(folder, changed(results(), {
        "models.rnn.precision_at_k.2.hit_share": (0.33, 0.41),
        **{f"models.rnn.precision_at_k.{row}.lift": ends[row] for row in range(4)}}))
    assert f"Three of ten: {title}" in text
    ours, elsewhere = re.findall(r"Where \d.*?(?=Where \d|The RNN’s)", text)
    assert ours.startswith("Where 51 % of all songs") and "Blind 51 %" in ours
    assert "RNN 33 to 41 % 37 %" in ours
    assert "Blind 20 %" in elsewhere
    assert "Still, 63 % of them are no hit." in text


def test_the_rnn_is_shown_once_where_there_is_no_stack(folder):
    write(folder, with_auc(0.8, 0.9, ["musicnn"]))
    precision_at_k = slide_of(folder, "Three of ten")
    assert precision_at_k.count("RNN 59 to 69 %") == 2 and "musicnn" not in precision_at_k


def test_what_the_rnn_listens_to(folder):
    text = told(folder)
    assert f"Here: {CLAIM}." in text
    assert "40 % of its weight lies in 21 to 24 s." in text
    made = explanations()
    made["seconds"]["low"] = [0.1] * 8
    made["four"]["popular"] = "- The answer.\n- No part of the clip can be claimed."
    text = told(folder, explained=made)
    assert "Here: No part of the clip can be claimed." in text
    assert "no stretch of a song is shown to weigh more than others" in text


GOOD, BAD, WORSE = (0.55, 0.7), (0.45, 0.6), (0.3, 0.45)


@pytest.mark.parametrize("ends, title, verdicts", [
    ([GOOD] * 4, "better than guessing", ["better"] * 4),
    ([BAD] * 4, "not shown to beat guessing", ["not shown"] * 4),
    ([GOOD, BAD, WORSE, GOOD], "not in every test", ["better", "not shown", "worse", "better"]),
    ([GOOD, None, GOOD, None], "better than guessing", ["better", "", "better", ""]),
    ([GOOD, None, BAD, None], "not in every test", ["better", "", "not shown", ""])])
def test_trust_follows_each_test_of_the_rnn(folder, ends, title, verdicts):
    synthetic, liked = results(), results()
    for (made, what), interval in zip(((synthetic, "auc"), (synthetic, "within_artist"),
                                       (liked, "auc"), (liked, "within_genre")), ends):
        if interval:
            changed(made, {f"models.rnn.{what}": interval})
        else:
            for each in made["models"].values():
                each[what] = None
    write(folder, synthetic, liked)
    trust = slide_of(folder, "How far to trust it")
    assert f"How far to trust it: {title}" in trust
    rows = re.findall(r"it never heard (.*) Songs of one artist, as yours are (.*) "
                      r"Real recordings, liked or not (.*) … of one genre, as yours are (.*?)"
                      r"(?= Songs of one| Invented)", trust)[0]
    for row, interval, verdict in zip(rows, ends, verdicts):
        if interval:
            low, high = interval
            assert row == f"{(low + high) / 2:.2f} {low:.2f} to {high:.2f} {verdict}".replace(
                "0.62", "0.63")  # 0.625: away from zero, as Typst rounds
        else:
            assert row == "too few songs to say"


CLAIMS = {  # by file and estimate: where its interval may lie, and what is said then
    ("synthetic", "models.rnn.precision_at_k.2.lift"): [
        ((1.1, 1.3), ["(1.10 to 1.30): more than blind"]),
        ((0.9, 1.1), ["(0.90 to 1.10): not shown to be more"]),
        ((0.7, 0.9), ["(0.70 to 0.90): fewer than blind"])],
    ("synthetic", "models.rnn.brier_skill"): [
        ((0.01, 0.1), ["The RNN is closer to the truth than always saying the same, 51 %",
                       "(1 to 10 %)"]),
        ((-0.1, 0.1), ["The RNN is not shown to be closer to the truth", "(−10 to 10 %)"]),
        ((-0.1, -0.01), ["The RNN is further from the truth", "(−10 to −1 %)"])],
    ("large", "splits.models.musicnn.random-artist"): [
        ((0.01, 0.05), ["Tested at random, musicnn seems better than it is. No "
                        "significant gap for logistic regression and artist identification."]),
        ((-0.01, 0.01), ["no significant gap lies between the two tests"]),
        ((-0.05, -0.01), ["musicnn seems worse, and none better."])],
    ("liked", "models.musicnn.within_genre"): [  # and to the AUC, 0.6 to 0.7
        ((0.51, 0.59), ["Part of the score is genre", "musicnn still ranks better than guessing"]),
        ((0.45, 0.59), ["Part of the score is genre", "musicnn is not shown to beat guessing"]),
        ((0.4, 0.45), ["Part of the score is genre", "musicnn ranks worse than guessing"]),
        ((0.55, 0.62), ["How much genre adds cannot be told", "musicnn still ranks better"]),
        ((0.8, 0.9), ["Genre does not help here", "musicnn still ranks better"])],
    ("explained", "deletion_minus_random"): [
        ((0.04, 0.08), ["name what its answer hangs on (muted, the answer falls by 6 points more "
                        "than at random; 4 to 8)", "falls further than with random parts",
                        "What a map names first moves the answer most"]),
        ((-0.01, 0.03), ["are not shown to name what its answer hangs on (muted, the answer falls "
                         "by 1 point more than", "no further than with random parts, as",
                         "Does a map name what moves the answer? Open"]),
        ((-0.08, -0.04), ["name what its answer does not hang on (muted, the answer falls by −6 "
                          "points", "falls less than with random parts",
                          "What a map names first moves the answer less"])],
    ("explained", "recovery.strongest"): [
        ((0.84, 0.96), ["the strongest cause that we hid is found (0.90; 0.84 to 0.96",
                        "The strongest cause in a beat: found Cause"]),
        ((0.52, 0.64), ["the strongest cause that we hid is found only weakly",
                        "The strongest cause in a beat: found only weakly"]),
        ((0.47, 0.59), ["the strongest cause that we hid is not shown to be found",
                        "The strongest cause in a beat: not shown to be found"]),
        ((0.34, 0.46), ["the strongest cause that we hid is missed",
                        "The strongest cause in a beat: missed"])],
    ("explained", "sanity.correlation"): [
        ((0.02, 0.32), ["Its new map is still like the old one"]),
        ((-0.15, 0.15), ["Its new map is not shown to be like the old one (correlation 0.00; −0.15 "
                         "to 0.15)"]),
        ((-0.32, -0.02), ["Its new map is the reverse of the old one"])],
    ("explained", "planted.kinds.texture.top1_lime_default"): [  # to 91 to 99 %
        ((0.8, 0.88), ["(80 to 88 %). Ours is better."]),
        ((0.9, 0.96), ["(90 to 96 %). Which is better is not shown."]),
        ((0.995, 1), ["(100 to 100 %). The usual one is better."])]}


@pytest.mark.parametrize("turn", range(5))
def test_every_sentence_follows_its_own_interval(folder, turn):
    made = {"synthetic": results(), "liked": results(), "explained": explanations(),
            "large": results() | {"splits": splits(gap=0)}}
    sentences = []
    for number, ((file, path), states) in enumerate(CLAIMS.items()):
        ends, said = states[(turn + number) % len(states)]  # neighbours are not alike
        changed(made[file], {path: ends})
        sentences += said
    text = told(folder, **made)
    assert [sentence for sentence in sentences if sentence not in text] == []


@pytest.mark.parametrize("recoveries, title", [
    ((0.9, 0.8), "Explanations find a cause that we planted"),
    ((0.9, 0.5), "Explanations find some of what we planted"),
    ((0.5, 0.5), "Explanations are not shown to find what we planted")])
def test_planted_causes(folder, recoveries, title):
    made = explanations()
    for kind, recovery in zip(made["planted"]["kinds"].values(), recoveries):
        kind["recovery"] = value(recovery, 0.05)
    text = told(folder, explained=made)
    assert title in text
    assert ("A louder spot: the map names it first in 95 % of 31 clips (91 to 99 %); the usual "
            "method (“LIME with default settings”) in 13 % (1 to 25 %). Ours is better.") in text
    assert "Two runs share 84 % of the three strongest parts (82 to 86 %)." in text
    assert "claimed in 0 % of 13 songs; before, in 33 % (8 to 58 %)" in text


@pytest.mark.parametrize("needed, said", [
    ((251, 2001), "beats guessing from 251 tracks on and passes 0.60 from 2,001 tracks on."),
    ((251, None), "beats guessing from 251 tracks on. Even with 3,623 tracks, it is not shown to "
                  "pass 0.60."),
    ((None, None), "is not shown to beat guessing or to pass 0.60, even with 3,623 tracks.")])
def test_how_many_tracks_it_takes(folder, needed, said):
    text = told(folder, large=results() | {"power": power_curve(needed)})
    assert f"Musicnn {said}" in text and "two collections a size only" in text
    assert power.POWER == 0.8 and "at least four of five test collections" in text


@pytest.mark.parametrize("synthetic", [GOOD, BAD])
@pytest.mark.parametrize("liked", [GOOD, BAD])
def test_recommendation_needs_both_results(folder, synthetic, liked):
    text = told(folder, everywhere(*synthetic), everywhere(*liked))
    assert ("one vote, not the verdict" in text) == (synthetic == liked == GOOD)
    assert ("Do not use it to order your ten songs." in text) != (synthetic == liked == GOOD)
    assert ("a network that may be wrong" in text) == (synthetic == BAD)


def test_synthetic_numbers_carry_the_warning():
    source = (ROOT / SOURCE).read_text()
    parts = re.split(r"^#slide\(", source, flags=re.M)[1:]
    for part in parts:
        if re.search("synthetic|large|explained|images/(?!fma)", part):
            assert "foot: warning" in part


def test_colours_are_those_of_the_figures():
    source = "".join(path.read_text() for path in [ROOT / SOURCE, *(ROOT / PARTS).glob("*.typ")])
    hexes = set(re.findall(r'rgb\("(#\w+)"\)', source))
    assert hexes <= {*report.PALETTE.values(), report.NEUTRAL}
    assert len(hexes) >= 5


def test_what_is_missing_is_named(folder):
    for name in ("images/popularity.png", "notebooks/results/liked_songs.json",
                 "notebooks/results/explanations.json", "images/score_report.png"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(BadInput, match=rf"^{name}: there is no such file.*`make report`.*$"):
            make_presentation(folder)
        (folder / name).write_bytes(content)
    assert not (folder / "Presentation.pdf").exists()
    with pytest.raises(BadInput, match="no such file"):
        make_presentation(folder / "images")


def test_every_figure_and_results_file_is_checked_for(folder):
    shown = set(re.findall(r"[\w/-]+\.(?:png|json)", (ROOT / SOURCE).read_text()))
    assert shown == set(_needed_files(ROOT / SOURCE))
    for part in (ROOT / PARTS).glob("*.typ"):
        assert re.findall(r"\.png|\.json", part.read_text()) == []  # only the source names files


@pytest.mark.parametrize("corpus, keys, said", [
    ("synthetic", ["models"], "synthetic.json lacks models"),
    ("synthetic", ["models", "rnn", "precision_at_k"],
     "synthetic.json lacks precision_at_k of rnn"),
    ("synthetic", ["models", "mlp", "brier_skill"], "synthetic.json lacks brier_skill of mlp"),
    ("synthetic", ["models", "rnn"], "synthetic.json lacks the model rnn"),
    ("large", ["splits"], "synthetic-4000.json lacks splits"),
    ("large", ["power"], "synthetic-4000.json lacks power"),
    ("liked", ["models", "mlp", "within_genre"], "liked_songs.json lacks within_genre of mlp"),
    ("liked", ["models", "musicnn"], "liked_songs.json lacks the model musicnn"),
    ("explained", ["planted"], "explanations.json lacks planted"),
    ("explained", ["recovery"], "explanations.json lacks recovery"),
    ("explained", ["sanity", "correlation"], "correlation")])
def test_stale_results_are_told_in_one_line(folder, corpus, keys, said):
    made = explanations() if corpus == "explained" else results()
    part = made
    for key in keys[:-1]:
        part = part[key]
    del part[keys[-1]]
    write(folder, **{corpus: made})
    with pytest.raises(BadInput, match=f"^[^\n]*cannot be typeset [^\n]*{said}[^\n]*$"):
        make_presentation(folder)


def test_labels_are_those_of_the_figures():
    source = (ROOT / PARTS / "words.typ").read_text()
    labels = re.findall(r'^  (\w+): \("([^"]+)", "', source, re.M)
    assert dict(labels) == {name: label.removesuffix(" on audio features")
                            for name, label in report.MODEL_LABELS.items()}
