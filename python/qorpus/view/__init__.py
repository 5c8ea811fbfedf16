"""A Datasette plugin with pages about a corpus; `qorpus view` serves them.

In a Datasette of your own, name the corpus in its metadata, and open `/corpus`:

    {"plugins": {"qorpus": {"corpus": "demo.db"}}}
"""

from __future__ import annotations

from typing import Any

from pluggy import HookimplMarker

# Datasette has this marker too; workers, which import this package, do without Datasette.
hookimpl = HookimplMarker("datasette")


@hookimpl  # type: ignore[untyped-decorator]
def register_routes(datasette: Any) -> list[tuple[str, Any]]:
    """Add the pages, if a corpus is configured."""
    from qorpus.view.site import Site
    from qorpus.view.source import Source

    settings = _settings(datasette)
    if "corpus" not in settings:
        return []
    source = Source(settings["corpus"])
    source.refuse_open_databases(datasette.databases.values())
    return Site(source, alone="hosts" in settings).routes()


@hookimpl  # type: ignore[untyped-decorator]
def asgi_wrapper(datasette: Any) -> Any:
    """Refuse requests that are not from this machine's user, where `qorpus view` serves."""
    from qorpus.view.access import Access

    hosts = _settings(datasette).get("hosts")
    return (lambda app: Access(app, hosts)) if hosts else (lambda app: app)


@hookimpl  # type: ignore[untyped-decorator]
def menu_links(datasette: Any) -> list[dict[str, str]]:
    """Add the corpus to Datasette's menu."""
    return [{"href": datasette.urls.path("/corpus"), "label": "Corpus"}] if "corpus" in _settings(datasette) else []


def _settings(datasette: Any) -> dict[str, Any]:
    return datasette.plugin_config("qorpus") or {}
