"""What makes two rows one recording, and what keeps them apart."""

import pytest

from hiphoplib.tracks.cleaning import recordings
from tests.tables import table


def are_one(**columns):
    """Tell whether two rows are one recording, in whatever order they stand."""
    rows = table(**columns)
    same, again = (
        recordings(order.reset_index(drop=True)).nunique() == 1 for order in (rows, rows[::-1])
    )
    assert same == again
    return same


def titled(one, other, **columns):
    return are_one(track=[one, other], **{"artists": [["A"], ["A"]]} | columns)


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("USUM72000788", "USUM72000788", True),
        ("USUM72000788", "us-um7-20-00788", True),
        ("USUM72000788", " US UM7 20 00788", True),
        ("USUM72000788", "USUM72000789", False),
        (None, None, False),
        ("n/a", "n/a", False),
        ("-", "-", False),
        ("000000000000", "000000000000", False),
    ],
)
def test_an_isrc_joins_however_it_is_written(one, other, same):
    assert are_one(isrc=[one, other]) == same


@pytest.mark.parametrize(
    "addition",
    [
        "(Deluxe)",
        "[Deluxe Edition]",
        "- Remastered",
        "- Remastered 2011",
        "- 2011 Remaster",
        "(2011 Digital Remaster)",
        "(Digitally Remastered)",
        "(40th Anniversary Version / Remastered)",
        "(Expanded Edition)",
        "- Explicit Album Version",
        "(Clean)",
        "- Single Version",
        "(Radio Edit)",
        "- Radio Edit",
        "(Edited)",
        "- Bonus Track",
        "(Mono)",
        "- Stereo Version",
        "(Original Mix)",
        '- From "A Film" Soundtrack',
        "(From A Film)",
        "(Official Video)",
        "(prod. by C)",
        "(Prod.C)",
        "prod. C",
        "- prod. C & D",
        "（Explicit）",
        "【Explicit】",
        "– Explicit",
        "| Explicit",
        "(Deluxe) [Explicit] - Remastered",
        "!",
        "  ",
        "…",
        "🔥",
    ],
)
def test_what_names_no_other_recording_does_not_count(addition):
    assert titled("Go", f"Go {addition}")
    assert titled("Go (Remix)", f"Go (Remix) {addition}")


@pytest.mark.parametrize(
    "addition",
    [
        "(Remix)",
        "- Remix",
        "- C Remix",
        "(Remix 2011)",
        "(Live)",
        "- Live at C",
        "(Live Version)",
        "(Instrumental)",
        "(Acapella)",
        "(Slowed)",
        "(Slowed + Reverb)",
        "(Sped Up)",
        "- Demo",
        "(Freestyle)",
        "(Part 2)",
        ", Pt. 2",
        "Vol. 3",
        "(2)",
        "II",
        "(Acoustic)",
        "- Club Mix",
        "(Extended Version)",
        "(Re-Recorded)",
        "(C's Version)",
        "(Interlude)",
        "(Skit)",
        "(C)",
        "(Spanish Version)",
        "(Karaoke Version)",
    ],
)
def test_what_names_another_recording_keeps_it_apart(addition):
    assert not titled("Go", f"Go {addition}")
    assert titled(f"Go {addition}", f"GO {addition} (Explicit)")


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("Go (Remix)", "Go - Remix", True),
        ("Go (Remix)", "Go - Remix Explicit Version", True),
        ("Go (Live)", "Go - Live Version", True),
        ("Go, Pt. 2", "Go (Part 2)", True),
        ("Go (C Remix)", "Go (D Remix)", False),
        ("Go (Part 2)", "Go (Part 3)", False),
        ("Go (Stay)", "Go (Stay with B)", False),
        ("(Intro)", "(Outro)", False),
        ("(Explicit)", "(Clean)", False),
        ("(I Can't) Go", "(I Can) Go", False),
        ("[Explicit] Go", "Go", True),
        ("", "", False),
        (None, None, False),
    ],
)
def test_two_additions(one, other, same):
    assert titled(one, other) == same


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("Café", "CAFE", True),
        ("Cafe\u0301", "Caf\u00e9", True),
        ("Żółć", "zolc", True),
        ("STRASSE", "Straße", True),
        ("Don't", "Don’t", True),
        ("Don't", "Dont", True),
        ("Don´t", "Don't", True),
        ("R.I.P.", "RIP", True),
        ("Me & You", "Me and You", True),
        ("Ｇｏ", "Go", True),
        ("東京 2", "大阪 2", False),
        ("が", "か", False),
        ("काला", "काली", False),
        ("가", "나", False),
        ("🔥", "💧", False),
        ("???", "!!!", False),
        ("1.5", "15", False),
        ("$$$", "Go", False),
    ],
)
def test_titles_of_every_spelling_and_script(one, other, same):
    assert titled(one, other) == same
    assert are_one(track=["Go", "Go"], artists=[[one], [other]]) == same


@pytest.mark.parametrize(
    "guest",
    [
        "(feat. B)",
        "(Feat. B)",
        "(ft. B)",
        "(ft B)",
        "[featuring B]",
        "(with B)",
        "(w/ B)",
        "- feat. B",
        "- Feat. B - Explicit",
        "feat. B",
        "ft. B",
        "FEAT. B.",
        "featuring B",
        "(feat. B, prod. by C)",
    ],
)
def test_a_guest_in_the_title_is_an_artist(guest):
    assert titled("Go", f"Go {guest}", artists=[["A", "B"], ["A"]])
    assert titled("Go", f"Go {guest}", artists=[["A"], ["A"]])  # some tables name one artist only
    assert not titled("Go (feat. D)", f"Go {guest}")
    assert not titled("Go (Remix)", f"Go {guest}")


@pytest.mark.parametrize("guests", ["B & The C", "B, C", "B and C", "B with C", "B feat. C"])
def test_guests_in_the_title_may_be_many(guests):
    assert titled("Go", f"Go (feat. {guests})", artists=[["A", "B", "C", "D"], ["A"]])


@pytest.mark.parametrize(
    "one, other, same",
    [
        (["A", "B"], ["B", "A"], True),
        (["A", "B"], ["A & B"], True),
        (["A", "B", "C"], ["A, B and C"], True),
        (["Tyler, The Creator"], ["Tyler The Creator"], True),
        (["Tyler, The Creator", "B"], ["B", "tyler, the creator"], True),
        (["Beyoncé"], ["BEYONCE"], True),
        (["A$AP Rocky"], ["ASAP Rocky"], True),
        (["T.I."], ["TI"], True),
        (["The A"], ["A", "B"], True),
        (["A"], ["A", "B"], True),
        (["A", "B"], ["A", "C"], False),
        (["A"], ["B"], False),
        (["$$$"], ["!!!"], False),
        (["$$$"], ["A"], False),
        (["!!!"], ["???"], False),
        (["The The"], ["And"], False),
        (["방탄소년단"], ["东方神起"], False),
    ],
)
def test_artists_of_every_order_and_spelling(one, other, same):
    assert titled("Go", "Go", artists=[one, other]) == same


@pytest.mark.parametrize("title", ["6 ft. deep", "Stay with B", "Live", "Remix", "From A to B"])
def test_words_of_a_title_itself_stay(title):
    assert titled(title, title.upper())
    for short in ("6", "Stay", "A", "6 deep"):
        assert not titled(title, short)


@pytest.mark.parametrize(
    "one, other, same",
    [
        (100_000, 102_000, True),
        (100_000, 102_001, False),
        (100_000, None, True),
        (None, None, True),
    ],
)
def test_takes_of_one_song_are_told_by_their_duration(one, other, same):
    assert titled("Go", "Go (Radio Edit)", duration_ms=[one, other]) == same


def test_being_one_recording_carries_over():
    """a-b share an ISRC, b-c a title, c-d an ISRC: one recording, in whatever order."""
    rows = table(
        4,
        isrc=["USUM72000001", "USUM72000001", "USUM72000002", "USUM72000002"],
        track=["p", "q", "q", "r"],
        artists=[["A"]] * 4,
    )
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        assert recordings(rows.iloc[order].reset_index(drop=True)).nunique() == 1
    lengths = table(3, track=["q"] * 3, artists=[["A"]] * 3, duration_ms=[100e3, 103e3, 101.5e3])
    assert recordings(lengths).nunique() == 1


def test_another_artists_song_of_that_name_does_not_come_between():
    number = recordings(
        table(
            3,
            track=["Go"] * 3,
            artists=[["A"], ["B"], ["A"]],
            duration_ms=[100_000, 101_000, 102_000],
        )
    )
    assert number[0] == number[2] != number[1]
