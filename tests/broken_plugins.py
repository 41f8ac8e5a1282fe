"""Sixty plugins that are broken, each in one way: the toy cloud with one thing replaced."""

# ruff: noqa: E501  # a table: one plugin a line
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = """
import dataclasses, os, subprocess, sys, threading, time
import toy_cloud
from toy_cloud import *
from automl_bench.contract import *
from automl_bench.hookspecs import hookimpl

MORE = frozenset()


@hookimpl
def describe_provider():
    described = toy_cloud.describe_provider()
    return dataclasses.replace(described, name={name!r}, capabilities=described.capabilities | MORE)

"""
REPLACED = """
_right = {hook}

@hookimpl
def {hook}({arguments}):
    {body}
"""
ARGUMENTS = {
    "check_access": "context",
    "price": "context",
    "upload": "context, training_set",
    "train": "context",
    "deploy": "context",
    "poll": "context, operation",
    "invoke": "context, endpoint",
    "list_resources": "context, prefix",
    "delete_resource": "context, resource",
    "export_manifest": "context, dataset, entries",
    "parallel": "context, endpoint, lanes",
    "trial_started": "trial",
    "stage_finished": "trial, stage",
    "invocation_recorded": "trial, invocation",
    "experiment_finished": "name, results",
    "report_sections": "results",
    "register_datasets": "",
    "cautions": "context",
    "wake": "context, endpoint",
    "resource_scope": "context",
    "embed_images": "paths, cache_dir",
    "experiment_started": "name, trials, folder",
    "load_run_finished": "trial, load_run",
    "register_commands": "app",
}
CALLER = """
class Odd:
    def __init__(self, label):
        self.label = label

    def call(self, sample):
        {body}

@hookimpl
def invoke(context, endpoint):
    return Odd(toy_cloud.invoke(context, endpoint).label)
"""
ENSURE = """
@hookimpl
def upload(context, training_set):
    context.resources.ensure({kind}, find=lambda name: None, create=lambda name: {create}, name="automl-bench-" + context.trial_id)
    return toy_cloud.upload(context, training_set)

@hookimpl
def list_resources(context, prefix):
    return []
"""
SENDER = """
class Odd:
    def prepare(self, sample):
        {prepare}

    def parse(self, response):
        {parse}

@hookimpl
def invoke(context, endpoint):
    return Odd()
"""


@dataclass(frozen=True)
class Broken:
    """One broken plugin.

    Attributes:
        what: What is wrong.
        source: The rest of its module.
        words: What the one sentence says of it; "" if its trial ends well all the same.
        place: What the sentence names after the plugin: the hook, or what it gave.
    """

    what: str
    source: str
    words: str = ""
    place: str = ""


def hook(name: str, body: str, words: str, *, more: str = "") -> Broken:
    """Return a plugin with one hook replaced."""
    right = f"{name} = getattr(toy_cloud, {name!r}, None)\n"
    source = right + more + REPLACED.format(hook=name, arguments=ARGUMENTS[name], body=body)
    return Broken(f"{name}: {body}", source, words, name)


def call(body: str, words: str) -> Broken:
    """Return a plugin whose CallInvoker is broken."""
    return Broken(f"call: {body}", CALLER.format(body=body), words, "call of its invoker")


def send(prepare: str, words: str, parse: str = "return Prediction('red', 1.0)") -> Broken:
    """Return a plugin whose HttpInvoker is broken."""
    return Broken(
        f"prepare: {prepare}; parse: {parse}",
        SENDER.format(prepare=prepare, parse=parse),
        words,
        "prepare of its invoker",
    )


SUCCEEDED = "return Operation(OperationState.SUCCEEDED, "
CHECKS = "MORE = frozenset({Capability.CHECK_ACCESS})\n"
LANES = "MORE = frozenset({Capability.PARALLEL})\n"
MANIFESTS = "MORE = frozenset({Capability.EXPORT_MANIFEST})\n"
THREAD = "threading.Thread(target=time.sleep, args=(60,)).start(); "

OF_A_TRIAL: list[Broken] = [
    *(hook(name, "raise RuntimeError('boom')", "raised RuntimeError: boom") for name in ("upload", "train", "deploy")),
    *(hook(name, "raise KeyError('state')", "raised KeyError: 'state'") for name in ("poll", "invoke")),
    *(hook(name, "sys.exit(0)", "called sys.exit(0)") for name in ("upload", "train", "deploy", "poll", "invoke")),
    hook("train", "raise SystemExit", "called sys.exit()"),
    hook("train", "raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    hook("deploy", "raise GeneratorExit", "raised GeneratorExit"),
    hook("deploy", "raise type('Own', (BaseException,), {})('odd')", "raised Own: odd"),
    hook("upload", "raise RecursionError", "raised RecursionError"),
    hook("check_access", "sys.exit('no')", "called sys.exit('no')", more=CHECKS),
    hook("check_access", "return True", "returned True, not an AccessReport", more=CHECKS),
    hook(
        "check_access",
        "return AccessReport('yes')",
        "returned an AccessReport whose ok is 'yes', not bool",
        more=CHECKS,
    ),
    hook("check_access", "return AccessReport(True, notes=[1])", "whose notes is", more=CHECKS),
    hook("upload", "return None", "is declared but not implemented, or returned None"),
    hook("upload", "return {'state': 'succeeded'}", "returned a value of type dict, not an Operation"),
    hook("upload", "return Operation('succeeded')", "returned an Operation whose state is 'succeeded'"),
    hook("train", SUCCEEDED + "token=7)", "returned an Operation whose token is 7, not str"),
    hook("train", SUCCEEDED + "result=['x'])", "returned an Operation whose result is a value of type list"),
    hook("train", SUCCEEDED + "result={'x': float('nan')})", "is a mapping that is no JSON"),
    hook("train", SUCCEEDED + "result={'x': object()})", "is a mapping that is no JSON"),
    hook("train", SUCCEEDED + "result={1: 'x'})", "a mapping whose keys are not all text"),
    hook("train", SUCCEEDED + "work_seconds='12')", "whose work_seconds is '12', not a number"),
    hook("train", SUCCEEDED + "work_seconds=float('inf'))", "whose work_seconds is inf, not a finite number"),
    hook("train", SUCCEEDED + "work_seconds=-1)", "whose work_seconds is -1, less than 0"),
    hook("train", SUCCEEDED + "message=b'done')", "whose message is a value of type bytes, not str"),
    hook("train", "return Operation(OperationState.RUNNING)", "returned an Operation that is running and has no token"),
    hook("poll", "return Operation(OperationState.RUNNING, token='t', poll_after='1')", "whose poll_after is '1'"),
    Broken(
        "ensure: create gives a dict",
        ENSURE.format(kind="'x'", create="{'name': name}"),
        "returned a value of type dict",
        "find or create of a resource",
    ),
    Broken(
        "ensure: a price in words",
        ENSURE.format(kind="'x'", create="Resource('x', name, hourly_usd='1.5')"),
        "whose hourly_usd is '1.5'",
        "find or create of a resource",
    ),
    Broken(
        "ensure: a kind of None",
        ENSURE.format(kind="None", create="Resource('x', name)"),
        "whose kind is None",
        "ensure of a resource",
    ),
    hook("invoke", "return 'https://somewhere'", "returned neither an HttpInvoker nor a CallInvoker"),
    hook("invoke", "return lambda sample: None", "returned neither an HttpInvoker nor a CallInvoker"),
    call("return Prediction(self.label, 'high')", "returned a Prediction whose confidence is 'high'"),
    call("return Prediction(self.label, float('nan'))", "returned a Prediction whose confidence is nan"),
    call("return Prediction(self.label, 97.5)", "returned a Prediction whose confidence is 97.5"),
    call("return Prediction(self.label, True)", "returned a Prediction whose confidence is True"),
    call("return Prediction(3, 0.5)", "returned a Prediction whose label is 3"),
    call("return Prediction(float('nan'), 0.5)", "returned a Prediction whose label is nan"),
    call("return Prediction('x' * 5000, 0.5)", "returned a Prediction whose label is 'xxx"),
    call("return Prediction(self.label, 0.5, {'red': 'much'})", "returned a Prediction whose scores hold"),
    call("return Prediction(self.label, 0.5, [0.5])", "returned a Prediction whose scores are"),
    call("return self.label", "returned '"),
    call("return None", "returned None, not a Prediction"),
    call("sys.exit(3)", "called sys.exit(3)"),
    call("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    send("return {'url': 'http://127.0.0.1:9'}", "returned a value of type dict"),
    send("return HttpRequest('file:///etc/passwd')", "whose url is not an http or https address"),
    send("return HttpRequest('http://127.0.0.1:9', body='text')", "whose body is str, not bytes"),
    send("return HttpRequest('http://127.0.0.1:9', headers={'a': 'b'})", "whose headers are dict"),
    send("return HttpRequest('http://127.0.0.1:9', headers=(('a', 'b\\r\\nc'),))", "is not one line of text"),
    send("return HttpRequest('http://127.0.0.1:9', timeout_seconds=None)", "without a time limit"),
    send("return HttpRequest('http://127.0.0.1:9', timeout_seconds=float('nan'))", "with a time limit of nan"),
    send("raise SystemExit(1)", "called sys.exit(1)"),
    # What these do is none of anybody's business: their trials end well, and nothing else is disturbed.
    hook("upload", "print('{{{ not json'); return _right(context, training_set)", ""),
    hook("train", "os.write(1, b'{{{ not json'); return _right(context)", ""),
    hook("deploy", "subprocess.run(['echo', '{{{ not json']); return _right(context)", ""),
    hook("poll", "sys.stdout.buffer.write(b'{{{'); time.sleep(0.05); return _right(context, operation)", ""),
    hook("invoke", THREAD + "return _right(context, endpoint)", ""),
    call("print('{{{ not json'); return Prediction('no such class', 0.5)", ""),
    call("return Prediction(None, 0.0)", ""),
    call("return Prediction('=cmd()\\x1b[31m', 1)", ""),
    hook("price", "return [Price('call', '0.01', '1 call', '2026-11-01', 'x')]", ""),
    hook("trial_started", "sys.exit(0)", ""),
    hook("stage_finished", "raise KeyboardInterrupt", ""),
    hook("invocation_recorded", "raise RuntimeError('observer')", ""),
    hook("experiment_finished", "sys.exit(0)", ""),
    hook("report_sections", "return ['<p>text</p>']", ""),
    hook("register_datasets", "return [DatasetSource('../../x', 'a', 'b', 'c', path='/tmp')]", ""),
]
"""Plugins that load, and whose trial fails for its own fault alone, or ends well."""

ON_LOADING: list[Broken] = [
    Broken("raises on import", "raise RuntimeError('boom')", "RuntimeError: boom"),
    Broken("exits on import", "import sys; sys.exit(0)", "called sys.exit(0)"),
    Broken("interrupts on import", "raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    Broken("needs a newer contract", "from automl_bench.contract import Hologram", "newer automl-bench"),
    Broken("asks for a newer contract", "describe_provider = hookimpl(lambda: ProviderDescription("
           "name=NAME, title='x', capabilities=frozenset(), contract_version=99))", "version 99 of the contract"),
    Broken("describes itself by a newer noun", "describe_provider = hookimpl(lambda: ProviderDescription("
           "name=NAME, title='x', capabilities=frozenset(), hologram=1))", "newer automl-bench"),
    Broken("describes itself by a dict", "describe_provider = hookimpl(lambda: {'name': NAME})", "describe_provider returned"),
    Broken("exits when asked what it is", "@hookimpl\ndef describe_provider():\n    sys.exit(0)", "describe_provider called"),
    Broken("has limits in words", "@hookimpl\ndef describe_provider():\n    return ProviderDescription(name=NAME, title='x',"
           " capabilities=frozenset(), limits=Limits(max_classes='ten'))", "whose max_classes is 'ten'"),
    Broken("has a variant that leads elsewhere", "@hookimpl\ndef describe_provider():\n    return ProviderDescription("
           "name=NAME, title='x', capabilities=frozenset(), variants={'default': {}, '../x': {}})", "variant named '../x'"),
]  # fmt: skip
"""Plugins that do not load, or cannot say what they are."""

RAISES = ("raise RuntimeError('boom')", "raised RuntimeError: boom")
EXITS = ("sys.exit(0)", "called sys.exit(0)")
INTERRUPTS = ("raise KeyboardInterrupt", "raised KeyboardInterrupt")

BESIDE_A_TRIAL: dict[str, list[Broken]] = {
    "plan": [
        *(hook(name, *how) for name in ("price", "cautions") for how in (RAISES, EXITS, INTERRUPTS)),
        hook("price", "return 0.01", "returned 0.01, not a sequence"),
        hook("cautions", "return [7]", "returned 7, not str"),
    ],
    "run": [
        *(hook("parallel", *how, more=LANES) for how in (RAISES, EXITS, INTERRUPTS)),
        hook("parallel", "return 8", "returned something without open and close", more=LANES),
        *(hook(name, *how) for name in ("wake", "resource_scope") for how in (RAISES, EXITS, INTERRUPTS)),
        hook("wake", "return True", "returned True, not an Operation"),
        hook("resource_scope", "return {'region': 7}", "returned something else than texts by text"),
        *(hook(name, *RAISES) for name in ("experiment_started", "load_run_finished")),
        *(hook(name, *EXITS) for name in ("experiment_started", "load_run_finished")),
    ],
    "ablate": [
        *(hook("export_manifest", *how, more=MANIFESTS) for how in (RAISES, EXITS, INTERRUPTS)),
        hook("export_manifest", "return {}", "returned a value of type dict", more=MANIFESTS),
    ],
    "teardown": [
        *(hook("list_resources", *how) for how in (RAISES, EXITS, INTERRUPTS)),
        hook("list_resources", "return [{}]", "returned a value of type dict"),
    ],
    "check": [
        *(hook("embed_images", *how) for how in (RAISES, EXITS, INTERRUPTS)),
        hook("embed_images", "yield [1.0]; sys.exit(0)", "called sys.exit(0)"),
        hook("embed_images", "yield [1.0]; raise RuntimeError('boom')", "raised RuntimeError: boom"),
        hook("embed_images", "return 7", "raised TypeError: 'int' object is not iterable"),
        hook("embed_images", "return [[1.0]]", "gave 1 vectors for"),
        hook("embed_images", "return [[float('nan')]] * len(paths)", "gave something else than finite numbers"),
        hook("embed_images", "return ['no'] * len(paths)", "gave something else than finite numbers"),
        hook(
            "embed_images",
            "return [[0.0] * (1 + n % 2) for n in range(len(paths))]",
            "gave something else than finite numbers, as many for each image",
        ),
    ],
    "help": [hook("register_commands", *how) for how in (RAISES, EXITS, INTERRUPTS)],
}
"""Plugins whose hooks outside the stages break, by the command that calls them."""


def write(site: Path, name: str, source: str) -> None:
    """Install a plugin, as far as Python's metadata is concerned."""
    info = site / f"automl_bench_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: automl-bench-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[automl_bench]\n{name} = broken_{name}\n")
    (site / f"broken_{name}.py").write_text(source)


def write_all(site: Path, plugins: list[Broken]) -> dict[str, Broken]:
    """Install plugins and return them by the names of their providers."""
    named = {f"b{number:02d}": broken for number, broken in enumerate(plugins)}
    for name, broken in named.items():
        write(site, name, HEAD.format(name=name) + broken.source)
    return named


def write_unloadable(site: Path, plugins: list[Broken]) -> dict[str, Broken]:
    """Install plugins that do not load and return them by the names of their providers."""
    named = {f"n{number:02d}": broken for number, broken in enumerate(plugins)}
    for name, broken in named.items():
        top = "import sys\nfrom automl_bench.contract import *\nfrom automl_bench.hookspecs import hookimpl\n"
        write(site, name, f"{top}NAME = {name!r}\n{broken.source}\n")
    return named
