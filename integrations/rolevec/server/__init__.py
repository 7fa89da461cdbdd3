"""The server: Cohere's, OpenAI's and TEI's interfaces over models on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.server.app import create_app
    from rolevec.server.running import serve
    from rolevec.server.settings import (
        KeySettings,
        Limits,
        ModelSettings,
        RerankerSettings,
        Settings,
        load_settings,
    )

__all__ = [
    "KeySettings",
    "Limits",
    "ModelSettings",
    "RerankerSettings",
    "Settings",
    "create_app",
    "load_settings",
    "serve",
]

_HOME = {
    "KeySettings": "rolevec.server.settings",
    "Limits": "rolevec.server.settings",
    "ModelSettings": "rolevec.server.settings",
    "RerankerSettings": "rolevec.server.settings",
    "Settings": "rolevec.server.settings",
    "create_app": "rolevec.server.app",
    "load_settings": "rolevec.server.settings",
    "serve": "rolevec.server.running",
}
_NEEDS = {
    "starlette": ("starlette", "server"),
    "uvicorn": ("uvicorn", "server"),
    "orjson": ("orjson", "server"),
    "prometheus_client": ("prometheus-client", "server"),
}

__getattr__, __dir__ = front_door(__name__, _HOME, _NEEDS)
