"""What README and notebooks show is what the results files hold."""

import re

import nbformat
import pytest

from hiphoplib.evaluation.bootstrap import Estimate, verdict
from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.report.sentences import results_table
from hiphoplib.report.style import label_of
from tests.paths import ROOT

NOTEBOOKS = [ROOT / "HipHopPopularity.ipynb", *sorted((ROOT / "notebooks").glob("*.ipynb"))]
RESULTS = ROOT / "notebooks" / "results"
README = (ROOT / "README.md").read_text()
PROSE = " ".join(README.split())


def results_of(name):
    return read_results(RESULTS / f"{name}.json")


def estimates(node):
    """Every value with its interval in a results file."""
    if isinstance(node, dict) and isinstance(node.get("mean"), float):
        yield Estimate.read(node)
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from estimates(part)


def test_every_interval_in_the_readme_is_in_a_results_file():
    text = re.sub("<!-- bench -->.*<!-- /bench -->", "", PROSE)
    written = set(re.findall(r"(?:[-+]?[\d.]+%? \[[-\d.]+%?, [-\d.]+%?\])", text))
    known = set()
    for path in RESULTS.glob("*.json"):
        for each in estimates(read_results(path)):
            known |= {f"{each:{spec}}" for spec in (".3f", ".2f", ".0%")}
            known.add(f"{each:.0%}".replace("%", ""))
    assert len(written) > 250 and written - known == set()


@pytest.mark.parametrize("name", ["synthetic", "synthetic-16168", "liked_songs"])
def test_the_readme_shows_every_row_of_a_results_file(name):
    table = results_table(results_of(name))
    for model, row in table.iterrows():
        assert f"| {model} | {' | '.join(row)} |" in README


def test_the_readme_shows_the_splits_and_artist_identification_gains_at_random():
    models = results_of("synthetic-4000")["splits"]["models"]
    assert models["artist_identification"]["random-artist"]["low"] > 0
    for name, of in models.items():
        shown = ["n/a" if of[split]["low"] == of[split]["high"] else f"{Estimate.read(of[split])}"
                 for split in ("artist", "time", "random", "random-artist")]
        assert f"| {label_of(name)} | {' | '.join(shown)} |" in README


def test_the_readme_shows_what_eight_features_of_real_hip_hop_say():
    found = results_of("fma_hiphop")
    assert found["features"]["auc"]["low"] > 0.5 > found["baseline"]["auc"]["low"]
    for of in (found["features"], found["baseline"]):
        assert f"{Estimate.read(of['auc'])} | {Estimate.read(of['spearman'])} |" in README


@pytest.mark.parametrize("name", ["explanations", "explanations_synthetic-4000",
                                  "explanations_liked_songs"])
def test_the_readme_says_how_explanations_were_measured(name):
    results = results_of(name)
    assert results["command"] in PROSE and results["versions"]["lime"]
    for way in ("deletion", "insertion"):
        assert f"in random order by {Estimate.read(results[f'{way}_minus_random'])}" in PROSE
    if "recovery" in results:
        strongest = results["recovery"]["strongest"]
        how = verdict(strongest, "better than chance", "worse than chance",
                      "no better than chance, as far as can be told", 0.5)
        assert f"{how}: ROC-AUC {Estimate.read(strongest):.2f}" in PROSE


def test_explanations_hold_where_there_is_a_bar():
    results = results_of("explanations")
    assert results["corpus"]["name"] == "synthetic" and results["model"] == "rnn"
    for kind in results["planted"]["kinds"].values():
        assert kind["recovery"]["mean"] >= 0.9 and kind["top1"]["mean"] >= 0.8
    assert results["deletion_minus_random"]["low"] > 0
    assert results["sanity"]["correlation"]["mean"] < 0.3
    assert results["sanity"]["claims"]["cells"]["mean"] < results["sanity"]["claims_trained"][
        "cells"]["mean"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_executed_in_order_clean_and_small(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(len(cell.source.splitlines()) <= 25 for cell in cells)
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
    others = ("bench", "fma_hiphop", "scoring", "stack", "summary_rap_2020",
              "training_choices")
    for path in (path for path in RESULTS.glob("*.json") if path.stem not in others
                 and path.stem.split("_")[0] != "explanations"):
        results = read_results(path)
        assert {"corpus", "protocol", "models", "paired", "versions", "made", "command"} <= set(
            results)
        assert results["corpus"]["fingerprint"].startswith("sha256:") and results["command"]


def test_the_client_is_told_how_good_models_chosen_beforehand_are():
    liked, own = (results_of(name)["models"] for name in ("liked_songs", "synthetic"))
    for auc, tracks in ((results_of("fma_hiphop")["features"]["auc"], "910 real hip-hop tracks"),
                        (liked["stack"]["auc"], "400 real recordings"),
                        (results_of("synthetic-4000")["splits"]["models"]["stack"]["artist"],
                         "3,623 synthetic tracks"), (own["crnn"]["auc"], "548 synthetic tracks")):
        in_a_hundred = f"{Estimate.read(auc):.0%}".replace("%", "")
        [row] = [line for line in README.splitlines() if line.startswith(f"| {tracks}")]
        assert row.endswith(f"| {in_a_hundred} |")


def test_the_readme_speaks_to_its_three_readers_in_order():
    places = [README.index(f"\n## For the {reader}") for reader in (
        "client", "analyst", "next developer")]
    assert places == sorted(places)
    for picture in re.findall(r'(?:src="|\]\()(images/[^")]+)', README):
        assert (ROOT / picture).is_file(), picture
