"""What is claimed of a finding follows from its interval."""

import pandas as pd
import pytest

from hiphoplib.report import sentences as wording

ABOVE, BELOW, AROUND = (0.01, 0.05, 0.09), (-0.09, -0.05, -0.01), (-0.02, 0.03, 0.08)


def metric(low, mean, high, **more):
    return {"mean": mean, "low": low, "high": high, "by_seed": [mean]} | more


def lifted(by):
    return metric(*(0.5 + end for end in by))


def model(auc=AROUND, skill=AROUND, within=None, genre=None, lift=AROUND):
    precision_at_k = [{"n": 10, "k": k, "base": base, "hit_share": metric(0.4, 0.5, 0.6),
              "lift": metric(*(1 + end for end in lift))} for k in (1, 3) for base in (None, 0.2)]
    return {
        "auc": lifted(auc),
        "accuracy": lifted(auc),
        "brier_skill": metric(*skill),
        "within_artist": within and lifted(within) | {"artists": 7},
        "within_genre": genre and lifted(genre) | {"genres": 4},
        "precision_at_k": precision_at_k,
    }


def results(name="x", kind="plays", paired=None, **models):
    return {"corpus": {"name": name, "tracks": 400, "artists": 300, "popularity_kind": kind},
            "protocol": {"positive_share": 0.5}, "models": models,
            "paired": {pair: {"auc": metric(*gap)} for pair, gap in (paired or {}).items()}}


@pytest.mark.parametrize("by, said", [(ABOVE, "better than chance"), (AROUND, "cannot be told"),
                                      (BELOW, "worse than chance"), (None, "nothing can be said")])
def test_within_artists(by, said):
    assert said in wording.within_artist(results(rnn=model(within=by)), "rnn")


def test_within_genres_is_told_where_there_are_genres():
    assert "4 genres" in wording.within_genre(results(rnn=model(genre=ABOVE)), "rnn")
    assert wording.within_genre(results(rnn=model()), "rnn") == ""


@pytest.mark.parametrize("lift, said", [(ABOVE, None), (AROUND, "may be as good"),
                                        (BELOW, "worse than a blind pick")])
def test_the_sieve(lift, said):
    told = wording.precision_at_k(results(rnn=model(lift=lift)), "rnn")
    assert "Where 50%" in told and "Where 20%" in told
    assert (said in told) if said else ("blind" not in told)


@pytest.mark.parametrize("by, said", [(ABOVE, "say more"), (AROUND, "cannot be told"),
                                      (BELOW, "worse than the base rate")])
def test_probabilities(by, said):
    assert said in wording.probabilities(results(rnn=model(skill=by)), "rnn")


@pytest.mark.parametrize("by, said", [(ABOVE, "adds to the sound"), (BELOW, "takes from"),
                                      (AROUND, "does not show to add")])
def test_context(by, said):
    models = {name: model() for name in ("metadata", "ensemble", "ensemble_metadata")}
    told = results(paired={"ensemble_metadata-ensemble": by}, **models)
    assert said in wording.context(told)
    del told["models"]["ensemble_metadata"], told["paired"]["ensemble_metadata-ensemble"]
    assert "need the transferred features" in wording.context(told)


@pytest.mark.parametrize("by, said", [(ABOVE, "beats"), (BELOW, "is beaten by"),
                                      (AROUND, "cannot be told from")])
def test_what_is_combined(by, said):
    assert f"{said} the CRNN" in wording.combined(results(paired={"ensemble-crnn": by}))
    assert wording.combined(results()) == ""


@pytest.mark.parametrize("by, said", [(ABOVE, "is inflated"), (BELOW, "is lower"),
                                      (AROUND, "shows no difference")])
def test_the_gap_between_splits(by, said):
    told = results() | {"splits": {"known": {"artist": 0.0, "random": 0.4}, "models": {
        "crnn": {"random-artist": metric(*by)}}}}
    assert said in wording.split_gap(told)
    assert ("0% where artists are held out, 40% where tracks are drawn at random"
            in wording.split_gap(told))
    assert wording.split_gap(results()) == ""


def test_power_and_label_tell_what_was_found_and_no_more():
    told = results() | {"power": {"needed": {"crnn": {"0.5": 500, "0.6": None}}},
                        "label": {"versions": None, "age": None}}
    assert "excludes 0.5 from 500 tracks on" in wording.power(told)
    assert "does not exclude 0.6 at 400 tracks" in wording.power(told)
    assert wording.power(results()) == wording.label(told["label"]) == ""


def test_on_real_music_names_every_corpus_and_claims_what_holds_on_all():
    one = results("synthetic", paired={"musicnn-rnn": ABOVE, "crnn-rnn": ABOVE},
                  rnn=model(ABOVE), crnn=model(ABOVE), musicnn=model(ABOVE),
                  upper_bound=model(ABOVE))
    other = results("mine", "# <b>loved</b>", paired={"musicnn-rnn": ABOVE, "crnn-rnn": AROUND},
                    rnn=model(AROUND), crnn=model(ABOVE), musicnn=model(ABOVE))
    told = wording.corpora([one, other])
    assert "**synthetic**" in told and "**mine**" in told
    assert "<b>" not in told and "bloved/b" in told
    assert wording.on_all([one, other]) == (
        "On every corpus above chance: CRNN, Transfer. On every corpus better than the RNN: "
        "Transfer.")
    table = wording.corpora_table([one, other])
    assert isinstance(table, pd.DataFrame) and list(table.columns) == ["synthetic", "mine"]
    assert table.loc["Oracle", "mine"] == "–"


@pytest.mark.parametrize("by, said", [(ABOVE, "Older tracks are more"), (AROUND, "does not show"),
                                      (BELOW, "Newer tracks are more")])
def test_what_the_label_is_worth(by, said):
    versions = {"recordings": 12, "apart": metric(0.1, 0.3, 0.5), "apart_by_chance": 0.5,
                "ceiling": metric(0.7, 0.8, 0.9)}
    told = {"versions": versions, "age": {"spearman": metric(*by)}}
    assert said in wording.label(told)
    assert "30% [10%, 50%]" in wording.label(told) and "AUC 0.800" in wording.label(told)
    apart = wording.label({"versions": versions | {"ceiling": None}, "age": None})
    assert "AUC" not in apart and "no better than strangers" in apart
