"""A server on loopback that answers as a test says, and sessions that reach it by https names."""

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter


@dataclass(frozen=True)
class Request:
    """What somebody asked for."""

    method: str
    host: str
    path: str
    query: dict  # of str to str
    headers: dict  # names in lower case


@dataclass
class Reply:
    """What the server answers: `length` is announced if it is not the body's, `cut` bytes come."""

    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    length: int | None = None
    cut: int | None = None
    delay: float = 0.0  # s before the answer
    pause: float = 0.0  # s between two pieces of the body
    piece: int = 1 << 16


class Server:
    """Answers each request by ``answer(request) -> Reply``; `log` holds [request, reply, sent].

    ``sent`` is the number of body bytes that were about to be handed to the connection.
    """

    def __init__(self, answer):
        self.answer, self.log = answer, []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *of: None  # a client that goes away is no news
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two packets

            def do_GET(self):
                parts = urlsplit(self.path)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(
                    self.command,
                    self.headers.get("Host", ""),
                    parts.path,
                    dict(parse_qsl(parts.query)),
                    {key.lower(): value for key, value in self.headers.items()},
                )
                reply = server.answer(request)
                entry = [request, reply, 0]
                server.log.append(entry)  # before the other side knows of the answer
                time.sleep(reply.delay)
                try:
                    self.send_response(reply.status)
                    for key, value in reply.headers.items():
                        self.send_header(key, value)
                    self.send_header(
                        "Content-Length",
                        str(len(reply.body) if reply.length is None else reply.length),
                    )
                    self.end_headers()
                    body = reply.body if reply.cut is None else reply.body[: reply.cut]
                    for at in range(0, len(body), reply.piece):
                        entry[2] += len(body[at : at + reply.piece])
                        self.wfile.write(body[at : at + reply.piece])
                        time.sleep(reply.pause)
                except OSError:  # the other side went away
                    self.close_connection = True
                if reply.cut is not None:
                    self.close_connection = True

            do_POST = do_GET

            def log_message(self, *arguments):
                pass

        return Handler

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    @property
    def requests(self):
        return [request for request, _, _ in self.log]


def ranged(request, content, **options):
    """The part of `content` that the Range header asks for, or all of it."""
    first, _, last = request.headers.get("range", "").removeprefix("bytes=").partition("-")
    if not first and not last:
        return Reply(200, content, {"Accept-Ranges": "bytes"}, **options)
    start = int(first) if first else max(0, len(content) - int(last))
    end = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= len(content):
        return Reply(416, b"", {"Content-Range": f"bytes */{len(content)}"})
    return Reply(
        206,
        content[start:end],
        {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end - 1}/{len(content)}"},
        **options,
    )


class Reroute(HTTPAdapter):
    """Sends what is meant for a host to the server on loopback instead."""

    def __init__(self, url):
        super().__init__(pool_maxsize=16)
        self.target = url

    def get_connection_with_tls_context(self, request, verify, proxies=None, cert=None):
        return self.poolmanager.connection_from_url(self.target)

    def cert_verify(self, conn, url, verify, cert):
        pass

    def send(self, request, **options):
        request.headers["Host"] = urlsplit(request.url).hostname
        return super().send(request, **options)


def rerouted(url, *hosts):
    """A session that reaches the server at `url` for these hosts, and nobody else."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", Nobody())
    session.mount("https://", Nobody())
    for host in hosts:
        session.mount(f"https://{host}/", Reroute(url))
        session.mount(f"http://{host}/", Reroute(url))
    return session


class Nobody(HTTPAdapter):
    """Refuses: a test must not reach out of this machine."""

    def send(self, request, **options):
        raise AssertionError(f"{request.url}: not to be asked for in a test")


@contextmanager
def serving(answer, *hosts):
    """A running server and a session that reaches it, as a pair."""
    with Server(answer) as server, rerouted(server.url, *hosts) as session:
        yield server, session
