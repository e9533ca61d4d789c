"""Names of endpoints, and the addresses behind them.

openai:gpt-4o                                     a known provider
http://localhost:8000/v1#qwen3                    a server and the model on it
https://llm.example.com/v1?api_key_env=LLM_KEY#m  with the variable that holds the key
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Price, Rate, canonical_digest
from weighbridge.records.charge import MOST_USD_PER_MILLION_TOKENS


@dataclass(frozen=True)
class Provider:
    """A known provider: its address, and the variable that holds its key."""

    base_url: str
    api_key_env: str


# Each is the OpenAI-compatible address in the provider's own documentation.
PROVIDERS = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "anthropic": Provider("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Provider("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "gemini": Provider("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "together": Provider("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "xai": Provider("https://api.x.ai/v1", "XAI_API_KEY"),
}

_PRICES = (
    "input_usd_per_million_tokens",
    "output_usd_per_million_tokens",
    "cached_input_usd_per_million_tokens",
)
_QUERY = ("api_key_env", *_PRICES)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class EndpointAddress:
    """One model at one server.

    Attributes:
        base_url: Where the server's API begins, normally with `/v1` at its end.
        model: What the server calls the model.
        api_key_env: The environment variable that holds the key; "" for a server without keys.
        price: From a project file; None takes the published price, if there is one.

    Raises:
        InputError: It is no address, or it carries a secret.
    """

    base_url: str
    model: str
    api_key_env: str = ""
    price: Price | None = None

    def __post_init__(self) -> None:
        parts = _parts(self.base_url)
        if parts.username or parts.password:
            raise InputError(
                f"an address with a name or password in it, at {parts.hostname}",
                "none: addresses are written down with every run",
                "put the key into an environment variable, and name that in api_key_env",
            )
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise InputError(f"endpoint {self.base_url!r}", "http://HOST/v1 or https://HOST/v1")
        if not self.model:
            raise InputError(f"no model named at {self.base_url}", "URL#MODEL, or model = …")
        if self.api_key_env and not _ENV_NAME.fullmatch(self.api_key_env):
            # It may be the key itself, so it is not repeated.
            raise InputError(
                "api_key_env is not the name of an environment variable",
                "a name such as OPENAI_API_KEY, never the key itself",
            )

    @property
    def host(self) -> str:
        """The server, for people."""
        return urlsplit(self.base_url).netloc

    @property
    def here(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def identity(self) -> str:
        """Takes the place of the weights' digest, since only the provider can see the weights."""
        return f"endpoint:{self.base_url.rstrip('/')}#{self.model}"

    @property
    def file_stem(self) -> str:
        """A name for the endpoint's own file."""
        plain = re.sub(r"[^a-z0-9.]+", "-", f"{self.host}-{self.model}".lower()).strip("-.")
        return f"{plain[:60]}--{canonical_digest(self.identity).removeprefix('sha256:')[:10]}"


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.hostname, parts.port
    except ValueError as error:
        saw = f"an endpoint's address that can't be read ({error})"
        raise InputError(saw, "http://HOST/v1 or https://HOST/v1") from error
    return parts


def is_endpoint(spec: str) -> bool:
    """Whether a model's name is an endpoint's."""
    head, colon, _ = spec.partition(":")
    return bool(colon) and (head in PROVIDERS or head in ("http", "https"))


def read_address(spec: str) -> EndpointAddress:
    """Read an endpoint as it is named on the command line.

    Raises:
        InputError: It is not one; says what is missing.
    """
    head, _, rest = spec.partition(":")
    if head in PROVIDERS:
        return at_provider(head, rest)
    parts = _parts(spec)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in query:
        if name not in _QUERY:
            raise UnknownName("key in an endpoint's address", name, _QUERY)
    base = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    price = _stated_price(query)
    return EndpointAddress(base, parts.fragment, query.get("api_key_env", ""), price)


def _stated_price(query: Mapping[str, str]) -> Price | None:
    stated = {name: query[name] for name in _PRICES if name in query}
    if not stated:
        return None
    try:
        usd = {name: float(value) for name, value in stated.items()}
        whole, written = usd[_PRICES[0]], usd[_PRICES[1]]
        cached = usd.get(_PRICES[2], whole)
        if not all(0 <= value <= MOST_USD_PER_MILLION_TOKENS for value in usd.values()):
            raise ValueError
    except (ValueError, KeyError) as error:
        raise InputError(
            "the price in an endpoint's address is not whole",
            f"{_PRICES[0]}=NUMBER&{_PRICES[1]}=NUMBER",
        ) from error
    return Price((Rate(-1, whole, written, cached),), "the address")


def at_provider(name: str, model: str, api_key_env: str = "") -> EndpointAddress:
    """Return the address of a model at a known provider.

    Raises:
        UnknownName: No such provider.
    """
    if name not in PROVIDERS:
        raise UnknownName("provider", name, PROVIDERS, "name its address: https://HOST/v1")
    provider = PROVIDERS[name]
    return EndpointAddress(provider.base_url, model, api_key_env or provider.api_key_env)
