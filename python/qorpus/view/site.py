"""The addresses of the pages."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from datasette import Response

from qorpus import __version__
from qorpus._ranges import Ranges
from qorpus.errors import Error, MissingRecord
from qorpus.view import overview, query, record, records, search
from qorpus.view.page import Page, to_json
from qorpus.view.refusal import Refusal
from qorpus.view.sample import Sample, sample
from qorpus.view.source import Source
from qorpus.view.worker import Workers

#: Seconds for which the ids that exist are remembered, while records may be added.
REMEMBERED = 2.0

STATIC = {"view.css": "text/css; charset=utf-8", "view.js": "text/javascript; charset=utf-8"}

Build = Callable[["Site", Any], Awaitable[Page]]


class Site:
    """The pages of one corpus.

    Args:
        source: the records.
        alone: whether nothing else is served, so that "/" leads here and other addresses nowhere.
    """

    def __init__(self, source: Source, alone: bool) -> None:
        self.source, self._alone = source, alone
        self.workers = Workers(source.path)
        self._ranges: tuple[float, Ranges] | None = None
        self._sample: tuple[int, Sample] | None = None
        folder = Path(__file__).parent / "static"
        self._static = {name: (folder / name).read_text("utf-8") for name in STATIC}
        self._digest = hashlib.sha256("".join(self._static.values()).encode()).hexdigest()[:12]

    def routes(self) -> list[tuple[str, Any]]:
        """Return patterns of paths, each with a view."""
        pages: dict[str, Build] = {
            r"/corpus": overview.page,
            r"/corpus/records": records.page,
            r"/corpus/record/(?P<id>[^/]{1,40}?)": record.page,
            r"/corpus/search": search.page,
            r"/corpus/sql": query.page,
        }
        routes = [(rf"^{pattern}(?P<json>\.json)?$", self._view(build)) for pattern, build in pages.items()]
        routes.append((r"^/corpus/static/(?P<name>[^/]+)$", self._file))
        if self._alone:
            routes += [(r"^/$", self._home), (r"^/.*$", self._view(_nowhere))]
        return routes

    async def ranges(self) -> Ranges:
        """Return the ids that exist."""
        if self._ranges is None or (not self.source.is_computed and time.monotonic() - self._ranges[0] > REMEMBERED):
            self._ranges = time.monotonic(), await asyncio.to_thread(self.source.ranges)
        return self._ranges[1]

    async def sample(self) -> Sample:
        """Return a sample of the records that exist."""
        ranges = await self.ranges()
        if self._sample is None or self._sample[0] != len(ranges):
            self._sample = len(ranges), await asyncio.to_thread(sample, self.source, ranges)
        return self._sample[1]

    def _view(self, build: Build) -> Any:
        async def view(request: Any, datasette: Any) -> Any:
            try:
                page = await build(self, request)
                status = page.shown.get("status", 200)
            except (Refusal, Error) as refusal:
                status, sentence = _refused(refusal)
                page = Page("refusal", {"error": sentence}, {})
            except Exception as error:
                # A defect: nothing that a page raises on purpose.
                print(f"error: {request.path}: {type(error).__name__}: {error}", file=sys.stderr)
                status = 500
                page = Page("refusal", {"error": f"This page failed because of a defect ({type(error).__name__})."}, {})
            if request.url_vars.get("json"):
                return Response(to_json(page.data), status, content_type="application/json; charset=utf-8")
            values = {**page.data, **page.shown, "site": self, "search": request.args.get("q") or "", "here": page.template}
            values |= {"digest": self._digest, "version": __version__, "source": self.source}
            html = await datasette.render_template(f"corpus_{page.template}.html", values, request=request)
            return Response.html(html, status)

        return view

    async def _file(self, request: Any) -> Any:
        name = request.url_vars["name"]
        if name not in STATIC:
            return Response.text("There is no such file.\n", 404)
        return Response(self._static[name], 200, content_type=STATIC[name])

    async def _home(self) -> Any:
        return Response.redirect("/corpus")


def _refused(refusal: Refusal | Error) -> tuple[int, str]:
    if isinstance(refusal, Refusal):
        return refusal.status, refusal.sentence
    sentence = str(refusal)
    return 404 if isinstance(refusal, MissingRecord) else 400, sentence[:1].upper() + sentence[1:].rstrip(".") + "."


async def _nowhere(site: Site, request: Any) -> Page:
    raise Refusal(404, "There is no such page. The corpus is at /corpus.")
