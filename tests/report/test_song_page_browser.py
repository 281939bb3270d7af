"""The report in a real browser: alone on a disk, on a phone, by keyboard, and under attack."""

import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from hiphoplib.cli import main
from hiphoplib.report.song_page import _page
from hiphoplib.scoring.backtest import BackTest
from hiphoplib.scoring.score import displayable
from hiphoplib.studies.documents import BROWSERS, HEIGHT, SCALE, WIDTH
from tests.scored_songs import (
    HOSTILE,
    invented,
    report_of,
    scored_folder,
    song_of_noise,
    trained_model,
    with_card,
    write_song,
)

CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason=("no browser: install chromium (apt-get install chromium) to test the report in one"),
)
PHONE, DESK = (390, 844), (1100, 900)
SAME = 1.5  # px: what rounding moves


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


class Opened:
    """A page with all that it did: requests, those that left, what its console said, dialogs."""

    def __init__(self, context, path):
        self.requests, self.left, self.said, self.dialogs = [], [], [], []
        self.page = context.new_page()
        self.page.route(re.compile("^https?:"), self._left)  # not reached by what is stopped before
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.goto(path.as_uri())

    def _left(self, route):
        self.left.append(route.request.url)
        route.abort()

    def _dismiss(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="module")
def opened(browser):
    """Function: opens a file as a context manager."""

    @contextmanager
    def open_(path, size=PHONE, offline=True, **options):
        context = browser.new_context(viewport=dict(zip(("width", "height"), size)), **options)
        context.set_offline(offline)
        try:
            yield Opened(context, path)
        finally:
            context.close()

    return open_


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def report(folder, trained):
    """Five real songs, two of them explained, with players."""
    path = folder / "report of 5 #1?.html"  # as a phone names what comes by mail
    path.write_text(report_of(trained), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hostile(folder, trained):
    """Songs and other files whose names are traps, one of each kind shown, with its player."""
    model = with_card(trained_model(trained), synthetic=True)
    names = [displayable(name) for name in HOSTILE]
    scored = invented(
        model,
        np.linspace(0.7, 0.3, len(names)),
        names=HOSTILE,
        rejected={name: f"of no use: {name}" for name in names},
        others=names,
    )
    songs = folder / '<script>alert(2)<script> & "My" songs'
    songs.mkdir()
    write_song(songs / "song.wav", song_of_noise(90, 0, -26))
    for number, song in enumerate(scored.songs):
        path = songs / song.path.name
        path.symlink_to(songs / "song.wav")
        scored.songs[number] = replace(song, path=path)
    scored = replace(scored, folder=songs)
    (folder / "hostile.html").write_text(_page(scored, details=len(names)), encoding="utf-8")
    return folder / "hostile.html"


@pytest.fixture(scope="module")
def many(folder, trained):
    """Ten songs of a demonstration in three tiers, with curves, and a back-test of them."""
    model = with_card(trained_model(trained), synthetic=True)
    scored = invented(model, np.linspace(0.6, 0.5, 10))
    songs = pd.DataFrame(
        [
            {
                "title": song.title,
                "file": song.name,
                "popularity": 9000.0 / n,
                "score": song.score,
                "loudness": -20.0 + n,
            }
            for n, song in enumerate(scored.songs, 1)
        ]
    )
    test = BackTest(scored, songs, "streams a day", [])
    (folder / "many.html").write_text(_page(scored, audio=False, backtest=test), encoding="utf-8")
    return folder / "many.html"


# alone on a disk


def test_nothing_is_asked_of_anybody(report, opened):
    with opened(report, offline=False) as seen:
        seen.page.wait_for_timeout(300)  # of a player, for example, that fetches late
    assert seen.requests[0] == report.as_uri()
    assert all(url.startswith("data:") for url in seen.requests[1:]) and not seen.left


def test_without_a_network_all_is_there_and_nothing_complains(report, opened):
    with opened(report, offline=True) as seen:
        assert seen.page.locator("polyline").count() == 2
        assert seen.page.title() == "Which of these songs has a chance?"
    assert not seen.said


INJECTED = """<script>document.title = "changed"</script>
<img src="http://127.0.0.1:9/pixel.png"><img src="x.png" onerror="document.body.id = 'changed'">"""


@pytest.mark.parametrize("with_policy", [True, False])
def test_the_policy_stops_what_would_run_or_leave(report, opened, folder, with_policy):
    html = report.read_text(encoding="utf-8").replace("</h1>", "</h1>" + INJECTED)
    if not with_policy:  # without it the same page is open to both
        html = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    (folder / "injected.html").write_text(html, encoding="utf-8")
    with opened(folder / "injected.html", offline=False) as seen:
        ran = seen.page.title() == "changed", seen.page.locator("body#changed").count() == 1
    assert ran == (not with_policy, not with_policy)
    assert seen.left == ([] if with_policy else ["http://127.0.0.1:9/pixel.png"])
    assert any("Content Security Policy" in text for text in seen.said) == with_policy


# players


def test_every_player_plays_its_30_seconds(report, opened):
    with opened(report) as seen:
        players = seen.page.locator("audio")
        assert players.count() == 2
        for number in range(2):
            player = players.nth(number)
            duration = player.evaluate("async player => (await player.play(), player.duration)")
            assert 29.5 < duration < 31
            wait_for(seen.page, player, "player => player.currentTime > 0.2")
            assert player.evaluate("player => player.pause() || player.error") is None
            assert player.is_visible()
    assert not seen.said


def test_the_playhead_runs_along_the_curve_of_the_song_that_plays(report, opened):
    with opened(report) as seen:
        heads, players = seen.page.locator(".head"), seen.page.locator("audio")
        assert not heads.first.is_visible()
        for number in range(2):  # the second stops the first
            player, head = players.nth(number), heads.nth(number)
            player.evaluate("player => player.play()")
            wait_for(seen.page, player, "player => player.currentTime > 0.3")
            player.evaluate("player => { player.pause(); player.currentTime = 12; }")
            wait_for(seen.page, player, "player => !player.seeking")
            seen.page.wait_for_timeout(100)
            start, length = (
                float(player.get_attribute(f"data-{of}")) for of in ("start", "length")
            )
            curve = seen.page.locator(".curve").nth(number).bounding_box()
            middle = head.bounding_box()["x"] + head.bounding_box()["width"] / 2
            assert middle == pytest.approx(
                curve["x"] + (start + 12) / length * curve["width"], abs=SAME
            )
        players.nth(0).evaluate("player => player.play()")
        wait_for(seen.page, players.nth(0), "player => !player.paused")
        players.nth(1).evaluate("player => player.play()")
        wait_for(seen.page, players.nth(0), "player => player.paused")
    assert not seen.said


def test_without_scripts_the_page_works(report, opened):
    with opened(report, java_script_enabled=False) as seen:
        assert seen.page.locator("audio").first.is_visible()
        assert seen.page.locator(".card").count() == 5
        assert not seen.page.locator(".head").first.is_visible()
    assert not seen.said


# on a phone


LAYOUT = """() => {
    const found = {wide: [], small: [], out: [], cut: [], width: 0};
    found.width = document.documentElement.scrollWidth;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, text = node.textContent.trim(), box = node.parentElement;
        if (!text) continue;
        if (parseFloat(getComputedStyle(box).fontSize) < 12) found.small.push(text);
        if (box.closest(".scroll")) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const part of range.getClientRects())
            if (part.left < 0 || part.right > innerWidth) { found.out.push(text); break; }
    }
    for (const box of document.body.querySelectorAll("*")) {
        if (box.closest(".scroll") || box.matches(".ticks")) continue;
        const {left, right} = box.getBoundingClientRect();
        if (left < 0 || right > innerWidth) found.wide.push(box.outerHTML.slice(0, 80));
        if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).display !== "inline")
            found.cut.push(box.outerHTML.slice(0, 80));
    }
    return found;
}"""


@pytest.mark.parametrize("which", ["report", "hostile", "many"])
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_all_without_scrolling_sideways(request, opened, which, width):
    with opened(request.getfixturevalue(which), (width, 844)) as seen:
        found = seen.page.evaluate(LAYOUT)
        score, name = (
            [box.bounding_box() for box in seen.page.locator(which_).all()]
            for which_ in (".name .score", ".name h3")
        )
        own = seen.page.locator(".name").all()
    assert found.pop("width") <= width
    assert found == {"wide": [], "small": [], "out": [], "cut": []}
    assert len(own) == len(score)
    for right, left in zip(score, name):
        assert left["x"] + left["width"] <= right["x"]


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_bars_and_dots_lie_where_the_numbers_say(trained, report, opened, size):
    songs = scored_folder(trained).songs
    with opened(report, size) as seen:
        bars, spreads, dots = (
            [box.bounding_box() for box in seen.page.locator(which).all()]
            for which in (".bar", ".bar .spread", ".bar .dot")
        )
    assert len(dots) == len(songs) == 5
    for song, bar, spread, dot in zip(songs, bars, spreads, dots):

        def place(share, bar=bar):
            return bar["x"] + share * bar["width"]

        assert dot["x"] + dot["width"] / 2 == pytest.approx(place(song.score), abs=SAME)
        begin, end = map(place, song.spread)
        assert spread["x"] == pytest.approx(begin, abs=SAME)
        assert spread["x"] + spread["width"] == pytest.approx(max(end, begin + 1), abs=SAME + 1)


LOOKS = """() => [".card", ".score", ".soft", ".demo"].map(which => {
    const style = getComputedStyle(document.querySelector(which));
    return [style.color, style.backgroundColor]; })"""


@pytest.mark.parametrize("which", ["report", "many"])
def test_in_the_dark_the_page_is_dark_and_can_be_read(request, opened, which):
    path = request.getfixturevalue(which)
    with opened(path) as light, opened(path, color_scheme="dark", bypass_csp=True) as dark:
        looks = [seen.page.evaluate(LOOKS) for seen in (light, dark)]
        page = [
            seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            for seen in (light, dark)
        ]
        found = Axe().run(dark.page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert all(one != other for one, other in zip(*looks))
    bright, low = (np.mean([int(part) for part in re.findall(r"\d+", each)]) for each in page)
    assert bright > 200 > 60 > low
    assert not found.response["violations"]


# by keyboard, and for who does not see it


def test_all_that_opens_and_plays_is_reached_by_keyboard(report, opened):
    with opened(report) as seen:
        reached = []
        for _ in range(40):
            seen.page.keyboard.press("Tab")
            reached.append(seen.page.evaluate("document.activeElement.tagName"))
            if reached[-1] == "SUMMARY":
                break
        assert "AUDIO" in reached and reached[-1] == "SUMMARY"
        assert seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert not seen.page.locator("details ul").first.is_visible()
        seen.page.keyboard.press("Enter")
        assert seen.page.locator("details ul").first.is_visible()


def wait_for(page, part, condition):
    """Wait until something holds; Playwright's own waiting is code that the page forbids."""
    until = time.monotonic() + 10
    while not part.evaluate(condition):
        assert time.monotonic() < until
        page.wait_for_timeout(20)


@pytest.mark.parametrize("size", [PHONE, DESK])
@pytest.mark.parametrize("which", ["report", "hostile", "many"])
def test_axe_finds_nothing(request, opened, which, size):
    with opened(request.getfixturevalue(which), size, bypass_csp=True) as seen:  # it is a script
        found = Axe().run(
            seen.page,
            options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
        )
    assert [
        (rule["id"], node["html"][:80])
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ] == []
    assert len(found.response["passes"]) > 20


# what strangers wrote


def test_no_name_becomes_a_part_of_the_page(trained, hostile, opened):
    # without the policy, which would hide a name that is not escaped
    with opened(hostile, bypass_csp=True, offline=False) as seen:
        seen.page.mouse.move(100, 400)
        seen.page.wait_for_timeout(200)
        names = [displayable(name) for name in HOSTILE]
        assert seen.page.locator("iframe, object, form, input, img, a").count() == 0
        assert seen.page.locator("script").count() == 1
        assert seen.page.locator("svg").count() == seen.page.locator("audio").count() == len(names)
        attributes = seen.page.evaluate(
            "[...new Set([...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()))]"
        )
        texts = {
            which: seen.page.locator(which).evaluate_all("all => all.map(e => e.textContent)")
            for which in ("h3", "#rejected + ul strong")
        }
    assert not seen.dialogs and not seen.said
    assert all(url.startswith("data:") for url in seen.requests[1:])
    assert not [name for name in attributes if name.startswith("on")] and "autofocus" not in (
        attributes
    )
    assert texts["#rejected + ul strong"] == names
    assert texts["h3"] == [
        song.title
        for song in invented(trained_model(trained), np.zeros(len(names)), names=HOSTILE).songs
    ]


# on paper


def test_ten_songs_print_on_two_pages_without_players(report, many, opened, folder):
    html = many.read_text(encoding="utf-8")
    start, end = map(html.index, ('<section aria-labelledby="tested">', '<section class="box"'))
    (folder / "songs.html").write_text(html[:start] + html[end:], encoding="utf-8")
    with opened(folder / "songs.html") as seen:
        pdf = seen.page.pdf(format="A4")
        assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type */Page\b", pdf)) == 2
    with opened(report, color_scheme="dark") as seen:
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("audio >> nth=0").is_visible()


def test_pictures_are_those_of_a_phone_and_differ(report, tmp_path):
    # in a process of its own: one of ours has a browser already
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from hiphoplib.studies.documents import "
            "_browser, _take_pictures; _take_pictures(*sys.argv[1:], _browser())",
            report,
            tmp_path,
        ],
        check=True,
    )
    pictures = {path.stem: plt.imread(path)[..., :3] for path in tmp_path.iterdir()}
    report, song, page = (pictures[f"score_{name}"] for name in ("report", "song", "page"))
    assert report.shape[:2] == song.shape[:2] == (SCALE * HEIGHT, SCALE * WIDTH)
    assert np.abs(report - song).mean() > 0.01
    assert page.shape[1] > 3 * report.shape[1] and np.array_equal(page[:, : SCALE * WIDTH], report)
    assert report.mean() > 0.7 > 0.3 > page[:, -SCALE * WIDTH :].mean()  # light, and dark


def test_without_a_browser_no_pictures_and_one_line(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert main(["pictures"]) == 1
    assert "install one" in capsys.readouterr().err
