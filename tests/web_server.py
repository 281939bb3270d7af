"""Replies on loopback as a test lists them, among them such as no good server gives."""

import random
import time
from contextlib import ExitStack, contextmanager

from hiphoplib.tracks.sources.web import Web
from tests.loopback import serving

URL = "https://music.example/a/clip.mp3"
CONTENT = random.Random(0).randbytes(300_000)


class Replies:
    """Replies, or functions of the request, in their order; the last one for ever."""

    def __init__(self, *replies):
        self.replies, self.asked, self.times = replies, [], []

    def __call__(self, request):
        self.asked.append(request)
        self.times.append(time.monotonic())
        reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
        return reply(request) if callable(reply) else reply


class Pieces:
    """A body of so many pieces, made as they are sent."""

    def __init__(self, piece, count):
        self.piece, self.count = piece, count

    def __len__(self):
        return self.count << 16

    def __getitem__(self, part):
        return self.piece


ENDLESS = Pieces(bytes(1 << 16), 2_000_000_000 >> 16)  # 2 GB
UNANNOUNCED = {
    "length": "?",
    "headers": {"Transfer-Encoding": "chunked"},
    "body": Pieces(b"10000\r\n" + bytes(1 << 16) + b"\r\n", 2_000_000_000 >> 16),
}


@contextmanager
def reaching():
    """What makes a `Web` that gets these replies, from whatever host is named; `log` of it."""
    with ExitStack() as stack:

        def make(replies, *hosts, **options):
            server, session = stack.enter_context(serving(replies, *(hosts or ("music.example",))))
            made = Web(session, **options)
            made.log = server.log
            return made

        yield make


def sent(asking, count):
    """How many bytes of a body left the server in each of its `count` answers."""
    end = time.monotonic() + 5
    while len(asking.log) < count and time.monotonic() < end:
        time.sleep(0.005)
    return [sent for _, _, sent in asking.log]
