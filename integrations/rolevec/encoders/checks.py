"""What an encoder promises, checked on the encoder itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rolevec.encoders.base import BaseEncoder
from rolevec.encoders.caching import CachedEncoder
from rolevec.encoders.protocol import Encoder, encode_with_report
from rolevec.encoders.static import StaticEncoder
from rolevec.encoders.tokens import TokenEncoder
from rolevec.errors import InputTooLong, MissingPrompts, RolevecError
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationWarning
from rolevec.vectors import Matrix

_PROBES = (
    "How do plants turn light into energy?",
    "Die Bank am Fluss öffnet erst um neun Uhr.",
    "光合作用は植物が光をエネルギーに変える仕組みである。",
    "The committee postponed its decision because two of the members were travelling.",
    "ok",
)
_SEARCH = (Role.QUERY, Role.DOCUMENT)
_UNIT_TOLERANCE = 1e-5
# Below this many tokens an over-long text costs one short forward pass.
_LONGEST_PROBE = 8192
_AnyEncoder = TypeVar("_AnyEncoder", bound=BaseEncoder)


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, whether it holds, and what was seen."""

    name: str
    passed: bool
    detail: str


def check_encoder(encoder: Encoder) -> list[Check]:
    """Encode a few texts and compare the results with what every encoder promises.

    Returns:
        one `Check` per promise; one that raised has not passed, and its error is the detail.
    """
    inner = encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
    checks: list[tuple[str, Callable[[Encoder], tuple[bool, str]]]] = [
        ("backend", _backend),
        ("dimension", _dimension),
        ("finite", _finite),
        ("unit length", _unit_length),
        ("order", _order),
        ("batch equals singles", _batch),
        ("roles", _roles),
        ("prompts applied", _prompts_applied),
        ("truncation reported", _truncation),
    ]
    return [_run(name, check, inner) for name, check in checks]


def prove_roles(encoder: BaseEncoder) -> None:
    """Make sure that a query and a document reach the model differently, if the model has roles.

    Tokens are compared, which costs no forward pass; of a static model, whose tokens may be
    unknown to its table, the vectors. Other backends are not asked.

    Raises:
        MissingPrompts: the prompts differ, what the model sees does not.
    """
    if not encoder.prompts.distinguish or not isinstance(encoder, TokenEncoder):
        return
    probe = [_PROBES[0]]
    queries, documents = (encoder.token_ids(probe, role) for role in _SEARCH)
    same = queries == documents
    if isinstance(encoder, StaticEncoder) and not same:
        # Below `encode`, for a probe over the model's limit is not the caller's concern.
        query, document = (encoder._rows(probe, r, None, lambda _: None)[0] for r in _SEARCH)
        same = np.array_equal(query, document)
    if same:
        raise MissingPrompts(
            f"{encoder.name} has prompts {encoder.prompts.to_dict()!r}, but its tokenizer turns a"
            " query and a document into the same tokens; pass prompts= that it can tell apart,"
            " or the same one for both roles"
        )


def _run(name: str, check: Callable[[Encoder], tuple[bool, str]], encoder: Encoder) -> Check:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)
            passed, detail = check(encoder)
    except RolevecError as error:
        passed, detail = False, f"{type(error).__name__}: {error}"
    return Check(name, passed, detail)


def _backend(encoder: Encoder) -> tuple[bool, str]:
    words = [getattr(encoder, "backend", "") or type(encoder).__name__]
    words += [
        str(getattr(encoder, key)) for key in ("device", "precision") if hasattr(encoder, key)
    ]
    return True, f"{', '.join(words)}: {encoder.fingerprint.describe()}"


def _dimension(encoder: Encoder) -> tuple[bool, str]:
    shapes = [encoder.encode(texts, Role.DOCUMENT).shape for texts in (_PROBES, ())]
    expected = [(len(_PROBES), encoder.dim), (0, encoder.dim)]
    agree = encoder.fingerprint.dim == encoder.dim
    return shapes == expected and agree, f"{encoder.dim}; fingerprint {encoder.fingerprint.dim}"


def _finite(encoder: Encoder) -> tuple[bool, str]:
    vectors = encoder.encode(_PROBES, Role.DOCUMENT)
    return bool(np.isfinite(vectors).all()), f"{vectors.dtype}, {vectors.size} numbers"


def _unit_length(encoder: Encoder) -> tuple[bool, str]:
    vectors = encoder.encode(_PROBES, Role.DOCUMENT).astype(np.float64)
    off = float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max())
    return off <= _UNIT_TOLERANCE, f"lengths are off by {off:.1e} at most"


def _order(encoder: Encoder) -> tuple[bool, str]:
    together, alone = _together_and_alone(encoder)
    closest = (together @ alone.T).argmax(axis=1).tolist()
    return closest == list(range(len(_PROBES))), f"positions found: {closest}"


def _batch(encoder: Encoder) -> tuple[bool, str]:
    together, alone = _together_and_alone(encoder)
    allowed = getattr(encoder, "tolerance", BaseEncoder.tolerance)
    off = float(np.abs(together - alone).max())
    return off <= allowed, f"coordinates differ by {off:.1e} at most ({allowed:.0e} allowed)"


def _together_and_alone(encoder: Encoder) -> tuple[Matrix, Matrix]:
    alone = [encoder.encode([text], Role.DOCUMENT) for text in _PROBES]
    return encoder.encode(_PROBES, Role.DOCUMENT), np.concatenate(alone)


def _roles(encoder: Encoder) -> tuple[bool, str]:
    queries = encoder.encode(_PROBES, Role.QUERY)
    documents = encoder.encode(_PROBES, Role.DOCUMENT)
    cosines = np.sum(queries * documents, axis=1)
    seen = f"cosine of a text as query and as document {cosines.min():.4f} to {cosines.max():.4f}"
    differ = not np.allclose(queries, documents, atol=1e-6)
    if not Prompts(encoder.fingerprint.prompts).distinguish:
        # Some APIs take the role as a field; theirs differ without a prompt to be seen.
        return True, seen if differ else "the model has no roles: a query is like a document"
    return differ, seen


def _prompts_applied(encoder: Encoder) -> tuple[bool, str]:
    prompts = Prompts(encoder.fingerprint.prompts)
    if not any(prompts.values()):
        return True, "the model has no prompts"
    if not isinstance(encoder, TokenEncoder):
        return True, "cannot be seen from outside this backend"
    bare = _without_prompts(encoder)
    for role in Role:
        by_hand = prompts.apply(_PROBES, role)
        if encoder.token_ids(_PROBES, role) != bare.token_ids(by_hand, role):
            return False, f"tokens under {role} are not those of the prompt and the text"
        if any(prompts.parts(role)) and not _longer(encoder, bare, role):
            return False, f"the prompt of {role} adds no token"
    passed = _same_vectors(encoder, bare)
    return passed, "; ".join(f"{role} {template!r}" for role, template in prompts.items())


def _same_vectors(encoder: TokenEncoder, bare: TokenEncoder) -> bool:
    """The prompt put in by the encoder and by hand make one vector."""
    limit = encoder.max_tokens
    counts = encoder.count_tokens(_PROBES, Role.QUERY)
    # A text that is cut keeps its prompt, put in by hand it may lose it.
    whole = [t for t, n in zip(_PROBES, counts, strict=True) if limit is None or n <= limit]
    by_hand = bare.encode(encoder.prompts.apply(whole, Role.QUERY), Role.QUERY)
    return np.allclose(encoder.encode_queries(whole), by_hand, atol=encoder.tolerance)


def _longer(encoder: TokenEncoder, bare: TokenEncoder, role: Role) -> bool:
    pairs = zip(encoder.count_tokens(_PROBES, role), bare.count_tokens(_PROBES, role), strict=True)
    return all(prompted > plain for prompted, plain in pairs)


def _without_prompts(encoder: _AnyEncoder) -> _AnyEncoder:
    """The same loaded model without prompts; copy.copy would load it a second time."""
    bare = object.__new__(type(encoder))
    bare.__dict__.update(encoder.__dict__, prompts=Prompts())
    return bare


def _truncation(encoder: Encoder) -> tuple[bool, str]:
    limit = encoder.max_tokens
    if limit is None:
        return True, "the model has no limit, or does not tell"
    if not getattr(encoder, "tells_truncation", True):
        return True, "not tried: the provider does not tell what it cuts"
    if limit > _LONGEST_PROBE:
        return True, f"not tried: the limit is {limit} tokens"
    policy = getattr(encoder, "truncation", "")
    try:
        report = encode_with_report(encoder, ["ok", "word " * 2 * limit], Role.DOCUMENT).truncation
    except InputTooLong as error:
        return policy == "error", str(error)
    kept_all = policy == "split"
    passed = report.dropped[0] == 0 and (report.dropped[1] == 0) == kept_all
    return passed, f"{report.dropped[1]} tokens dropped over {limit}, policy {policy!r}"
