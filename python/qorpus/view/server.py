"""A server of the pages on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import webbrowser
from typing import Any

import uvicorn
from datasette.app import Datasette
from datasette.plugins import pm

from qorpus import view
from qorpus.errors import Error
from qorpus.view.source import Source

#: The only address that is served.
ADDRESS = "127.0.0.1"


def serve(path: str, port: int | None, open: bool) -> int:
    """Serve a corpus until Ctrl-C.

    Args:
        path: a path of `qorpus.open`, or a file of JSON with a recipe.
        port: the port; by default a free one.
        open: whether to open the first page in the browser.

    Returns:
        The exit status.
    """
    try:
        Source(path)
        listening = _listening(port)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # Uvicorn ends its pages first, and then raises Ctrl-C again.
    with listening, contextlib.suppress(KeyboardInterrupt):
        bound = listening.getsockname()[1]
        asyncio.run(_serve(path, listening, f"http://{ADDRESS}:{bound}/", open))
    return 0


def _listening(port: int | None) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port or 0))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise Error(f"port {port} of {ADDRESS} is not free ({error.strerror}); choose another, or leave out --port") from None
    return listening


async def _serve(path: str, listening: socket.socket, address: str, open: bool) -> None:
    port = listening.getsockname()[1]
    hosts = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
    if not pm.has_plugin("qorpus") and not pm.is_registered(view):
        pm.register(view, "qorpus")
    plugin = {"corpus": path, "hosts": hosts}
    datasette = Datasette([], memory=False, metadata={"plugins": {"qorpus": plugin}}, settings={"default_allow_sql": False})
    config = uvicorn.Config(datasette.app(), log_level="warning", access_log=False, lifespan="on", server_header=False)
    server = _Announced(config, address, open)
    await server.serve(sockets=[listening])


class _Announced(uvicorn.Server):  # type: ignore[misc]
    """A server that prints its address when it answers."""

    def __init__(self, config: Any, address: str, open: bool) -> None:
        super().__init__(config)
        self._address, self._open = address, open

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(f"{self._address}  (Ctrl-C ends it)", flush=True)
        if self._open:
            await asyncio.to_thread(webbrowser.open, self._address)
