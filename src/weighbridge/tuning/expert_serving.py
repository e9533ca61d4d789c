"""Which engines load an adapter on routed experts, asked before hours are spent on one.

peft adapts the experts' tensors by `target_parameters`. An engine that doesn't know that key drops
these tensors, some of them in silence, and serves what is nearly the base. What stands here was
read in November 2026 in the threads that are named; a newer release may load what these don't.
"""

from dataclasses import dataclass

from weighbridge.errors import InputError, UnknownName


@dataclass(frozen=True)
class Engine:
    """A program that serves a model with an adapter.

    Attributes:
        name: At the command line.
        loads: Whether it loads such an adapter.
        why: What was read, and where.
    """

    name: str
    loads: bool
    why: str


ENGINES = (
    Engine("weighbridge", True, "BASE+ADAPTER, in any command"),
    Engine("transformers", True, "with peft 0.18 or later, whose format it is"),
    Engine(
        "vllm",
        False,
        "it takes the experts' tensors the other way round and stops, or drops them in silence "
        "(vllm-project/vllm#41384, closed; #52198, open since 13 August 2026)",
    ),
    Engine(
        "sglang",
        False,
        "it drops the experts' tensors unless told to be strict (sgl-project/sglang#25528 and "
        "#27381, both closed)",
    ),
    Engine(
        "llama.cpp",
        False,
        "the author of its adapters advises a merged model for experts (ggml-org/llama.cpp#8332)",
    ),
)


def require_served(engine: str, experts: bool, merged: bool) -> tuple[str, ...]:
    """Check that what would be tuned can be served where it is wanted; return what must be known.

    Args:
        engine: By its name; "" where none is stated.
        experts: Whether the routed experts get an adapter.
        merged: Whether merged weights are written, too, which every engine loads.

    Raises:
        InputError: The engine doesn't load such an adapter.
        UnknownName: It is none of `ENGINES`.
    """
    known = {one.name: one for one in ENGINES}
    if engine and engine not in known:
        raise UnknownName("--serve-with", engine, tuple(known))
    if not experts or merged:
        return ()
    if not engine:
        lacking = ", ".join(one.name for one in ENGINES if not one.loads)
        return (
            "an adapter on routed experts is loaded by weighbridge and by transformers with peft; "
            f"for {lacking}, merge it (as of November 2026)",
        )
    if not known[engine].loads:
        raise InputError(
            f"--serve-with {engine}, and an adapter on routed experts: {known[engine].why}",
            "an engine that loads one, or merged weights",
            "add --merge FOLDER, or leave --experts out",
        )
    return ()
