"""What README and notebooks show is what the results files hold."""

import re

import nbformat
import pytest

from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.report import sentences as findings
from hiphoplib.report import sentences as wording
from hiphoplib.report import sentences_songs as wording_explain
from hiphoplib.report import sentences_songs as wording_songs
from tests.paths import ROOT

NOTEBOOKS = [ROOT / "HipHopPopularity.ipynb", *sorted((ROOT / "notebooks").glob("*.ipynb"))]


@pytest.mark.parametrize("name", ["synthetic", "synthetic-4000", "synthetic-16168", "liked_songs"])
def test_the_readme_shows_every_number_of_a_results_file(name):
    results = read_results(ROOT / "notebooks" / "results" / f"{name}.json")
    text = (ROOT / "README.md").read_text()
    table = wording.results_table(results)
    for column in ("AUC [95 % interval]", "accuracy [95 % interval]", "AUC by seed"):
        for number in table[column]:
            assert number in text, f"{name}: {number} is not in the README"


def test_the_readme_shows_the_search_of_the_crnn_and_the_kept_one_is_the_best():
    text = (ROOT / "README.md").read_text()
    for variants in read_results(ROOT / "notebooks/results/crnn_search.json")["corpora"].values():
        for found in variants.values():
            assert f"| {found['auc']:.3f} |" in text
        assert max(variants, key=lambda name: variants[name]["auc"]) == "crnn-dropout"


def test_the_rnn_on_mean_frames_is_no_worse_and_the_readme_says_by_how_much():
    results = read_results(ROOT / "notebooks/results/rnn_frames.json")
    difference = results["paired"]["rnn_every_frame-rnn"]["auc"]
    assert difference["low"] < 0  # that every frame is better does not show
    text = " ".join((ROOT / "README.md").read_text().split())
    for found in (difference, *(results["models"][name]["auc"]
                                for name in ("rnn", "rnn_every_frame"))):
        assert wording.estimate(found) in text


@pytest.mark.parametrize("name", ["synthetic-4000", "liked_songs"])
def test_the_readme_says_how_far_the_crnn_is_from_the_rnn(name):
    difference = read_results(ROOT / f"notebooks/results/{name}.json")["paired"]["crnn-rnn"]["auc"]
    said = ", worse" if difference["high"] < 0 else (
        ", better" if difference["low"] > 0 else ", no difference that shows")
    text = " ".join((ROOT / "README.md").read_text().split())
    assert wording.estimate(difference) + said in text


def test_the_bars_of_the_findings_are_met_by_their_intervals():
    liked, large = (read_results(ROOT / f"notebooks/results/{name}.json")
                    for name in ("liked_songs", "synthetic-4000"))
    assert liked["paired"]["musicnn-rnn"]["auc"]["low"] > 0
    shares = {name: model["recovered"]["mean"] for name, model in large["models"].items()}
    assert max(shares[name] for name in wording.candidates(large)) >= 0.8
    assert large["splits"]["models"]["artist_identification"]["random-artist"]["low"] > 0


def test_the_readme_says_what_follows_from_the_results():
    liked, large = (read_results(ROOT / f"notebooks/results/{name}.json")
                    for name in ("liked_songs", "synthetic-4000"))
    said = [findings.power(large), findings.combined(liked), findings.on_all([large, liked]),
            *findings.split_gap(large).split("\n\n- ")[1].split("\n- ")]
    for results in (liked, large):
        best = wording.best_model(results)
        said += [wording.protocol(results), wording.against_rnn(results),
                 wording.recovered(results, best), findings.within_genre(results, best)]
    text = " ".join((ROOT / "README.md").read_text().split())
    for sentence in said:
        assert sentence in text


def test_the_readme_shows_the_search_of_the_head():
    text = (ROOT / "README.md").read_text()
    for heads in read_results(ROOT / "notebooks/results/transfer_search.json")["corpora"].values():
        for found in heads.values():
            assert f"| {found['auc']:.3f} |" in text


EXPLAINED = ["explanations", "explanations_synthetic-4000", "explanations_liked_songs"]


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_readme_says_how_far_explanations_hold(name):
    results = read_results(ROOT / f"notebooks/results/{name}.json")
    text = " ".join((ROOT / "README.md").read_text().split())
    for sentence in (wording_explain.holds(results), wording_explain.where(results),
                     wording_explain.recovery(results)):
        for line in sentence.split("\n"):
            assert line in text
    assert results["command"] in text and results["versions"]["lime"]


def test_explanations_hold_where_there_is_a_bar():
    results = read_results(ROOT / "notebooks/results/explanations.json")
    assert results["corpus"]["name"] == "synthetic" and results["model"] == "rnn"
    for kind in results["planted"]["kinds"].values():
        assert kind["recovery"]["mean"] >= 0.9 and kind["top1"]["mean"] >= 0.8
    assert results["deletion_minus_random"]["low"] > 0
    assert results["sanity"]["correlation"]["mean"] < 0.3
    assert results["sanity"]["claims"]["cells"]["mean"] < results["sanity"]["claims_trained"][
        "cells"]["mean"]
    text = " ".join((ROOT / "README.md").read_text().split())
    for line in wording_explain.planted(results).split("\n"):
        assert line in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_executed_in_order_clean_and_small(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(len(cell.source.splitlines()) <= 12 for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs
                if output.output_type == "error" or output.get("name") == "stderr"]
    assert path.stat().st_size < 3e6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_warn_where_the_corpus_is_synthetic(path):
    cells = nbformat.read(path, 4).cells
    shown = [str(output.get("data", "")) for cell in cells for output in cell.get("outputs", [])]
    text = " ".join(" ".join([cell.source for cell in cells] + shown).split())
    assert "never what makes a hit" in text


def test_results_name_what_made_them():
    paths = (ROOT / "notebooks" / "results").glob("*.json")
    for path in (path for path in paths if path.stem.split("_")[0] != "explanations"
                 and path.stem not in ("bench", "crnn_search", "rnn_frames", "scoring",
                                       "summary_rap_2020", "transfer_search")):
        results = read_results(path)
        assert {"corpus", "protocol", "models", "paired", "versions", "made", "command"} <= set(
            results)
        assert results["corpus"]["fingerprint"].startswith("sha256:") and results["command"]


def test_the_client_is_told_how_good_the_models_are():
    text = " ".join((ROOT / "README.md").read_text().split())
    for name, model in (("liked_songs", None), ("synthetic-4000", None), ("synthetic", "crnn")):
        results = read_results(ROOT / f"notebooks/results/{name}.json")
        assert wording_songs.in_a_hundred(results, model) in text


def test_the_readme_speaks_to_its_three_readers_in_order():
    text = (ROOT / "README.md").read_text()
    places = [text.index(f"\n## For the {reader}") for reader in (
        "client", "analyst", "next developer")]
    assert places == sorted(places)
    for picture in re.findall(r'(?:src="|\]\()(images/[^")]+)', text):
        assert (ROOT / picture).is_file(), picture
