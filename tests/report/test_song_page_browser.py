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
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from hiphoplib.cli import main
from hiphoplib.report.song_page import MAX_IN_TABLE, _page
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
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=(
    "no browser: install chromium (apt-get install chromium) to test the report in one"))
PHONE, DESK = (390, 844), (1100, 900)
SAME = 1.5  # px: what rounding moves


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--autoplay-policy=no-user-gesture-required"])
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
    scored = invented(model, np.linspace(0.7, 0.3, len(names)), names=HOSTILE,
                      rejected={name: f"of no use: {name}" for name in names}, others=names)
    songs = folder / "<script>alert(2)<script> & \"My\" songs"
    songs.mkdir()
    write_song(songs / "song.wav", song_of_noise(90, 0, -26))
    for number, song in enumerate(scored.songs):
        path = songs / song.path.name
        path.symlink_to(songs / "song.wav")
        scored.songs[number] = replace(song, path=path)
    scored = replace(scored, folder=songs)
    (folder / "hostile.html").write_text(
        _page(scored, details=len(names), explaining=False), encoding="utf-8")
    return folder / "hostile.html"


@pytest.fixture(scope="module")
def many(folder, trained):
    """As many songs as still have a table of pairs, none shown one by one."""
    scored = invented(trained_model(trained), np.linspace(0.6, 0.5, MAX_IN_TABLE))
    (folder / "many.html").write_text(_page(scored, details=0), encoding="utf-8")
    return folder / "many.html"


# alone on a disk


def test_nothing_is_asked_of_anybody(report, opened):
    with opened(report, offline=False) as seen:
        seen.page.wait_for_timeout(300)  # of a player, for example, that fetches late
    assert seen.requests[0] == report.as_uri()
    assert all(url.startswith("data:") for url in seen.requests[1:]) and not seen.left


def test_without_a_network_all_is_there_and_nothing_complains(report, opened):
    with opened(report, offline=True) as seen:
        images = seen.page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
        assert len(images) == 4 and all(done and width > 300 for done, width in images)
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
        score, name = ([box.bounding_box() for box in seen.page.locator(which_).all()]
                       for which_ in (".name .score", ".name > :first-child"))
        own = seen.page.locator(".name").all()
    assert found.pop("width") <= width
    assert found == {"wide": [], "small": [], "out": [], "cut": []}
    assert len(own) == len(score)
    for right, left in zip(score, name):
        assert left["x"] + left["width"] <= right["x"]


def test_pictures_are_as_wide_as_the_screen_and_sharp(report, opened):
    with opened(report) as seen:
        images = seen.page.evaluate(
            "[...document.images].map(i => [i.getBoundingClientRect().width, i.naturalWidth])")
    for width, pixels in images:
        assert 300 < width <= 390 and pixels >= 1.5 * width


def test_tick_labels_do_not_touch(report, hostile, opened):
    for path in (report, hostile):
        with opened(path, (320, 844)) as seen:
            for scale in seen.page.locator(".ticks").all():
                boxes = [tick.bounding_box() for tick in scale.locator("span").all()]
                assert len(boxes) >= 2
                for one, other in zip(boxes, boxes[1:]):
                    assert one["x"] + one["width"] + 4 < other["x"]


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_bars_and_dots_lie_where_the_numbers_say(trained, report, opened, size):
    songs = scored_folder(trained).songs
    with opened(report, size) as seen:
        def boxes(which):
            return [box.bounding_box() for box in seen.page.locator(which).all()]

        def middle(box):
            return box["x"] + box["width"] / 2

        texts = seen.page.locator(".ticks").first.locator("span").all_inner_texts()
        ticks = dict(zip([int(text.strip("%")) for text in texts],
                         map(middle, boxes(".ticks >> nth=0 >> span"))))
        halves, bars, dots = map(boxes, (".bar .half", ".bar .spread", ".bar .dot"))
    (low, left), *_, (high, right) = sorted(ticks.items())
    assert low < high and len(dots) == len(bars) == len(songs) == 5

    def place(share):
        return left + (100 * share - low) / (high - low) * (right - left)

    for song, half, bar, dot in zip(songs, halves, bars, dots):
        assert half["x"] == pytest.approx(place(0.5), abs=SAME)
        assert middle(dot) == pytest.approx(place(song.score), abs=SAME)
        begin, end = map(place, song.spread)
        assert bar["x"] == pytest.approx(begin, abs=SAME)
        assert bar["x"] + bar["width"] == pytest.approx(max(end, begin + 1), abs=SAME + 1)
    assert [middle(dot) for dot in dots] == sorted(map(middle, dots), reverse=True)


# by keyboard, and for who does not see it


def tabbed(page, most=80):
    """Elements that Tab reaches, one after the other, each as (selector, text)."""
    for _ in range(most):
        page.keyboard.press("Tab")
        yield page.evaluate("[document.activeElement.tagName, document.activeElement.className, "
                            "document.activeElement.innerText]")


def test_the_links_lead_to_their_songs_by_keyboard(report, opened):
    with opened(report) as seen:
        links = seen.page.locator(".ranking a").all_inner_texts()
        assert len(links) == 2
        for name in links:
            seen.page.goto(report.as_uri())
            assert next(True for tag, _, text in tabbed(seen.page) if (tag, text) == ("A", name))
            outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"  # where one is must be seen
            seen.page.keyboard.press("Enter")
            target = seen.page.locator(":target")
            assert target.inner_text() == name
            assert -SAME <= target.bounding_box()["y"] < 844


def wait_for(page, part, condition):
    """Wait until something holds; Playwright's own waiting is code that the page forbids."""
    until = time.monotonic() + 10
    while not part.evaluate(condition):
        assert time.monotonic() < until
        page.wait_for_timeout(20)


def test_the_table_scrolls_by_keyboard_and_keeps_its_names_in_sight(many, opened):
    with opened(many) as seen:
        assert next(True for _, name, _ in tabbed(seen.page) if name == "scroll")
        table, name = (seen.page.locator(which) for which in (".scroll", "th[scope=row] >> nth=0"))
        hidden = table.evaluate("box => box.scrollWidth - box.clientWidth")
        before = name.bounding_box()["x"]
        assert table.get_attribute("tabindex") == "0"  # not every browser stops at what scrolls
        assert hidden > 10 and table.evaluate("box => box.scrollLeft") == 0
        for _ in range(20):
            seen.page.keyboard.press("ArrowRight")
        wait_for(seen.page, table, "box => box.scrollLeft > 10")
        assert name.bounding_box()["x"] == pytest.approx(before, abs=SAME)
        assert seen.page.evaluate("scrollX") == 0


@pytest.mark.parametrize("size", [PHONE, DESK])
@pytest.mark.parametrize("which", ["report", "hostile", "many"])
def test_axe_finds_nothing(request, opened, which, size):
    with opened(request.getfixturevalue(which), size, bypass_csp=True) as seen:  # it is a script
        found = Axe().run(seen.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a",
                                                          "wcag21aa", "best-practice"]})
    assert [(rule["id"], node["html"][:80]) for rule in found.response["violations"]
            for node in rule["nodes"]] == []
    assert len(found.response["passes"]) > 20


# what strangers wrote


def test_no_name_becomes_a_part_of_the_page(hostile, opened):
    # without the policy, which would hide a name that is not escaped
    with opened(hostile, bypass_csp=True, offline=False) as seen:
        seen.page.mouse.move(100, 400)
        seen.page.wait_for_timeout(200)
        names = [displayable(name) for name in HOSTILE]
        assert seen.page.locator("script, iframe, svg, object, form, input").count() == 0
        assert seen.page.locator("img").count() == seen.page.locator("audio").count() == len(names)
        attributes = seen.page.evaluate(
            "[...new Set([...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()))]")
        links = seen.page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        texts = {which: seen.page.locator(which).evaluate_all("all => all.map(e => e.textContent)")
                 for which in (".ranking a", "section > h2[id^=song]", "#rejected + ul strong")}
    assert not seen.dialogs and not seen.said
    assert all(url.startswith("data:") for url in seen.requests[1:])
    assert not [name for name in attributes if name.startswith("on")] and "autofocus" not in (
        attributes)
    assert links == [f"#song-{number + 1}" for number in range(len(names))]
    assert all(found == names for found in texts.values())


# on paper


def test_it_prints_without_players(report, opened):
    with opened(report) as seen:
        assert seen.page.pdf().startswith(b"%PDF")
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("audio >> nth=0").is_visible()


def test_pictures_are_those_of_a_phone_and_differ(report, tmp_path):
    # in a process of its own: one of ours has a browser already
    subprocess.run([sys.executable, "-c", "import sys; from hiphoplib.studies.documents import "
                    "_browser, _take_pictures; _take_pictures(*sys.argv[1:], _browser())",
                    report, tmp_path], check=True)
    pictures = [plt.imread(path) for path in sorted(tmp_path.iterdir())]
    assert len(pictures) == 2
    for picture in pictures:
        assert picture.shape[:2] == (SCALE * HEIGHT, SCALE * WIDTH)
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.01


def test_without_a_browser_no_pictures_and_one_line(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert main(["pictures"]) == 1
    assert "install one" in capsys.readouterr().err
