"""The stand-in as the conformance kit wants a service, for embeddings."""

from __future__ import annotations

from collections.abc import Mapping

from openai_fake import KEY
from openai_service import OpenaiService


class EmbedService(OpenaiService):
    """A `LoopbackService` over a running stand-in."""

    def environment(self) -> Mapping[str, str]:
        keys = dict.fromkeys(("EMBED_API_KEY", "JINA_API_KEY", "CO_API_KEY", "VOYAGE_API_KEY"), KEY)
        return {"EMBED_BASE_URL": self.fake.url, **keys}
