"""The stand-in takes what the official package sends and nothing else, and the package reads its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from automl_bench_openai.prompts import data_url
from openai_fake import KEY, MODEL, OpenaiFake
from prompt_trial import image_sample


def client(fake: OpenaiFake) -> openai.OpenAI:
    return openai.OpenAI(base_url=fake.url, api_key=KEY, max_retries=0)


def test_the_official_package_is_answered_in_its_own_types(fake: OpenaiFake, tmp_path: Path) -> None:
    image = data_url(image_sample(tmp_path, "green", 1))
    choices: list[Any] = [{"value": "green"}, {"value": "red"}]
    with client(fake) as sdk:
        decision = sdk.decisions.create(
            model=MODEL,
            input=[{"role": "user", "content": [{"type": "input_image", "image_url": image, "detail": "low"}]}],
            questions=[{"type": "choice", "name": "label", "instructions": "Which?", "choices": choices}],
        )
        assert decision.answers[0].choice == "green"  # type: ignore[union-attr]
        answer = sdk.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "system", "content": "The labels are:\ngreen\nred"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]},
            ],
        )
        assert answer.choices[0].message.content == "green"
        assert answer.usage is not None
        assert answer.usage.prompt_tokens > 85
        assert [model.id for model in sdk.models.list()] == [MODEL]


BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
SCHEMA = {"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "a"]}}, "required": ["label"]}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"guided_choice": ["a"]}, 400),
        ({"temperature": "0"}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:,"}]}]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}, 400),
        ({"max_tokens": 5, "reasoning_effort": "none"}, 400),
        ({"temperature": 0.0}, 400),
        ({"model": "gpt-0"}, 404),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, 400),
        ({}, 200),
    ],
)
def test_what_the_types_do_not_allow_is_refused(fake: OpenaiFake, change: dict[str, Any], status: int) -> None:
    answer = requests.post(
        f"{fake.url}/chat/completions",
        data=json.dumps({**BODY, **change}),
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=10,
    )
    assert answer.status_code == status, answer.text


def test_a_wrong_key_is_refused(fake: OpenaiFake) -> None:
    assert requests.get(f"{fake.url}/models", headers={"Authorization": "Bearer no"}, timeout=10).status_code == 401
