"""Where an endpoint is, which key opens it, and how patiently it is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self
from urllib.parse import urlsplit

from rolevec.encoders.remote.usage import UsageHook
from rolevec.encoders.remote.waiting import Backoff
from rolevec.errors import AuthenticationError


@dataclass(frozen=True, slots=True)
class Provider:
    """Facts about one kind of endpoint.

    Attributes:
        name: in messages, usage and fingerprints.
        base_url: the vendor's own; None if everybody runs their own.
        url_variables: environment variables that name another one.
        key_variables: environment variables that hold the key, first wins.
    """

    name: str
    base_url: str | None
    url_variables: tuple[str, ...]
    key_variables: tuple[str, ...]


@dataclass(frozen=True)
class Connection:
    """A provider, an address, a key and limits.

    The key appears in no repr, and neither it nor the hook is pickled: the other side reads the
    key from its own environment.

    Attributes:
        provider: whose dialect is spoken.
        base_url: without a slash at its end.
        timeout: seconds for one request from its beginning to the last byte of the answer.
        max_retries: repetitions of a request that was answered 408, 429 or 5xx, or not at all.
        requests_per_minute: shared by all encoders of this process with that key and host.
        tokens_per_minute: likewise.
        concurrency: most requests under way at once.
        backoff: waits between repetitions; a number sets the first one, in seconds.
        on_usage: called with a `Usage` after every call.
        key: None for an endpoint that wants none.
    """

    provider: Provider
    base_url: str
    timeout: float = 60.0
    max_retries: int = 5
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 8
    backoff: Backoff = field(default_factory=Backoff)
    on_usage: UsageHook | None = field(default=None, repr=False, compare=False)
    key: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        provider: Provider,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        backoff: Backoff | float | None = None,
        **limits: Any,
    ) -> Self:
        """Fill in what the environment says, and check all of it.

        Raises:
            ValueError: an address or number that makes no sense.
            AuthenticationError: the vendor's own endpoint, and no key.
        """
        named = next(filter(None, map(os.environ.get, provider.url_variables)), None)
        url = _checked_url(base_url or named or provider.base_url or "", provider)
        key = _checked_key(api_key or _key_from_environment(provider))
        if key is None and url == provider.base_url:
            raise AuthenticationError(
                f"{provider.name} asks for a key: {_how_to_give_one(provider)}", status=0
            )
        given = {name: value for name, value in limits.items() if value is not None}
        for name, value in given.items():
            if name != "on_usage":
                _check_number(name, value)
        if backoff is not None and not isinstance(backoff, Backoff):
            _check_number("backoff", backoff)
            backoff = Backoff(base=float(backoff))
        return cls(provider, url, backoff=backoff or Backoff(), key=key, **given)

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.base_url).netloc

    @property
    def is_vendor(self) -> bool:
        """True at the vendor's own address."""
        return self.base_url == self.provider.base_url

    @property
    def hint(self) -> str:
        """What to do about a key that was refused."""
        return _how_to_give_one(self.provider)

    def moved(self, base_url: str) -> Self:
        """The same at another address."""
        return replace(self, base_url=base_url)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        # Never changed, and a copy must not lose the key.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return _reopen, ({**state, "key": None, "on_usage": None},)


def _reopen(state: dict[str, Any]) -> Connection:
    return Connection(**{**state, "key": _key_from_environment(state["provider"])})


def _key_from_environment(provider: Provider) -> str | None:
    return next(filter(None, map(os.environ.get, provider.key_variables)), None)


def _how_to_give_one(provider: Provider) -> str:
    return f"give a key as api_key= or in the environment as {' or '.join(provider.key_variables)}"


def _checked_url(url: str, provider: Provider) -> str:
    parts = urlsplit(url.strip())
    # Without the address in the message: it may hold a password.
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            f"the base_url for {provider.name} holds a user name, a query or a fragment;"
            " leave those out and pass the key as api_key="
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address for {provider.name}; it starts with http(s)://")
    return url.strip().rstrip("/")


def _checked_key(key: str | None) -> str | None:
    key = (key or "").strip()
    if not all("!" <= char <= "~" for char in key):
        raise ValueError("the api_key holds a blank or a character that no HTTP header can carry")
    return key or None


_WHOLE = frozenset({"concurrency", "max_retries"})
_MAY_BE_ZERO = frozenset({"backoff", "max_retries"})


def _check_number(name: str, value: Any) -> None:
    kinds = (int,) if name in _WHOLE else (int, float)
    number = isinstance(value, kinds) and not isinstance(value, bool)
    # Written so that NaN fails.
    if not number or not (value >= 0 if name in _MAY_BE_ZERO else value > 0):
        kind = "whole number" if name in _WHOLE else "number"
        bound = "0 or more" if name in _MAY_BE_ZERO else "above 0"
        raise ValueError(f"{name}={value!r}; it is a {kind}, {bound}")
