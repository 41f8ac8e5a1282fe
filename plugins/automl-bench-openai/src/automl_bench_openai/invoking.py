"""How one sample is asked about: one request, which the host sends and times."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from automl_bench.contract import HttpRequest, HttpResponse, LabelledSample, Prediction, Sample, TrialContext
from automl_bench.errors import RequestRefused
from automl_bench.toolkit.answers import unreadable
from automl_bench_openai import dialects, tokens
from automl_bench_openai.client import Client
from automl_bench_openai.dialects import Told, Turn
from automl_bench_openai.examples import Examples, embedding_vector
from automl_bench_openai.failures import SERVICE, error_for, fault_of, read_json
from automl_bench_openai.options import Options
from automl_bench_openai.probe import Findings, findings_of
from automl_bench_openai.prompts import Naming, data_url, sample_text, task_text
from automl_bench_openai.usages import image_was_dropped, usage_of

WHAT = "classify a sample"
LONGEST_LABEL = 200
"""Characters kept of an answer that is none of the labels."""
ANSWER_TOKENS = 20


@dataclass(frozen=True, slots=True)
class PromptInvoker:
    """Asks a model about one sample at a time.

    Attributes:
        options: The variant.
        findings: What the address honours.
        headers: Headers with the key.
        task: What the model is told of the task.
        naming: How labels are called.
        examples: The labelled samples to choose from.
        context: The trial.
    """

    options: Options
    findings: Findings
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    task: str
    naming: Naming
    examples: Examples
    context: TrialContext = field(repr=False)

    @classmethod
    def of(cls, context: TrialContext) -> PromptInvoker:
        """Find out what the address honours, and return the invoker.

        Raises:
            ProviderError: If the address cannot be asked; Infeasible if it takes no images and there are some.
            InvalidSetting: If the variant or its prompt cannot be used.
        """
        options = Options.of(context)
        headers = options.headers(context)
        client = Client(options, headers)
        try:
            findings = findings_of(client, options, context.modality, len(context.labels), context.cache_dir)
        finally:
            client.close()
        naming = Naming.of(context.labels)
        return cls(
            options=options,
            findings=findings,
            headers=headers,
            task=task_text(
                context, naming, findings.mode, self_report=options.confidence == "self", file=options.prompt_file
            ),
            naming=naming,
            examples=_examples(context, options),
            context=context,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know."""
        from automl_bench_openai.prices import ending_words

        shown = {0: "No example is shown.", -1: "As many examples as fit are shown, in one order."}
        by = ", by embeddings" if self.options.examples_by == "embedding" else ""
        examples = shown.get(self.options.examples, f"The {self.options.examples} nearest examples{by} are shown.")
        ending = ending_words(self.options.model)
        return (*self.findings.sentences(self.options), examples, *([ending] if ending else []))

    def prepare(self, sample: Sample) -> HttpRequest:
        """Build the request: the task, the examples that fit, the sample.

        Raises:
            OSError: If a file cannot be read.
            RequestRefused: If the sample alone is over the token budget.
        """
        turns = [*self._shown(sample), self._turn(sample)]
        if self.findings.mode == "decisions":
            names = {shown: label for label, shown in self.naming.shown.items()}
            path = dialects.decision_path(self.findings.dialect)
            body = dialects.decision_body(self.options, self.findings.dialect, self.task, self.naming, turns, names)
        else:
            path = "/chat/completions"
            body = dialects.chat_body(
                self.options,
                self.findings.mode,
                self.task,
                self.naming,
                turns,
                left_out=frozenset(self.findings.left_out),
                logprobs=self.findings.logprobs,
            )
        return HttpRequest(
            f"{self.options.base_url}{path}",
            headers=self.headers,
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            timeout_seconds=self.options.timeout_seconds,
        )

    def _turn(self, sample: Sample, label: str | None = None) -> Turn:
        words = sample_text(sample, self.context.columns)
        answer = None if label is None else self.naming.shown[label]
        return Turn(image=data_url(sample), answer=answer) if words is None else Turn(words, answer=answer)

    def _shown(self, sample: Sample) -> list[Turn]:
        """Return the examples that fit into the token budget; what does not fit is left out from the front."""
        left = self.options.token_budget - tokens.of_text(self.task) - self._tokens(sample)
        if left < 0:
            raise RequestRefused(
                f"The sample takes more than the {self.options.token_budget:,} tokens of token_budget.",
                remedy="Raise token_budget.",
            )
        kept: list[LabelledSample] = []
        for one in reversed(self.examples.for_sample(sample)):
            left -= self._tokens(one.sample) + ANSWER_TOKENS + tokens.MESSAGE_TOKENS
            if left < 0:
                break
            kept.append(one)
        return [self._turn(one.sample, one.label) for one in reversed(kept)]

    def _tokens(self, sample: Sample) -> int:
        words = sample_text(sample, self.context.columns)
        if words is not None:
            return tokens.of_text(words)
        return tokens.of_image(sample, self.options.image_detail, self.options.image_tokens)

    def parse(self, response: HttpResponse) -> Prediction:
        """Read the answer: a label, or why there is none.

        Raises:
            ProviderError: The class that fits the status or the error body.
        """
        content = read_json(response.body)
        fault = fault_of(content)
        if response.status >= 400 or (fault is not None and not _is_answer(content)):
            hidden = [value.removeprefix("Bearer ") for name, value in self.headers if name != "Content-Type"]
            raise error_for(response.status, content, response.headers, what=WHAT, hidden=hidden)
        if not isinstance(content, dict):
            raise unreadable(SERVICE, WHAT)
        try:
            if self.findings.mode == "decisions":
                told = dialects.read_decision(content)
            else:
                told = dialects.read_chat(content, self.findings.mode)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            raise unreadable(SERVICE, WHAT) from None
        return self._prediction(content, told)

    def _prediction(self, content: dict[str, Any], told: Told) -> Prediction:
        blind = self.context.modality == "image" and image_was_dropped(content)
        ending = "image_dropped" if blind else told.ending
        usage = usage_of(content, ending=ending, text=told.text)
        if told.name is None or blind or told.ending not in ("stop", "length"):
            return Prediction(None, None, usage=usage)
        label = self.naming.label_of(told.name)[:LONGEST_LABEL]
        scores = {self.naming.label_of(name): score for name, score in (told.scores or {}).items()}
        sure = told.confidence if self.options.confidence != "none" else None
        return Prediction(label, sure, scores if self.options.confidence != "none" else {}, usage)


def _examples(context: TrialContext, options: Options) -> Examples:
    """Return the trial's examples.

    Raises:
        Infeasible: If they are to be chosen by embeddings and a package for that is missing.
    """
    training = context.training_set
    labelled = (*training.train, *training.validation) if training is not None else ()
    vector = None
    if options.examples > 0 and labelled and options.examples_by == "embedding":
        vector = embedding_vector(context.modality, context.columns, context.cache_dir)
    return Examples(labelled, options.examples, context.columns, context.seed, vector)


def _is_answer(content: Any) -> bool:
    return isinstance(content, dict) and ("choices" in content or "answers" in content) and not content.get("error")
