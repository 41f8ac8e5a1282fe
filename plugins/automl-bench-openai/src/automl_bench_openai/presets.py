"""What is known of the addresses that speak this protocol: where they are, which key they want, how they differ.

Sources: the providers' own pages on their OpenAI-compatible endpoints, read in November 2026. What an address really
honours is found out by asking it (`probe`), as several answer 200 and leave out what they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of address.

    Attributes:
        base_url: Where it is; empty if the user has to say.
        secret: Name of the secret with its key; empty for none.
        key_header: Header that carries the key.
        model: Model asked by default; empty if the user has to say.
        decisions: Dialects of the decision endpoint that it may have, in the order tried.
        output_limit: Name of the field that bounds the answer.
        reasoning: Effort asked for by default; empty to leave the field out.
        extra: Fields added to every chat request.
    """

    base_url: str = ""
    secret: str = ""
    key_header: str = "Authorization"
    model: str = ""
    decisions: tuple[str, ...] = ()
    output_limit: str = "max_completion_tokens"
    reasoning: str = ""
    extra: tuple[tuple[str, object], ...] = ()


PRESETS: Mapping[str, Preset] = {
    "openai": Preset(
        "https://api.openai.com/v1",
        "openai_key",
        model="gpt-6-luna",
        decisions=("decisions",),
        reasoning="none",
        extra=(("store", False),),
    ),
    "azure": Preset(secret="azure_key", key_header="api-key", reasoning="none"),
    "gemini": Preset(
        "https://generativelanguage.googleapis.com/v1beta/openai", "gemini_key", model="gemini-3.5-flash-lite"
    ),
    "anthropic": Preset("https://api.anthropic.com/v1", "anthropic_key", model="claude-haiku-5-5"),
    "openrouter": Preset(
        "https://openrouter.ai/api/v1",
        "openrouter_key",
        extra=(("provider", {"require_parameters": True, "allow_fallbacks": False}),),
    ),
    "vllm": Preset("http://127.0.0.1:8000/v1"),
    "ollama": Preset("http://127.0.0.1:11434/v1", output_limit="max_tokens"),
    "compatible": Preset(secret="compatible_key", decisions=("decisions", "systemone"), output_limit="max_tokens"),
}
