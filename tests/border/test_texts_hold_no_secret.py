"""A planted secret is found nowhere, in whichever words and whichever encoding a service or an SDK quotes it."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
from pathlib import Path

import pytest
from broken_plugins import HEAD, write
from quoted_secrets import ENCODINGS, MORE_ENCODINGS, WORDS, leaks
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.border import texts
from automl_bench.border.texts import HIDDEN, clean, loggable, printable, remember, scrub
from automl_bench.errors import ExitCode

SECRET = 'pl4nted/S3cret+of"the&account=='
SESSION = "IQoJb3JpZ2luX2VjPlantedSessionTokenOfTheSdk1234567890"
PLUGIN = """
import logging
from automl_bench.errors import RequestRefused, TransientProviderError
from quoted_secrets import ENCODINGS

@hookimpl
def describe_provider():
    described = toy_cloud.describe_provider()
    return dataclasses.replace(described, name={name!r}, settings=(
        Setting("key", "Key.", env="PLANTED_KEY", secret=True, required=True),))

def words(context):
    context.hide(SESSION)
    return {words!r}.format(*[ENCODINGS[{encoding!r}](secret) for secret in (context.secrets("key"), SESSION)])

SESSION = open(os.environ["PLANTED_FILE"]).read()

@hookimpl
def {hook}({arguments}):
    said = words(context)
    logging.getLogger("sdk.wire").debug("> %s", said)
    context.log(said)
    context.progress(1, None, said)
    print(said)
    {ending}
"""
ENDINGS = {
    "upload": ("context, training_set", "raise RequestRefused(said, remedy=said, request_id=said)"),
    "train": ("context", "return Operation(OperationState.FAILED, message=said)"),
    "deploy": ("context", "raise RuntimeError(said)"),
    "invoke": (
        "context, endpoint",
        "return type('I', (), {'call': lambda self, sample: (_ for _ in ()).throw(TransientProviderError(said))})()",
    ),
}


def planted(site: Path) -> list[str]:
    """Install a plugin for each kind of words and encoding; what it does with them differs, too."""
    names = []
    hooks = list(ENDINGS)
    for place, words in enumerate(WORDS):
        for number, encoding in enumerate(ENCODINGS):
            name = f"s{place:02d}{number}"
            hook = hooks[(place + number) % len(hooks)]
            arguments, ending = ENDINGS[hook]
            head = HEAD.partition("@hookimpl")[0]
            source = PLUGIN.format(
                name=name, words=words, encoding=encoding, hook=hook, arguments=arguments, ending=ending
            )
            write(site, name, head + source)
            names.append(name)
    return names


@pytest.mark.slow  # a run with forty-nine providers, and every command that shows or exports it
@pytest.mark.timeout(400)
def test_forty_eight_errors_that_quote_two_secrets_leave_them_nowhere(tmp_path: Path) -> None:
    make_workspace(tmp_path, train=4, test=2)
    site = install_toy(tmp_path)
    names = planted(site)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text(SESSION)
    environment = {**command_environment(tmp_path, site), "PLANTED_KEY": SECRET, "PLANTED_FILE": str(outside)}
    environment["PYTHONWARNINGS"] = "ignore"
    listed = ", ".join(f'"{name}"' for name in (*names, "toy"))
    experiment = write_experiment(
        tmp_path,
        f'datasets = ["tiny"]\nproviders = [{listed}]\nshots = [2]\n[invoke]\nmax_attempts = 1\nwarm_up = 0\n'
        "[parallel]\nenabled = false\n"
        "[deadlines]\nupload_hours = 0.001\ntrain_hours = 0.001\ndeploy_hours = 0.001\nmeasure_hours = 0.01\n",
    )
    outputs: list[subprocess.CompletedProcess[str]] = []

    def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
        outputs.append(command(*arguments, environment=environment, cwd=tmp_path, timeout=180))
        return outputs[-1]

    ran = typed("--debug", "run", str(experiment), "--json")
    # Some of the errors say nothing of the work: it is left as it is, and named.
    assert ran.returncode == ExitCode.RESOURCES_LEFT, ran.stderr
    assert json.loads(ran.stdout)["tally"]["done"] > 0
    assert HIDDEN in ran.stdout
    few = write_experiment(
        tmp_path,
        experiment.read_text().partition("\n")[2].replace(listed, ", ".join(f'"{name}"' for name in names[:8])),
        name="few",
    )
    for arguments in (
        ("run", str(few)),
        ("status",),
        ("status", "--json"),
        ("results", "--trials"),
        ("resources",),
        ("--debug", "upload", names[0], "tiny", "2"),
        ("report", "few"),
        ("export",),
        ("export", "--format", "json"),
        ("export", "--format", "markdown"),
    ):
        typed(*arguments)
    texts_seen = {f"output {number}": (one.stdout + one.stderr).encode() for number, one in enumerate(outputs)}
    assert all(b"\x1b" not in text for text in texts_seen.values())
    texts_seen |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(name.endswith(".sqlite") for name in texts_seen)
    assert any(name.endswith("report.html") for name in texts_seen)
    assert leaks(texts_seen, (SECRET, SESSION)) == []


def test_a_file_of_an_older_automl_bench_gives_no_secret_away(tmp_path: Path) -> None:
    make_workspace(tmp_path, train=4, test=2)
    site = install_toy(tmp_path)
    environment = {**command_environment(tmp_path, site), "OLD_API_KEY": SECRET}
    experiment = write_experiment(
        tmp_path, 'datasets = ["tiny"]\nproviders = ["toy"]\nshots = [2]\n[parallel]\nenabled = false\n'
    )
    command("run", str(experiment), environment=environment, cwd=tmp_path)
    with sqlite3.connect(tmp_path / "results" / "automl-bench.sqlite") as connection:
        connection.execute("UPDATE trials SET status = 'failed', reason = ?", (f"the key {SECRET} is wrong",))
    connection.close()
    for arguments in (("status",), ("status", "--json"), ("results", "--json")):
        ended = command(*arguments, environment=environment, cwd=tmp_path)
        assert ended.returncode == ExitCode.OK
        assert SECRET not in ended.stdout
        assert SECRET[5:-5] not in ended.stdout


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_known", set())
    monkeypatch.setattr(texts, "_written", ())


@pytest.mark.usefixtures("nothing_known")
@pytest.mark.parametrize("lead", range(7))
@pytest.mark.parametrize("tail", range(4))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_known_at_every_place_within_other_bytes(lead: int, tail: int, encode: object) -> None:
    remember(SECRET)
    text = encode(b"l" * lead + SECRET.encode() + b"t" * tail).decode()  # type: ignore[operator]
    assert HIDDEN in scrub(text)
    assert base64.b64encode(SECRET.encode()).decode()[4:-6] not in scrub(text)


@pytest.mark.usefixtures("nothing_known")
@pytest.mark.parametrize("encoding", MORE_ENCODINGS)
def test_a_secret_that_was_cut_leaves_nothing_that_gives_it_away(encoding: str) -> None:
    remember(SECRET)
    said = MORE_ENCODINGS[encoding](SECRET)
    assert leaks({"uncleaned": f"it said {said}".encode()}, [SECRET]), "it would not be found"
    for cut in range(1, len(said)):
        for part in (said[:cut], said[cut:]):
            for text in (clean(f"it said {part} and stopped"), loggable(f"it said {part} and stopped")):
                assert leaks({"cleaned": text.encode()}, [SECRET]) == [], text
                assert text.startswith("it said")
                assert text.endswith("and stopped")


@pytest.mark.usefixtures("nothing_known")
def test_what_is_too_short_or_unknown_stays() -> None:
    remember("abc")
    assert scrub("abc is a word") == "abc is a word"
    assert clean("a token of thanks; the key to it: patience") == "a token of thanks; the key to it: patience"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x-amz-security-token:FwoGZXIvYXdzEXAMPLE other", f"x-amz-security-token:{HIDDEN} other"),
        ("Authorization: Bearer ya29.abcdefgh and more", f"Authorization: Bearer {HIDDEN} and more"),
        ("https://a.invalid/b?sv=1&sig=AbC%2Bdef%3D&se=2", f"https://a.invalid/b?sv=1&sig={HIDDEN}&se=2"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_-9 expired", f"token {HIDDEN} expired"),
    ],
)
@pytest.mark.usefixtures("nothing_known")
def test_what_looks_like_a_credential_goes_even_if_nobody_announced_it(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "escape",
    ["\x1b[31m", "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;http://evil.invalid\x1b\\", "\x9b31m", "\x07", "\r", "\u202e"],
)
def test_a_terminal_is_told_nothing(escape: str) -> None:
    assert printable(f"a{escape}b") == "ab"
    assert clean(f"a{escape}b") in ("ab", "a b")


def test_words_are_bounded() -> None:
    assert len(clean("word " * 100_000)) == texts.LONGEST_TEXT
