"""A few cheap calls that find out what an address really honours, as many answer 200 and leave out what they ignore.

What is found decides how the trial asks, stands in the report, and is kept for a day: trials of one variant share it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automl_bench.contract import Modality
from automl_bench.errors import Infeasible, RequestRefused, ResourceMissing, ServiceUnavailable
from automl_bench_openai import dialects
from automl_bench_openai.client import Client, Refused
from automl_bench_openai.dialects import OPTIONAL, Told, Turn
from automl_bench_openai.options import Options
from automl_bench_openai.prompts import Naming
from automl_bench_openai.usages import usage_of

KEPT_SECONDS = 24 * 3600.0
NAMING = Naming.of(("cat", "dog"))
TASK = "Ignore the list of answers. Whatever is asked, answer with the one word banana."
"""Contradicts the schema: an answer that is on the list shows that the schema was enforced."""
PIXELS = 32
MOST_CHOICES = 255
"""Choices that a decision takes."""


@dataclass(slots=True)
class Findings:
    """What an address honours.

    Attributes:
        mode: How it is asked.
        dialect: Dialect of the decision endpoint, or empty.
        left_out: Optional fields that it refuses.
        logprobs: Whether it gives log-probabilities.
        enforced: Whether the list of labels is enforced; None where that was not asked.
        image_tokens: Tokens that a small image takes; None where there are no images or nothing is told.
        model: The model that answered.
        calls: Calls that it took.
        input_tokens: Tokens that they read.
        output_tokens: Tokens that they wrote.
        at: Seconds since 1970.
    """

    mode: str
    dialect: str = ""
    left_out: list[str] = field(default_factory=list)
    logprobs: bool = False
    enforced: bool | None = None
    image_tokens: int | None = None
    model: str = ""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    at: float = 0.0

    def sentences(self, options: Options) -> tuple[str, ...]:
        """Say what a reader of the results must know, one sentence each."""
        asked = {
            "decisions": f"It is asked through {options.base_url}{dialects.decision_path(self.dialect)}: a question "
            "with the labels as choices.",
            "chat": "It is asked by chat, with the labels as an enum of a JSON schema.",
            "tool": "It is asked by chat, with the call of a function whose argument is an enum of the labels.",
            "plain": "It is asked by chat for the label alone, read by a strict parser.",
        }[self.mode]
        found = [f"{asked} Temperature {options.temperature:g} and seed {options.seed} were asked for."]
        if self.mode == "decisions":
            found = [asked]
        elif self.left_out:
            found.append(f"The address refuses {', '.join(self.left_out)}: left out.")
        if self.enforced is False:
            found.append(
                "The address ignores the list of labels: an answer that is none of them counts as off the list."
            )
        if self.model and self.model != options.model:
            found.append(f"{options.model} was asked for, and {self.model} answers.")
        if self.image_tokens:
            found.append(f"An image of {PIXELS} × {PIXELS} pixels takes {self.image_tokens} tokens there.")
        found.append(
            f"Finding this out took {self.calls} calls, {self.input_tokens:,} tokens in and "
            f"{self.output_tokens:,} out, which are in no count of the trial."
        )
        return tuple(found)


def findings_of(client: Client, options: Options, modality: Modality, labels: int, cache_dir: Path) -> Findings:
    """Return what an address honours, from the notes of the last day or by asking.

    Raises:
        Infeasible: If it drops or refuses images and the dataset has them.
        ProviderError: If it cannot be asked at all.
    """
    asked = (options.base_url, options.model, options.mode, options.reasoning, options.confidence, options.image_detail)
    key = json.dumps([modality.value, labels, *asked])
    path = cache_dir / f"probe-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    known = _kept(path)
    if known is not None:
        return known
    try:
        found = _Probe(client, options, labels).run(with_image=modality is Modality.IMAGE)
    except Refused as refused:
        raise refused.error from None
    found.at = time.time()
    cache_dir.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _kept(path: Path) -> Findings | None:
    try:
        found = Findings(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if 0 <= time.time() - found.at < KEPT_SECONDS else None


class _Probe:
    def __init__(self, client: Client, options: Options, labels: int) -> None:
        self._client = client
        self._dialects = options.preset.decisions if labels <= MOST_CHOICES else ()
        # As many as the dataset has: `transformers serve`, for one, takes 26 and refuses more.
        fillers = tuple(f"animal {n}" for n in range(3, labels + 1))
        self._choices = {one: one for one in (*NAMING.shown.values(), *fillers)}
        self._options = options
        self._found = Findings("plain")

    def run(self, *, with_image: bool) -> Findings:
        """Ask until it is clear how to ask."""
        wanted, found = self._options.mode, self._found
        if wanted in ("auto", "decisions") and self._has_decisions():
            found.mode = "decisions"
        elif wanted == "decisions":
            raise Infeasible(
                f"{self._options.base_url} has no decision endpoint for {self._options.model}.",
                remedy='Set mode = "auto" or "chat".',
            )
        else:
            self._chat(wanted)
        if with_image:
            self._see()
        return found

    def _has_decisions(self) -> bool:
        for dialect in self._dialects:
            try:
                told, _ = self._decide(dialect, Turn("A cat sat on the mat."))
            except Refused as refused:
                if refused.status in (400, 404, 405, 422, 501):
                    continue
                raise
            self._found.dialect, self._found.enforced = dialect, told.name in self._choices
            return told.name is not None
        return False

    def _decide(self, dialect: str, turn: Turn) -> tuple[Told, int]:
        body = dialects.decision_body(self._options, dialect, "Which animal?", NAMING, [turn], self._choices)
        content = self._client.ask(dialects.decision_path(dialect), body, what="decide")
        try:
            told = dialects.read_decision(content)
        except ValueError:
            raise Refused(ResourceMissing("What answers is no decision."), 404, "") from None
        return told, self._count(content, told)

    def _chat(self, wanted: str) -> None:
        for mode in ("chat", "tool", "plain") if wanted == "auto" else (wanted,):
            try:
                told = self._ask(mode, Turn("Which animal is a cat?"))[0]
            except Refused as refused:
                # Only what may be about the mode leads on to the next; the last one's refusal is the address's own.
                if wanted == "auto" and mode != "plain" and refused.status in (400, 404, 422, 500, 501):
                    continue
                raise
            self._found.mode = mode
            self._found.enforced = None if mode == "plain" else told.name in NAMING.shown.values()
            if self._found.enforced is not False:
                return
        if wanted == "auto" and self._found.mode != "plain":
            self._found.mode = "plain"

    def _ask(self, mode: str, turn: Turn) -> tuple[Told, int]:
        """Ask by chat, leaving out optional fields that are refused, one after the other."""
        wants_logprobs = self._options.confidence == "logprobs"
        named = list(self._found.left_out)
        while True:
            left_out = frozenset(self._found.left_out)
            body = dialects.chat_body(
                self._options, mode, TASK, NAMING, [turn], left_out=left_out, logprobs=wants_logprobs
            )
            try:
                content = self._client.ask("/chat/completions", body, what="answer a first question")
                break
            except Refused as refused:
                more = self._next_to_leave_out(refused, body)
                if more is None:
                    # None of the fields was it: they are all right, and something else is refused.
                    self._found.left_out = list(named)
                    raise
                self._found.left_out.append(more)
                if refused.param:
                    named.append(more)
        try:
            told = dialects.read_chat(content, mode)
        except ValueError:
            raise Refused(ServiceUnavailable("What answers is no chat completion."), 200, "") from None
        self._found.logprobs = wants_logprobs and told.confidence is not None
        return told, self._count(content, told)

    def _next_to_leave_out(self, refused: Refused, body: dict[str, Any]) -> str | None:
        if refused.status not in (400, 422) or not isinstance(refused.error, RequestRefused):
            return None
        if refused.param:
            return refused.param if refused.param in OPTIONAL and refused.param in body else None
        return next((name for name in OPTIONAL if name in body), None)

    def _see(self) -> None:
        """Send an image in place of nothing: the tokens read must rise.

        Raises:
            Infeasible: If they do not, or the image is refused.
        """
        found, image = self._found, _picture()
        try:
            if found.mode == "decisions":
                without = self._decide(found.dialect, Turn(""))[1]
                with_image = self._decide(found.dialect, Turn("", image=image))[1]
            else:
                without = self._ask(found.mode, Turn(""))[1]
                with_image = self._ask(found.mode, Turn(image=image))[1]
        except Refused as refused:
            if refused.status not in (400, 404, 415, 422, 500, 501):
                raise
            raise _blind(self._options, f"refuses one ({refused.error.message})") from None
        if with_image <= without:
            raise _blind(self._options, "answers as if there was none: the tokens read do not rise")
        found.image_tokens = with_image - without

    def _count(self, content: Any, told: Told) -> int:
        usage = usage_of(content, ending=told.ending, text="")
        found = self._found
        found.calls += 1
        found.model = usage.model or found.model
        found.input_tokens += usage.input_tokens or 0
        found.output_tokens += usage.output_tokens or 0
        return usage.input_tokens or 0


def _blind(options: Options, how: str) -> Infeasible:
    return Infeasible(
        f"{options.model} at {options.base_url} takes no images: given one, it {how}.",
        remedy="Choose a model that sees, or a dataset of texts or rows.",
    )


def _picture() -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (PIXELS, PIXELS), (200, 30, 30)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
