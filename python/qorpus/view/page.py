"""Pages: a template with values, and the same facts as JSON."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, NamedTuple


class Page(NamedTuple):
    """The contents of a page and of its JSON."""

    template: str
    #: The facts, which are the JSON.
    data: dict[str, Any]
    #: More values for the template.
    shown: dict[str, Any]


def to_json(data: Any) -> str:
    """Write facts as JSON. Bytes are objects with Base64, as Datasette has them."""
    return json.dumps(_plain(data), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, bytes):
        return {"$base64": True, "encoded": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers.
        return {"$float": str(value)}
    return value
