"""rolevec: role-aware multilingual embeddings for LangChain, LlamaIndex and Qdrant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

if TYPE_CHECKING:
    from rolevec.config.building import Config
    from rolevec.config.files import load_config
    from rolevec.documents import JSON, Document, Hit
    from rolevec.encoders.loading import load_encoder, register_encoder
    from rolevec.encoders.protocol import Encoder
    from rolevec.encoders.scoring import load_scorer
    from rolevec.errors import RolevecError
    from rolevec.evaluation.runner import evaluate
    from rolevec.fingerprint import Fingerprint
    from rolevec.indexing.bulk import index_corpus
    from rolevec.indexing.report import IndexReport
    from rolevec.models.card import ModelCard
    from rolevec.prompts import Prompts
    from rolevec.qdrant.adding import AddReport
    from rolevec.qdrant.collection import Collection
    from rolevec.qdrant.migration import MigrationReport
    from rolevec.qdrant.stores import list_collections
    from rolevec.ranking.clustering.cluster import Clusters, cluster
    from rolevec.ranking.rerank import arerank, rerank, rerank_many
    from rolevec.roles import Role
    from rolevec.truncation import TruncationReport, TruncationWarning
    from rolevec.vectors import Matrix

__version__ = "0.1.0.dev0"

# Public name -> the module that defines it; nothing is imported before it is asked for.
_HOME = {
    "AddReport": "rolevec.qdrant.adding",
    "Clusters": "rolevec.ranking.clustering.cluster",
    "Collection": "rolevec.qdrant.collection",
    "Config": "rolevec.config.building",
    "Document": "rolevec.documents",
    "Encoder": "rolevec.encoders.protocol",
    "Fingerprint": "rolevec.fingerprint",
    "Hit": "rolevec.documents",
    "IndexReport": "rolevec.indexing.report",
    "JSON": "rolevec.documents",
    "Matrix": "rolevec.vectors",
    "MigrationReport": "rolevec.qdrant.migration",
    "ModelCard": "rolevec.models.card",
    "Prompts": "rolevec.prompts",
    "Role": "rolevec.roles",
    "RolevecError": "rolevec.errors",
    "TruncationReport": "rolevec.truncation",
    "TruncationWarning": "rolevec.truncation",
    "arerank": "rolevec.ranking.rerank",
    "cluster": "rolevec.ranking.clustering.cluster",
    "evaluate": "rolevec.evaluation.runner",
    "index_corpus": "rolevec.indexing.bulk",
    "list_collections": "rolevec.qdrant.stores",
    "load_config": "rolevec.config.files",
    "load_encoder": "rolevec.encoders.loading",
    "load_scorer": "rolevec.encoders.scoring",
    "register_encoder": "rolevec.encoders.loading",
    "rerank": "rolevec.ranking.rerank",
    "rerank_many": "rolevec.ranking.rerank",
}

__all__ = [
    "AddReport",
    "Clusters",
    "Collection",
    "Config",
    "Document",
    "Encoder",
    "Fingerprint",
    "Hit",
    "IndexReport",
    "JSON",
    "Matrix",
    "MigrationReport",
    "ModelCard",
    "Prompts",
    "Role",
    "RolevecError",
    "TruncationReport",
    "TruncationWarning",
    "arerank",
    "cluster",
    "evaluate",
    "index_corpus",
    "list_collections",
    "load_config",
    "load_encoder",
    "load_scorer",
    "register_encoder",
    "rerank",
    "rerank_many",
]

__getattr__, _ = front_door(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
