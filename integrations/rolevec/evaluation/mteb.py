"""Any MTEB task, with every text under the role that it has there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rolevec.encoders.protocol import Encoder
from rolevec.errors import MissingExtra, RolevecError
from rolevec.roles import Role
from rolevec.vectors import Matrix

# Types of task whose texts are encoded for what is done with them, not for a search.
_ROLES = {
    "Classification": Role.CLASSIFICATION,
    "MultilabelClassification": Role.CLASSIFICATION,
    "Regression": Role.CLASSIFICATION,
    "Clustering": Role.CLUSTERING,
}
_BLANK = "(blank)"


def role_of(task_type: str, prompt_type: str | None) -> Role:
    """The role of a text in an MTEB task.

    What MTEB calls a query or a document is one. Classification and clustering have roles of their
    own. All else compares texts that are equals (bitext, STS, pairs, summaries), and these are
    documents, as in `rolevec.evaluation.evaluate`.

    Args:
        task_type: ``TaskMetadata.type``, such as "Retrieval" or "STS".
        prompt_type: "query", "document" or None.
    """
    if prompt_type is not None:
        return Role.QUERY if prompt_type == "query" else Role.DOCUMENT
    return _ROLES.get(task_type, Role.DOCUMENT)


class MTEBEncoder:
    """An encoder as `mteb.evaluate` takes one (its ``EncoderProtocol``).

    A role for which the model has no prompt is encoded under that of documents, as the model's
    prompts say (`rolevec.prompts.Prompts`). MTEB's data hold blank texts, which no encoder of ours
    takes: they are encoded as "(blank)".

    Args:
        encoder: any.

    Attributes:
        mteb_model_meta: what MTEB keeps beside the results, from the model's card. Its revision
            names the fingerprint, so that the cache of results never answers for another model,
            other prompts or another dimension.

    Raises:
        MissingExtra: mteb is not installed.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.mteb_model_meta = model_meta(encoder)

    def encode(
        self,
        inputs: Iterable[dict[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **options: Any,
    ) -> Matrix:
        """Vectors of the texts in batches, shape (n, dim).

        Args:
            inputs: batches, of which "text" is a list.
            task_metadata: whose ``type`` decides the role where ``prompt_type`` does not.
            hf_split, hf_subset: not needed.
            prompt_type: MTEB's PromptType, or None.
            **options: "batch_size" and "show_progress_bar" are taken, others left.

        Raises:
            RolevecError: a batch holds no texts, such as one of images.
        """
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise RolevecError(
                    f"{task_metadata.name} holds {', '.join(sorted(batch))} and no text;"
                    f" {self.encoder.name} reads text"
                )
            texts += [text if text and not text.isspace() else _BLANK for text in batch["text"]]
        asked = None if prompt_type is None else str(getattr(prompt_type, "value", prompt_type))
        return self.encoder.encode(
            texts,
            role_of(task_metadata.type, asked),
            batch_size=options.get("batch_size"),
            progress=bool(options.get("show_progress_bar")),
        )

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all rows with all rows, shape (n, m)."""
        one, other = _rows(embeddings1), _rows(embeddings2)
        return one @ other.T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines row by row, shape (n,)."""
        one, other = _rows(embeddings1), _rows(embeddings2)
        return np.einsum("ij,ij->i", one, other)


def model_meta(encoder: Encoder) -> Any:
    """MTEB's ``ModelMeta`` of an encoder, from its card and fingerprint.

    Raises:
        MissingExtra: mteb is not installed.
    """
    mteb = _mteb()
    card, fingerprint = encoder.card, encoder.fingerprint
    name = encoder.name if "/" in encoder.name else f"rolevec/{encoder.name}"
    return mteb.models.ModelMeta(
        loader=None,
        name=name.replace(":", "-"),
        revision=fingerprint.digest,
        release_date=card.date or None,
        languages=None,  # MTEB wants scripts, which cards do not tell
        n_parameters=None,
        memory_usage_mb=None,
        max_tokens=encoder.max_tokens,
        embed_dim=encoder.dim,
        license=_license(card.license, mteb),
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=[],
        reference=card.source if card.source.startswith("https://") else None,
        similarity_fn_name="cosine",
        use_instructions=bool(fingerprint.prompts),
        training_datasets=None,
    )


def run_mteb(
    encoder: Encoder,
    tasks: Sequence[Any],
    *,
    cache: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Any:
    """Run MTEB tasks.

    Args:
        encoder: any.
        tasks: names of tasks, which fetch their data from the Hugging Face hub, or task objects.
        cache: a folder for results, from which a run that was done before is answered; None keeps
            none.
        progress: show MTEB's bars.
        **options: further ones of `mteb.evaluate`.

    Returns:
        MTEB's ``ModelResult``.

    Raises:
        MissingExtra: mteb is not installed.
        KeyError: no task has that name.
    """
    mteb = _mteb()
    names = [task for task in tasks if isinstance(task, str)]
    found = iter(mteb.get_tasks(tasks=names) if names else ())
    return mteb.evaluate(
        MTEBEncoder(encoder),
        [next(found) if isinstance(task, str) else task for task in tasks],
        cache=None if cache is None else mteb.ResultCache(cache_path=Path(cache)),
        show_progress_bar=progress,
        **options,
    )


def _license(name: str, mteb: Any) -> str | None:
    """As MTEB spells it; None where it has no word for it."""
    known = get_args(mteb.models.model_meta.Licenses)
    spelled = name.lower()
    return spelled if spelled in known else None


def _mteb() -> Any:
    try:
        import mteb
    except ImportError as error:
        raise MissingExtra("mteb", "eval") from error
    return mteb


def _rows(embeddings: Any) -> Matrix:
    return np.asarray(embeddings, dtype=np.float32)
