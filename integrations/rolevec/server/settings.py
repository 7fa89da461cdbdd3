"""What a server is made from: one TOML file, or the same as frozen values.

host = "127.0.0.1"
port = 8000

[[models]]
model = "light"                          # anything `load_encoder` takes that runs here
aliases = ["embed-multilingual-v3.0"]    # other names that requests may give

[[rerankers]]
model = "tei:http://127.0.0.1:8081"      # anything `load_scorer` takes
name = "rerank-v3.5"

[[keys]]
name = "app"
sha256 = "…"                             # from: rolevec serve --new-key app
requests_per_minute = 600

[limits]
deadline = 30
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from rolevec.errors import RolevecError
from rolevec.tables import read_table

TokenIds = Literal["cl100k_base", "model"]
OpenAITruncation = Literal["error", "end", "start"]

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """One model.

    Attributes:
        model: as `load_encoder` takes it; a model on this machine.
        name: what requests call it; empty takes the model's own name.
        aliases: further names.
        batch_tokens: most tokens encoded at a time; 0 chooses by the backend.
        workers: threads that encode; they share the one loaded model.
        options: more of what `load_encoder` takes: dimensions, prompts, device, …
    """

    model: str = "light"
    name: str = ""
    aliases: tuple[str, ...] = ()
    batch_tokens: int = 0
    workers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _positive(self, "workers")
        if self.batch_tokens < 0:
            raise ValueError(f"batch_tokens={self.batch_tokens}; it cannot be negative")


@dataclass(frozen=True, slots=True)
class RerankerSettings:
    """One cross-encoder.

    Attributes:
        model: as `load_scorer` takes it.
        name: what requests call it; empty takes the model's own name.
        aliases: further names.
        options: more of what `load_scorer` takes.
    """

    model: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """One API key, of which only the SHA-256 is kept.

    Attributes:
        name: stands in logs in place of the key.
        sha256: hexadecimal.
        requests_per_minute: 0 is no limit.
    """

    name: str
    sha256: str
    requests_per_minute: int = 0

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a key needs a name, which stands in the logs in its place")
        if not _DIGEST.fullmatch(self.sha256):
            raise ValueError(
                f"the key {self.name!r} needs sha256 = 64 hexadecimal digits in lower case, never"
                f" the key itself; make one: rolevec serve --new-key {self.name}"
            )
        if self.requests_per_minute < 0:
            raise ValueError(f"the key {self.name!r}: requests_per_minute cannot be negative")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one request may hold, and on what waits.

    Attributes:
        body_bytes: of one request.
        text_characters: of one text.
        cohere_texts: in one embed request; Cohere's own limit.
        openai_texts: in one request; OpenAI's own limit.
        tei_texts: in one request, as `/info` tells.
        documents: in one rerank request.
        queue_tokens: estimated tokens that may wait for a model; more is answered 429. A request
            is taken whatever its size when nothing waits.
        queue_requests: requests that may wait for a model.
        deadline: seconds from a request's arrival to its answer; later ones are answered 504.
        drain: seconds after SIGTERM in which new connections are still taken, so that clients
            learn from ``Connection: close`` and not from a reset that they must go elsewhere.
    """

    body_bytes: int = 8 << 20
    text_characters: int = 500_000
    cohere_texts: int = 96
    openai_texts: int = 2048
    tei_texts: int = 256
    documents: int = 1000
    queue_tokens: int = 2_000_000
    queue_requests: int = 2048
    deadline: float = 30.0
    drain: float = 1.0

    def __post_init__(self) -> None:
        _positive(self, *(f.name for f in fields(self) if f.name != "drain"))
        if self.drain < 0:
            raise ValueError(f"drain={self.drain}; it cannot be negative")


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole server.

    Attributes:
        host: address to bind; any other than this machine's own needs a key or ``allow_open``.
        port: 0 lets the system choose.
        models: the first is the one for requests that name none.
        rerankers: without one, rerank answers with (1 + cosine) / 2 of the encoder's vectors, and
            says so.
        keys: without one, everybody who reaches the port may ask.
        limits: of requests and queues.
        vendor_names: the names of Cohere's and OpenAI's embedding models, where no model here bears
            them, are answered by the first model, so that an application moves by its URL alone;
            the header ``x-rolevec-model`` says which model answered.
        any_name: a model name that there is not is answered by the first model, not by 404.
        token_ids: whose numbers the OpenAI route takes token ids for: "cl100k_base", which its
            clients send whatever the model, or "model", the model's own tokenizer.
        openai_truncation: what the OpenAI route does with over-long texts: "error" as OpenAI
            does, or drop their "end" or "start".
        origins: browsers on these may ask (CORS); none by default, ("*",) for all.
        public_url: how clients reach this server, for the links in answers; empty takes the
            request's Host.
        open_metrics: `/metrics` asks for no key.
        allow_open: bind ``host`` without a key all the same.
        log_level: "debug", "info" (a line per request), "warning" or "error".
    """

    host: str = "127.0.0.1"
    port: int = 8000
    models: tuple[ModelSettings, ...] = field(default_factory=lambda: (ModelSettings(),))
    rerankers: tuple[RerankerSettings, ...] = ()
    keys: tuple[KeySettings, ...] = ()
    limits: Limits = field(default_factory=Limits)
    vendor_names: bool = True
    any_name: bool = False
    token_ids: TokenIds = "cl100k_base"
    openai_truncation: OpenAITruncation = "error"
    origins: tuple[str, ...] = ()
    public_url: str = ""
    open_metrics: bool = False
    allow_open: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("a server needs at least one model")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                given = getattr(self, name)
                raise ValueError(f"{name}={given!r} is not one of {', '.join(choices)}")
        if not 0 <= self.port < 1 << 16:
            raise ValueError(f"port={self.port} is not between 0 and 65535")
        names = [key.name for key in self.keys]
        if len(set(names)) != len(names):
            raise ValueError("two keys have the same name")

    def check_exposure(self) -> None:
        """Refuse to let everybody in by accident.

        Raises:
            RolevecError: the address is not this machine's own, and there is no key.
        """
        if self.host in _LOCAL or self.keys or self.allow_open:
            return
        raise RolevecError(
            f"host={self.host!r} lets other machines in, and there is no key: whoever reaches the"
            " port could use this server. Set a key (rolevec serve --new-key NAME, or the"
            " environment variable ROLEVEC_API_KEY), or say --allow-open"
            " (allow_open = true) if something in front of it asks for one"
        )


_CHOICES: dict[str, tuple[str, ...]] = {
    "token_ids": get_args(TokenIds),
    "openai_truncation": get_args(OpenAITruncation),
    "log_level": ("debug", "info", "warning", "error"),
}
_LISTS: dict[str, type[Any]] = {
    "models": ModelSettings,
    "rerankers": RerankerSettings,
    "keys": KeySettings,
}


def load_settings(path: str | Path, **changes: Any) -> Settings:
    """Read a TOML file.

    Args:
        path: of the file.
        **changes: win over the file.

    Raises:
        ValueError: the file is no TOML, or holds what there is not; names it.
        OSError: the file cannot be read.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    try:
        return replace(read_settings(data), **changes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_settings(data: Mapping[str, Any]) -> Settings:
    """Settings from what a TOML file holds.

    Raises:
        ValueError: a name or type that there is not.
    """
    parts = dict(data)
    for name, kind in _LISTS.items():
        if name in parts:
            tables = parts[name]
            if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
                raise ValueError(f"{name} is a list of tables: [[{name}]]")
            parts[name] = tuple(read_table(kind, table, f"[[{name}]]") for table in tables)
    if "limits" in parts:
        if not isinstance(parts["limits"], dict):
            raise ValueError("limits is a table: [limits]")
        parts["limits"] = read_table(Limits, parts["limits"], "[limits]")
    return read_table(Settings, parts, "the settings")


def _positive(settings: object, *names: str) -> None:
    for name in names:
        if getattr(settings, name) <= 0:
            raise ValueError(f"{name}={getattr(settings, name)}; it must be positive")
