"""What the client's report says, and that it never says more than the numbers carry."""

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from hiphoplib.audio.windows import stretch
from hiphoplib.errors import BadInput
from hiphoplib.explanation.segments import SegmentGrid
from hiphoplib.explanation.swap_test import Part
from hiphoplib.report import song_page
from hiphoplib.report.sentences import BANNER, right_orders
from hiphoplib.report.song_page import Passage, _page, find_passages, write_report
from hiphoplib.report.style import clock
from hiphoplib.scoring.backtest import BackTest
from hiphoplib.scoring.score import STANDS_OUT, Scored, displayable
from hiphoplib.tracks.synthetic.corpus import CAVEAT
from tests.scored_songs import (
    HOSTILE,
    ORDER,
    SONGS,
    estimate,
    invented,
    report_of,
    scored_folder,
    trained_model,
    with_card,
)


@pytest.fixture(scope="module")
def model(trained):
    """Learnt from noise in a folder, so not synthetic by its card."""
    return trained_model(trained)


@pytest.fixture(scope="module")
def scored(trained):
    return scored_folder(trained)


@pytest.fixture(scope="module")
def report(trained):
    return report_of(trained)


@pytest.fixture
def ranked(model):
    """Function: what the report says of songs with these scores, one by one of none of them."""

    def make(levels, own_model=model, **options):
        return text(_page(invented(own_model, levels, **options), details=0))

    return make


def text(html):
    """What a reader reads, without pictures: every run of blanks is one."""
    body = re.sub("<(style|script)>.*?</\\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]*>", " ", body)).split())


def section(html, heading):
    """Text of the part with this heading."""
    parts = map(
        text, re.findall("<(?:section|details).*?</(?:section|details)>", html, flags=re.DOTALL)
    )
    return next(part for part in parts if part.startswith(heading))


# what the model is


def test_a_synthetic_model_and_no_other_carries_the_banner(model):
    for synthetic in (True, False):
        html = _page(invented(with_card(model, synthetic=synthetic), [0.6, 0.4]), details=0)
        assert (BANNER in text(html)) == synthetic == (CAVEAT in text(html))
        assert text(html).count("Demonstration, no verdict") == 2 * synthetic  # on every card
        if synthetic:  # before any score
            assert text(html).index(BANNER) < text(html).index("60%")


def test_a_demonstration_gives_no_advice(scored, report):
    assert "as the preview" not in text(report) and "Best 30 seconds" in text(report)
    real = replace(scored, model=with_card(scored.model, synthetic=False))
    assert "as the preview" in text(_page(real, details=1, audio=False))


def test_the_limits_are_told_in_the_models_own_numbers(model):
    lifts = [(1, None, (9.1, 9.0, 9.2)), (3, 0.2, (8.1, 8.0, 8.2)), (3, None, (1.21, 1.07, 1.36))]
    results = {
        "auc": estimate(0.613, 0.562, 0.668),
        "within_artist": estimate(0.571, 0.512, 0.633, artists=37),
        "precision_at_k": [
            {"n": 10, "k": k, "base": base, "lift": estimate(*lift)} for k, base, lift in lifts
        ],
    }
    card = {
        "results": model.card["results"] | results,
        "corpus": {
            "name": "my corpus",
            "tracks": 4321,
            "artists": 1234,
            "popularity_kind": "plays in a week",
            "fingerprint": "",
        },
        "protocol": model.card["protocol"] | {"test_tracks": 987},
    }
    said = section(_page(invented(with_card(model, **card), [0.5]), details=0), "What this model")
    for number in (
        "AUC 0.613 [0.562, 0.668]",
        "987 tracks",
        "split by artist",
        "AUC 0.571 [0.512, 0.633], 37 artists",
        "best 3 of 10",
        "1.21 [1.07, 1.36] times the hits",
        "4,321 tracks by 1,234 artists",
        "“my corpus”",
        "plays in a week",
    ):
        assert number in said
    assert "9.1" not in said and "8.1" not in said


@pytest.mark.parametrize(
    "within, number", [(estimate(0.571, 0.512, 0.633, artists=37), "57"), (None, "61")]
)
def test_one_plain_number_says_how_good_it_is(model, within, number):
    results = model.card["results"] | {"auc": estimate(0.613, 0.56, 0.67), "within_artist": within}
    said = section(_page(invented(with_card(model, results=results), [0.5]), details=0), "How good")
    assert re.findall(r"\d+", said) == [number, "100", "50"]
    assert ("one artist" in said) == bool(within) and "luck" not in said
    results["within_artist"] = estimate(0.53, 0.45, 0.61, artists=9)
    assert "can be luck" in section(
        _page(invented(with_card(model, results=results), [0.5]), details=0), "How good"
    )


@pytest.mark.parametrize(
    "interval, of_order, of_hits",
    [
        ((0.51, 0.59), "better than guessing", "more hits"),
        ((0.41, 0.49), "worse than guessing", "fewer hits"),
        ((0.49, 0.53), "not shown to be better than guessing", "no gain is shown"),
    ],
)
def test_a_verdict_follows_from_its_interval(model, interval, of_order, of_hits):
    by = np.subtract(interval, 0.5)
    results = {
        "auc": estimate(0.5, *interval),
        "within_artist": estimate(0.5, *interval, artists=9),
        "precision_at_k": [{"n": 10, "k": 3, "base": None, "lift": estimate(1, *(1 + by))}],
    }
    changed = with_card(model, results=model.card["results"] | results)
    said = section(_page(invented(changed, [0.5]), details=0), "What this")
    verdicts = re.findall(r"(?:all artists: |your case: |random choice, )([^(.]*?)(?: \(|\.)", said)
    assert verdicts == [of_order, of_order, of_hits]


def test_where_no_artist_has_enough_songs_nothing_is_known_of_that_case(model):
    results = model.card["results"] | {"within_artist": None}
    said = section(
        _page(invented(with_card(model, results=results), [0.5]), details=0), "What this"
    )
    assert "nothing is known" in said


# the songs


@pytest.mark.parametrize(
    "levels, answer, headings",
    [
        ((0.8, 0.5, 0.5, 0.2), "“song 1” stands out.", ["stands out", "in the middle", "behind"]),
        ((0.8, 0.8, 0.5, 0.5, 0.5), "“song 1” and “song 2” stand out.", ["stands out", "behind"]),
        ((0.8,) * 5 + (0.5,) * 6, "5 songs stand out.", ["stands out", "behind"]),
        (
            (0.5, 0.5, 0.5, 0.3),
            "No song stands out, but “song 4” is behind.",
            ["in the middle", "behind"],
        ),
        ((0.61, 0.605, 0.6), "None of these 3 songs stands out", ["no reliable difference"]),
        ((0.6,), "There is only one song", ["no reliable difference"]),
    ],
)
def test_the_answer_is_one_sentence_and_songs_stand_in_tiers(model, levels, answer, headings):
    html = _page(invented(model, levels), details=0)
    assert answer in re.search("<h1>(.*?)</h1>", html)[1]
    assert re.findall(r'<h2 id="tier-\d">(.*?)</h2>', html) == headings
    assert html.count('class="card"') == html.count('class="dot"') == len(levels)
    assert ".mp3<" not in html  # titles have no ending


def test_without_a_reliable_order_no_song_is_above_another(model):
    changed = with_card(model, results=model.card["results"] | {"order": None})
    html = _page(invented(changed, [0.9, 0.5, 0.1]), details=3, audio=False)
    assert "not good enough to put your songs in order" in text(html)
    assert "no reliable difference" in html and text(html).count("No part stands out") == 3
    assert "Of 100 orders" not in text(html)


def test_it_says_how_often_its_orders_are_right(model, ranked):
    said = right_orders(model.card["results"]["order"])
    assert "84 were right" in said and said in ranked([0.9, 0.5])


def test_a_song_unlike_all_that_the_model_knows_gets_no_score(model):
    scored = replace(invented(model, [0.6]), unlike=["far <away>.mp3"])
    html = _page(scored, details=0)
    assert "far <away>.mp3 sounds unlike everything this model has learnt from" in text(html)
    assert html.count('class="card"') == 1
    nothing = text(_page(replace(scored, songs=[]), details=0))
    assert "cannot judge your songs" in nothing and "far <away>.mp3" in nothing


def test_a_model_without_a_description_of_its_data_says_so(model, ranked):
    assert "does not say what it has learnt from" in ranked([0.5], replace(model, domain=None))
    assert "does not say what" not in ranked([0.5])


def test_without_a_song_the_report_says_so_and_why(ranked):
    said = ranked([], rejected={"a.mp3": "only silence; export it again"}, others=["b.txt"])
    assert "No song could be scored." in said and "a.mp3 : only silence; export it again" in said
    assert "What this model can and cannot tell" in said


def test_every_rejected_file_has_a_line_with_its_reason(report, scored, ranked):
    assert list(scored.rejected) == ["broken.mp3"]
    assert f"broken.mp3 : {scored.rejected['broken.mp3']}" in section(report, "Not scored")
    assert "no audio by name: lyrics.txt" in section(report, "Not scored")
    reasons = {f"{n}.wav": f"reason {n}" for n in range(40)}
    said = ranked([0.5], rejected=reasons, others=[f"{n}.txt" for n in range(23)])
    assert all(f"{name} : {reason}" in said for name, reason in reasons.items())
    assert "Left alone, for they are hidden, a folder, or no audio by name: 0.txt" in said
    assert "19.txt and 3 more" in said
    assert "Not scored" not in ranked([0.5])


def test_bars_and_curves_lie_where_the_numbers_say(model):
    scored = invented(model, [0.7, 0.45], spread=0.05)
    html = _page(scored, details=2, audio=False)
    assert re.findall('class="dot" style="left:([^%]*)%', html) == ["70.0", "45.0"]
    low, high = (float(end) / 100 for end in re.search(r"scale, (\d+)% to (\d+)%", html).groups())
    for song, points in zip(scored.songs, re.findall('polyline points="([^"]*)"', html)):
        x, y = np.array([point.split(",") for point in points.split()], float).T
        assert x == pytest.approx(100 * (song.starts + 15) / song.seconds, abs=0.06)
        assert high - y / 100 * (high - low) == pytest.approx(song.by_window, abs=0.001)


def test_details_caps_the_songs_that_have_a_curve_and_a_player(scored):
    for details in (1, 4, 5, 99):
        html = _page(scored, details=details, audio=False)
        assert html.count("<polyline") == min(details, 5) and html.count('class="card"') == 5


def test_every_link_has_its_one_target(report):
    ids = re.findall(r' id="([^"]*)"', report)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', report)) <= set(ids)
    assert set(re.findall(r'(?:labelledby|describedby)="([^"]*)"', report)) <= set(ids)


def test_passages_are_marked_on_the_curve_of_their_song_with_a_sentence_each(scored, report):
    song = scored.songs[0]
    first = song.excerpt(scored.model.margin)
    assert "The bass <here> raises the score." in text(report)
    marks = re.findall(r'<rect class="(for|against)" x="([\d.]+)" width="([\d.]+)"', report)
    assert [kind for kind, *_ in marks] == ["for", "against"]
    for (_, x, width), start in zip(marks, (6, 12)):
        assert float(x) == pytest.approx(100 * (first + start) / song.seconds, abs=0.01)
        assert float(width) == pytest.approx(100 * 3 / song.seconds, abs=0.01)
    other = {scored.songs[1].path: [Passage(0, 5, 1, "It is loud.")]}
    cards = _page(scored, audio=False, passages=other).split('class="card"')
    assert ["It is loud." in card for card in cards] == [False, False, True, *[False] * 3]
    assert 'class="passages"' not in _page(scored, audio=False)


@pytest.mark.parametrize("most, expected", [(3, 2), (1, 1), (0, 0)])
def test_passages_are_looked_for_in_what_is_played_of_songs_that_stand_out(
    scored, monkeypatch, most, expected
):
    asked, names = [], list(SegmentGrid(scored.model.grid).bands)

    def hats_from_12_to_18(model, *sound):
        asked.append(sound)
        mask = np.zeros(SegmentGrid(model.grid).shape, bool)
        mask[names.index("hats and air"), 4:6] = True
        return [Part(mask, np.full(25, -0.5), np.full(25, -0.5))]

    monkeypatch.setattr(song_page, "song_parts", hats_from_12_to_18)
    leading = replace(
        scored,
        model=with_card(
            scored.model, results=scored.model.card["results"] | {"order": ORDER | {"margin": 1e-9}}
        ),
    )
    vars(leading)["tiers"] = [STANDS_OUT, STANDS_OUT, *["in the middle"] * 3]  # as if computed
    found = find_passages(leading, most)
    assert list(found) == [song.path for song in scored.songs[:expected]]
    for heard, song in zip(asked, scored.songs):
        start = song.excerpt(leading.model.margin)
        y, sr = stretch(song.path, start, 30)
        assert np.array_equal(heard[0], y) and heard[1] == sr
        (passage,) = found[song.path]
        assert (passage.start, passage.end, passage.sign) == (start + 12, start + 18, -1)
        assert passage.sentence.startswith(
            f"{clock(start + 12)} to {clock(start + 18)}, hats and air: taken out, the score rose"
        )


def test_a_song_in_which_no_passage_decides_says_so(scored):
    cards = _page(scored, audio=False, passages={scored.songs[0].path: []}).split('class="card"')
    assert ["no single passage decides." in card for card in cards] == [False, True, *[False] * 4]


@pytest.mark.parametrize("parts, told", [(None, False), ([], True)])
def test_songs_that_were_asked_about_are_told_from_those_that_cannot_be(
    scored, monkeypatch, parts, told
):
    monkeypatch.setattr(song_page, "song_parts", lambda model, y, sr: parts)
    leading = replace(scored)
    vars(leading)["tiers"] = [STANDS_OUT, *["in the middle"] * 4]  # as if computed
    assert find_passages(leading) == ({scored.songs[0].path: []} if told else {})


def players(html):
    """Bytes of the mp3 of each player."""
    return [
        base64.b64decode(data)
        for data in re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,([^"]*)"', html)
    ]


def test_a_player_has_30_seconds_compressed_and_says_where_they_begin(scored, report):
    assert len(players(report)) == 2
    starts = map(float, re.findall(r'data-start="([\d.]+)"', report))
    for song, mp3, start in zip(scored.songs, players(report), starts):
        assert start == song.excerpt(scored.model.margin)
        if song.stands_out(scored.model.margin):
            assert abs(start - SONGS[song.name][1]) <= 5  # where its loud 30 s begin
        y, sr = sf.read(BytesIO(mp3))
        assert len(y) / sr == pytest.approx(30, abs=0.2) and len(mp3) < 260_000
        wanted, own_sr = stretch(song.path, start, 30)
        # the same seconds in the same order, by their level: the highest notes are gone
        found = [np.std(part) for part in np.array_split(y[: 30 * sr], 10)]
        assert found == pytest.approx(
            [np.std(part) for part in np.array_split(wanted, 10)], rel=0.15
        )


def test_without_audio_there_is_no_player_and_no_sound(scored):
    html = _page(scored, audio=False)
    assert "<audio" not in html and "audio/mpeg" not in html


def test_a_song_shorter_than_a_window_has_no_best_part(model):
    everything = model.card["results"]["order"] | {"margin": 0.0}
    model = with_card(model, results=model.card["results"] | {"order": everything})
    scored = invented(model, [0.6])
    short = replace(
        scored.songs[0],
        seconds=20.0,
        starts=np.zeros(1),
        scores=scored.songs[0].scores[:, :1],
        note="Only 20 s long.",
    )
    said = text(_page(Scored(scored.folder, model, [short], {}, []), audio=False))
    assert "It was scored as a whole. Only 20 s long." in said
    assert "Best 30 seconds" not in said and "part stands out" not in said


# a back-test


def back_test(model, n=6, kind="streams a day"):
    """A back-test of songs, all but two of them in the right order."""
    scored = invented(model, np.linspace(0.7, 0.3, n))
    songs = pd.DataFrame(
        {
            "title": [f"Song <{number}>" for number in range(n)],
            "file": [song.name for song in scored.songs],
            "popularity": np.geomspace(90_000, 0.5, n),
            "score": [song.score for song in scored.songs],
            "loudness": np.arange(n) - 20.0,
        }
    )
    return BackTest(scored, songs, kind, ["“Lost”: no file of that title"])


def test_a_back_test_is_a_section_with_its_chart_its_matches_and_its_verdict(model):
    test = back_test(model)
    html = _page(test.scored, audio=False, backtest=test)
    said = section(html, "Does it work for your released songs?")
    for part in (
        "15 of 15 pairs of songs in the right order: 100%",
        "the louder song first gets 0%",
        "Song <0> : 90,000 streams a day, score 70% (song 1.mp3)",
        "“Lost”: no file of that title",
    ):
        assert part in said
    assert "enough to tell" in said or "too few to tell" in said
    at = np.array(re.findall(r'<span style="left:([\d.]+)%;bottom:([\d.]+)%', html), float)
    assert at.shape == (6, 2) and ((at >= 0) & (at <= 100)).all()
    assert (np.diff(at, axis=0) < 0).all()  # the less popular the lower, by the score to the left
    assert "released songs" not in _page(test.scored, audio=False)


# what strangers wrote


def test_nothing_in_a_name_or_a_model_reaches_the_page_unescaped(model):
    card = {
        "corpus": model.card["corpus"] | {"name": "<b>c</b>", "popularity_kind": "<i>&amp;"},
        "made": "<u>today</u>",
    }
    names = [displayable(name) for name in HOSTILE]  # as `score_tracks` hands them on
    scored = invented(
        with_card(model, **card),
        np.linspace(0.7, 0.3, len(names)),
        names=HOSTILE,
        rejected={name: f"as {name}" for name in names},
        others=names,
    )
    scored = replace(scored, folder=scored.folder / "<script>alert(2)<script>")
    html = _page(scored, details=0)
    allowed = (
        "!doctype html head meta title style body header h1 h2 h3 p span strong main section ol ul "
        "li div footer details summary script"
    ).split()
    assert {name.lower() for name in re.findall(r"</?([!\w]+)", html)} <= {*allowed}
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b") & set(html)
    assert not re.search(r"<[^>]*\son\w+\s*=", html)
    for name in names:  # ranked, rejected with a reason, left alone
        assert text(html).count(" ".join(name.split())) >= 3
    for said in ("<b>c</b>", "<i>&amp;", "<u>today</u>", "“<script>alert(2)<script>”"):
        assert said in text(html)


def test_the_page_asks_nobody_and_runs_one_script_by_its_own_policy(report):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', report)
    (script,) = re.findall("<script>(.*?)</script>", report, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "media-src": "data:",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
    }
    assert report.index("Content-Security-Policy") < report.index("<style")
    assert "http:" not in report and "https:" not in report
    assert not re.findall(r'(?:src|href)="(?!#|data:)', report)


# the file


def test_the_same_songs_give_the_same_report(scored):
    assert _page(scored, details=1) == _page(scored, details=1)


def test_a_report_is_written_whole_and_only_to_an_html_file(model, tmp_path):
    scored = invented(model, [0.5])
    write_report(scored, tmp_path / "a.HTML", details=0)
    assert (tmp_path / "a.HTML").read_text(encoding="utf-8") == _page(scored, details=0)
    for path in (tmp_path, tmp_path / "report.pdf", tmp_path / "report"):
        with pytest.raises(BadInput, match="name it so"):
            write_report(scored, path, details=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.HTML"]
