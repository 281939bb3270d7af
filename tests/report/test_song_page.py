"""What the client's report says, and that it never says more than the numbers carry."""

import base64
import re
from dataclasses import replace
from html import unescape
from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
import soundfile as sf

from hiphoplib.audio.windows import stretch
from hiphoplib.errors import BadInput
from hiphoplib.report import song_page as song_report
from hiphoplib.report.sentences import BANNER
from hiphoplib.report.song_page import MAX_IN_TABLE, _page, write_report
from hiphoplib.report.style import clock
from hiphoplib.scoring.score import Scored, displayable
from hiphoplib.tracks.synthetic.corpus import CAVEAT
from tests.scored_songs import (
    HOSTILE,
    SONGS,
    OneSegment,
    by_network,
    by_one_segment,
    estimate,
    invented,
    report_of,
    scored_folder,
    trained_model,
    with_card,
)

PLAIN = {"audio": False, "explaining": False}


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
    body = re.sub("<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]*>", " ", body)).split())


def section(html, heading):
    """Text of the part with this heading."""
    parts = map(text, re.findall("<section.*?</section>", html, flags=re.DOTALL))
    return next(part for part in parts if part.startswith(heading))


# what the model is


def test_a_synthetic_model_and_no_other_carries_the_banner(model):
    for synthetic in (True, False):
        html = _page(invented(with_card(model, synthetic=synthetic), [0.6, 0.4]), details=0)
        assert (BANNER in text(html)) == synthetic == (CAVEAT in text(html))
        assert ("banner" in html.split("</style>")[1]) == synthetic
        if synthetic:  # before any score
            assert text(html).index(BANNER) < text(html).index("60%")


def test_the_limits_are_told_in_the_models_own_numbers(model):
    lifts = [(1, None, (9.1, 9.0, 9.2)), (3, 0.2, (8.1, 8.0, 8.2)), (3, None, (1.21, 1.07, 1.36))]
    results = {"auc": estimate(0.613, 0.562, 0.668),
               "within_artist": estimate(0.571, 0.512, 0.633, artists=37),
               "precision_at_k": [{"n": 10, "k": k, "base": base, "lift": estimate(*lift)}
                                  for k, base, lift in lifts]}
    card = {"results": model.card["results"] | results,
            "corpus": {"name": "my corpus", "tracks": 4321, "artists": 1234,
                       "popularity_kind": "plays in a week", "fingerprint": ""},
            "protocol": model.card["protocol"] | {"test_tracks": 987}}
    said = section(_page(invented(with_card(model, **card), [0.5]), details=0), "What this")
    for number in ("AUC 0.613 [0.562, 0.668]", "61% of cases", "987 tracks", "split by artist",
                   "AUC 0.571 [0.512, 0.633], 37 artists", "best 3 of 10",
                   "1.21 [1.07, 1.36] times the hits", "4,321 tracks by 1,234 artists",
                   "“my corpus”", "plays in a week"):
        assert number in said
    assert "9.1" not in said and "8.1" not in said


@pytest.mark.parametrize("interval, of_order, of_hits", [
    ((0.51, 0.59), "better than guessing", "more hits"),
    ((0.41, 0.49), "worse than guessing", "fewer hits"),
    ((0.49, 0.53), "not shown to be better than guessing", "no gain is shown")])
def test_a_verdict_follows_from_its_interval(model, interval, of_order, of_hits):
    by = np.subtract(interval, 0.5)
    results = {"auc": estimate(0.5, *interval),
               "within_artist": estimate(0.5, *interval, artists=9),
               "precision_at_k": [{"n": 10, "k": 3, "base": None, "lift": estimate(1, *(1 + by))}]}
    changed = with_card(model, results=model.card["results"] | results)
    said = section(_page(invented(changed, [0.5]), details=0), "What this")
    verdicts = re.findall(r"(?:tracks, split by \w+\)|\d artists|blind pick): ([^.]*)\.", said)
    assert verdicts == [of_order, of_order, of_hits]


def test_where_no_artist_has_enough_songs_nothing_is_known_of_that_case(model):
    results = model.card["results"] | {"within_artist": None}
    said = section(_page(invented(with_card(model, results=results), [0.5]), details=0),
                   "What this")
    assert "nothing is known" in said and "artists:" not in said


# the ranking


def test_songs_that_cannot_be_told_apart_are_about_the_same_on_both_sides(ranked, model):
    levels = [0.61, 0.605, 0.4]
    said, share = ranked(levels), invented(model, levels).share_above[0, 1]
    assert 0.6 < share < 0.8
    assert f"About the same as “song 2.mp3” ({share:.0%})" in said
    assert f"About the same as “song 1.mp3” ({1 - share:.0%})" in said
    assert said.count("Above “song 3.mp3” (100%)") == 2
    assert "Below “song 1.mp3” (0%), “song 2.mp3” (0%)" in said
    assert said.count("Place 1 to 2 of 3") == 2 and said.count("Place 3 of 3") == 1
    assert "No song is surely first" in said


def test_without_a_reliable_order_no_song_is_above_another(model):
    changed = with_card(model, results=model.card["results"] | {"order": None})
    said = text(_page(invented(changed, [0.9, 0.5, 0.1]), details=0))
    assert "No order is given" in said and "No part stands out" in said
    assert said.count("Place 1 to 3 of 3") == 3 and "Below" not in said


def test_it_says_how_often_its_orders_are_right(ranked):
    assert "Of 100 orders like these on songs whose popularity is known, 84 were right" in ranked(
        [0.9, 0.5])


def test_a_song_unlike_all_that_the_model_knows_gets_no_score(model):
    scored = replace(invented(model, [0.6]), unlike=["far <away>.mp3"])
    said = text(_page(scored, details=0))
    assert "far <away>.mp3 sounds unlike everything this model has learnt from" in said
    assert said.count("%") == text(_page(invented(model, [0.6]), details=0)).count("%") + 1


def test_a_song_that_is_surely_first_is_named(ranked):
    assert "“song 1.mp3” is first" in ranked([0.8, 0.5, 0.5])


def test_every_pair_stands_in_a_table_that_adds_up(model):
    scored = invented(model, [0.7, 0.5, 0.495, 0.3])
    table = _page(scored, details=0).split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r'<td( class="reliable")?>(\d*)%?</td>', line)
            for line in table.split("</tr>")[:-1]]
    assert [len(row) for row in rows] == [4, 4, 4, 4]
    for one, other in combinations(range(4), 2):
        assert int(rows[one][other][1]) + int(rows[other][one][1]) in (99, 100, 101)
        assert bool(rows[one][other][0]) == scored.reliably_above[one, other]
    assert all(rows[n][n] == ("", "") for n in range(4))


@pytest.mark.parametrize("n", [MAX_IN_TABLE, MAX_IN_TABLE + 1])
def test_more_songs_than_a_phone_is_wide_have_no_table(model, n):
    html = _page(invented(model, np.linspace(0.7, 0.3, n)), details=0)
    assert ("<table" in html) == (n <= MAX_IN_TABLE)
    assert html.count('<div class="bar"') == n


def test_one_song_alone_is_compared_with_nothing(ranked):
    said = ranked([0.6])
    assert "1 song of the folder" in said and "nothing to compare it with" in said
    for never in ("About the same", "Above “", "How sure is the order", "pairs of songs"):
        assert never not in said


def test_without_a_song_the_report_says_so_and_why(ranked):
    said = ranked([], rejected={"a.mp3": "only silence; export it again"}, others=["b.txt"])
    assert "No song could be scored." in said and "a.mp3 : only silence; export it again" in said
    assert "The ranking" not in said and "What this can and cannot tell" in said


def test_every_rejected_file_has_a_line_with_its_reason(report, scored, ranked):
    assert list(scored.rejected) == ["broken.mp3"]
    assert f"broken.mp3 : {scored.rejected['broken.mp3']}" in section(report, "Not scored")
    assert "left alone: lyrics.txt" in section(report, "Not scored")
    reasons = {f"{n}.wav": f"reason {n}" for n in range(40)}
    said = ranked([0.5], rejected=reasons, others=[f"{n}.txt" for n in range(23)])
    assert all(f"{name} : {reason}" in said for name, reason in reasons.items())
    assert "their names, left alone: 0.txt" in said and "19.txt and 3 more" in said


def test_a_folder_of_songs_alone_has_no_section_of_others(ranked):
    assert "Not scored" not in ranked([0.5])


@pytest.mark.parametrize("levels", [[0.5], [0.95], [0.31], [0.52, 0.5], [0.95, 0.05],
                                    [0.999, 0.001]])
def test_the_scale_holds_every_bar_and_names_the_half(model, levels):
    html = _page(invented(model, levels, spread=0.0005), details=0)
    at = [float(left) for left in re.findall(r"left:(-?[\d.]+)%", html)]
    ends = [float(left) + float(width)
            for left, width in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", html)]
    assert min(at) >= 0 and max(at + ends) <= 100.5  # a bar of no width can still be seen
    (half,) = set(re.findall(r'class="half" style="left:([\d.]+)%', html))
    assert f'<span style="left:{half}%">50%</span>' in html


# each song


def test_details_caps_the_songs_that_are_shown_and_says_so(scored, report):
    for details in (1, 4, 5, 99):
        html = _page(scored, details=details, **PLAIN)
        shown = min(details, 5)
        assert html.count("<img") == html.count('<section aria-labelledby="song-') == shown
        assert html.count('<a href="#song-') == shown and html.count('class="bar"') == 5
        assert ("shown one by one" in html) == (shown < 5)
    assert "Only the first 2 songs are shown one by one; the other 3 are" in text(report)
    assert "Only the first song is shown one by one; the other 4 are" in text(
        _page(scored, details=1, **PLAIN))
    assert "the other one is in the ranking" in text(_page(scored, details=4, **PLAIN))


def test_every_link_has_its_one_target(report):
    ids = re.findall(r' id="([^"]*)"', report)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', report)) <= set(ids)
    assert set(re.findall(r'(?:labelledby|describedby)="([^"]*)"', report)) <= set(ids)


def test_attributions_have_the_times_of_the_song_not_of_the_clip(scored, report):
    first, last = OneSegment.seconds
    assert any(song.best > 0 for song in scored.songs[:2])
    for song in scored.songs[:2]:
        said = section(report, song.name)
        assert (f"Sub and bass from {clock(song.best + first)} to {clock(song.best + last)} speak "
                "for popularity" in said)
        assert said.count("speak") == 1
        assert f"Use {clock(song.best)} to {clock(song.best + 30)} as the preview" in said


def test_what_is_explained_is_the_model_that_scored_at_the_best_30_seconds(scored, monkeypatch):
    asked, song = [], scored.songs[0]
    monkeypatch.setattr(song_report, "explain",
                        lambda *args: asked.append(args) or by_one_segment(*args))
    _page(scored, details=1, audio=False)
    ((model, S_db, grid, _),) = asked
    assert model is scored.model and grid.mel_grid == model.grid
    # the spectrograms that were scored are kept in half precision
    window = list(song.starts).index(song.best)
    assert by_network(model, S_db[None]).T[0] == pytest.approx(song.scores[:, window], abs=0.01)


def test_without_explanations_nothing_is_attributed(scored):
    html = _page(scored, explaining=False, audio=False)
    assert "What the model hears" not in html and "speak" not in text(html)


def players(html):
    """Bytes of the mp3 of each player."""
    return [base64.b64decode(data) for data in
            re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,([^"]*)"', html)]


def test_a_player_has_the_best_30_seconds_compressed(scored, report):
    assert len(players(report)) == 2
    for song, mp3 in zip(scored.songs, players(report)):
        assert song.best == SONGS[song.name][1]  # where its loud 30 s begin
        y, sr = sf.read(BytesIO(mp3))
        assert len(y) / sr == pytest.approx(30, abs=0.2) and len(mp3) < 260_000
        wanted, own_sr = stretch(song.path, song.best, 30)
        # the same seconds in the same order, by their level: the highest notes are gone
        found = [np.std(part) for part in np.array_split(y[: 30 * sr], 10)]
        assert found == pytest.approx([np.std(part) for part in np.array_split(wanted, 10)],
                                      rel=0.15)


def test_without_audio_there_is_no_player_and_no_sound(scored):
    html = _page(scored, audio=False, explaining=False)
    assert "<audio" not in html and "audio/mpeg" not in html


def test_a_song_shorter_than_a_window_has_no_best_part_beyond_its_end(model):
    everything = model.card["results"]["order"] | {"margin": 0.0}
    model = with_card(model, results=model.card["results"] | {"order": everything})
    scored = invented(model, [0.6])
    short = replace(scored.songs[0], seconds=20.0, starts=np.zeros(1),
                    scores=scored.songs[0].scores[:, :1], note="Only 20 s long.")
    said = text(_page(Scored(scored.folder, model, [short], {}, []), details=0))
    assert "Best part 0:00 to 0:20" in said and "Only 20 s long." in said


# what strangers wrote


def test_nothing_in_a_name_or_a_model_reaches_the_page_unescaped(model):
    card = {"corpus": model.card["corpus"] | {"name": "<b>c</b>", "popularity_kind": "<i>&amp;"},
            "made": "<u>today</u>"}
    names = [displayable(name) for name in HOSTILE]  # as `score_tracks` hands them on
    scored = invented(with_card(model, **card), np.linspace(0.7, 0.3, len(names)), names=HOSTILE,
                      rejected={name: f"as {name}" for name in names}, others=names)
    scored = replace(scored, folder=scored.folder / "<script>alert(2)<script>")
    html = _page(scored, details=0)
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p",
               "span", "strong", "main", "section", "ol", "ul", "li", "div", "footer", "table",
               "thead", "tbody", "tr", "td", "th", "!doctype"}
    assert {name.lower() for name in re.findall(r"</?([!\w]+)", html)} <= allowed
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b") & set(html)
    assert not re.search(r"<[^>]*\son\w+\s*=", html)
    for name in names:  # ranked, rejected with a reason, left alone
        assert text(html).count(" ".join(name.split())) >= 4
    for said in ("<b>c</b>", "<i>&amp;", "<u>today</u>", "“<script>alert(2)<script>”"):
        assert said in text(html)


def test_the_page_asks_nobody_and_runs_nothing_by_its_own_policy(report):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', report)
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules == {"default-src": "'none'", "img-src": "data:", "media-src": "data:",
                     "style-src": "'unsafe-inline'"}
    assert report.index("Content-Security-Policy") < report.index("<style")
    assert "<script" not in report and "http:" not in report and "https:" not in report
    assert not re.findall(r'(?:src|href)="(?!#|data:)', report)


# the file


def test_the_same_songs_give_the_same_report(scored, monkeypatch):
    monkeypatch.setattr(song_report, "explain", by_one_segment)
    assert _page(scored, details=1) == _page(scored, details=1)


def test_a_report_is_written_whole_and_only_to_an_html_file(model, tmp_path):
    scored = invented(model, [0.5])
    write_report(scored, tmp_path / "a.HTML", details=0)
    assert (tmp_path / "a.HTML").read_text(encoding="utf-8") == _page(scored, details=0)
    for path in (tmp_path, tmp_path / "report.pdf", tmp_path / "report"):
        with pytest.raises(BadInput, match="name it so"):
            write_report(scored, path, details=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.HTML"]
