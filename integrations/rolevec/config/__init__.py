"""One file that builds the same encoder and collection in every framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.config.building import Config, LangChainParts, LlamaIndexParts
    from rolevec.config.files import load_config, save_config
    from rolevec.config.settings import CollectionSettings, EncoderSettings, RerankerSettings

__all__ = [
    "CollectionSettings",
    "Config",
    "EncoderSettings",
    "LangChainParts",
    "LlamaIndexParts",
    "RerankerSettings",
    "load_config",
    "save_config",
]

_HOME = {
    "CollectionSettings": "rolevec.config.settings",
    "Config": "rolevec.config.building",
    "EncoderSettings": "rolevec.config.settings",
    "LangChainParts": "rolevec.config.building",
    "LlamaIndexParts": "rolevec.config.building",
    "RerankerSettings": "rolevec.config.settings",
    "load_config": "rolevec.config.files",
    "save_config": "rolevec.config.files",
}

__getattr__, __dir__ = front_door(__name__, _HOME)
