"""Bad weather between a program and its store: a server that hands requests on, counts them, and
may answer some itself."""

import contextlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from object_store import environment


class Request(NamedTuple):
    """Return the requests."""

    method: str
    path: str
    headers: dict

    @property
    def is_list(self):
        return "list-type=" in self.path

    @property
    def is_shard(self):
        """Return whether it is for a part of a shard."""
        return self.method == "GET" and urlsplit(self.path).path.endswith(".db")


class Weather:
    """A server between a program and a store. `answer` is called with each request and what can
    answer it; it says whether it has done so, and if not, the store answers."""

    def __init__(self, store):
        self.requests, self.answer = [], lambda request, handler: False
        weather, host = self, urlsplit(store.endpoint).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def say(self, status, body=b"", **headers):
                self.send_response(status)
                headers.setdefault("Content-Length", len(body))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, dict(self.headers))
                weather.requests.append(request)
                with contextlib.suppress(ConnectionError):
                    if not weather.answer(request, self):
                        self.hand_on(request, body)

            def hand_on(self, request, body):
                connection = http.client.HTTPConnection(host)
                headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
                connection.request(request.method, request.path, body, {**headers, "Host": host})
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if request.method == "HEAD" else len(content)
                self.send_header("Content-Length", str(length or 0))
                self.end_headers()
                self.wfile.write(content)
                connection.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.environment = environment(self.endpoint)


@contextlib.contextmanager
def between(store):
    """Such a server, as long as this lasts."""
    weather = Weather(store)
    thread = threading.Thread(target=weather.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield weather
    finally:
        weather.server.shutdown()
        weather.server.server_close()
