"""Requests that a server on loopback answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: The sources that a page may load: its own style and script, and nothing of another site.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Access:
    """An ASGI application that passes on only requests for this server, which change nothing.

    Another site can make a browser send requests to loopback, under a name of its own that resolves
    to 127.0.0.1. Their Host or Sec-Fetch-Site gives them away.
    """

    def __init__(self, app: Any, hosts: Iterable[str]) -> None:
        self._app, self._hosts = app, {host.encode() for host in hosts}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)  # type: ignore[no-any-return]
        if scope["type"] != "http":
            return None
        if refusal := self._refusal(scope):
            return await _answer(send, *refusal)

        async def guarded(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        return await self._app(scope, receive, guarded)  # type: ignore[no-any-return]

    def _refusal(self, scope: dict[str, Any]) -> tuple[int, str] | None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name == b"host" and name in headers:
                return 400, "The request has two Host headers."
            headers[name] = value
        if headers.get(b"host", b"").lower() not in self._hosts:
            return 421, "This server answers only requests for the address that 'qorpus view' printed. Open that address."
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "This server only shows a corpus; it answers GET and HEAD."
        if headers.get(b"sec-fetch-site") == b"cross-site" and headers.get(b"sec-fetch-mode") != b"navigate":
            return 403, "Pages of other sites may not read this server."
        return None


async def _answer(send: Any, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
