"""The kit is held to its word: a plugin that does everything right passes all, each broken one fails just its check."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import automl_bench.testing.conformance
from automl_bench.testing.crash import PRELOADED

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent
CRASH_CHECKS = {"K01", "K02", "K03", "K04"}

SUITE = """
import pytest
from acme_service import AcmeService
from automl_bench.testing import ProviderConformance


class TestAcme(ProviderConformance):
    provider_name = "acme"
    most_writes = {most_writes}

    @pytest.fixture
    def service(self):
        with AcmeService() as service:
            yield service
{more}
"""

README = "Settings: `url` (ACME_URL) and the secret `key` (ACME_KEY).\n"

TRAIN_TOKEN = """    ask(context, "POST", f"/project/{project}/train", {})
"""

MUTANTS: dict[str, tuple[str, str, str]] = {
    "imports its SDK at the top": ("S02", "import base64\n", "import base64\nimport acme_sdk\n"),
    "computes for half a second on import": (
        "S03",
        'PROJECT, ENDPOINT = "project", "endpoint"',
        'PROJECT, ENDPOINT = "project", "endpoint"\nbegun = time.process_time()\n'
        "while time.process_time() - begun < 0.5:\n    pass",
    ),
    "gives an argument a default": ("S04", "def price(context):", "def price(context=None):"),
    "describes itself differently each time": ("S05", 'title="Acme Vision"', 'title=f"Acme {time.monotonic_ns()}"'),
    "has a setting that the README keeps quiet about": (
        "S06",
        "        settings=(\n",
        '        settings=(\n            Setting("region", "Where.", env="ACME_REGION", default="x"),\n',
    ),
    "hides that its SDK is missing": (
        "S07",
        "    import acme_sdk\n\n    assert acme_sdk.VERSION",
        '    try:\n        import acme_sdk\n    except ImportError:\n        raise RuntimeError("no SDK") from None\n'
        "    assert acme_sdk.VERSION",
    ),
    "names no source for a price": ("S08", '"2026-11-01", "https://acme.invalid/prices"', '"2026-11-01", ""'),
    "reserves less than nothing": (
        "S08",
        '"hour", "2026-11-01", "https://acme.invalid/prices"',
        '"hour", "2026-11-01", "https://acme.invalid/prices", per_trial=-1.0',
    ),
    "settles before it is asked": ("S09", "settle_seconds=0.0", "settle_seconds=-1.0"),
    "declares what it has not": (
        "S10",
        "                Capability.INVOKE,\n",
        "                Capability.INVOKE,\n                Capability.PARALLEL,\n",
    ),
    "does not say what a setting is for": ("S11", '"Address of the service."', '" "'),
    "brings a variant with a key that it does not declare": (
        "S11",
        "        settings=(\n",
        '        variant_settings=(),\n        variants={"default": {}, "odd": {"colour": 1}},\n        settings=(\n',
    ),
    "uploads a sample again under a new name": (
        "E01",
        "        key = item.sample.sample_id\n",
        "        key = f'{item.sample.sample_id}-{time.monotonic_ns()}'\n",
    ),
    "needs a local file to poll": (
        "E03",
        TRAIN_TOKEN,
        TRAIN_TOKEN + '    (context.cache_dir / "training").write_text(project)\n',
    ),
    "creates something beside the ledger": (
        "E04",
        "    return context.resources.ensure(kind, find=find, create=create, hourly_usd=HOURLY[kind])\n",
        "    made = context.resources.ensure(kind, find=find, create=create, hourly_usd=HOURLY[kind])\n"
        '    if kind == ENDPOINT:\n        ask(context, "POST", "/alias", {"name": made.name})\n'
        "    return made\n",
    ),
    "says DELETED of what is long gone": ("E05", "return Deletion.ALREADY_GONE", "return Deletion.DELETED"),
    "lists what strangers own": (
        "E06",
        """    things = ask(context, "GET", f"/things?prefix={quote(prefix)}")["things"]
    return [resource(item) for item in things]""",
        """    things = ask(context, "GET", "/things?prefix=")["things"]
    return [resource(item) for item in things if item["name"].startswith(prefix) or item["kind"] == "foreign"]""",
    ),
    "sleeps in a hook": (
        "E07",
        TRAIN_TOKEN,
        TRAIN_TOKEN + "    time.sleep(0.01)\n",
    ),
    "forgets a row of the manifest": ("E08", "for entry in entries]", "for entry in entries[1:]]"),
    "finds only what this process has made": (
        "K01",
        """    def find(name):
        return next(""",
        """    def find(name):
        return None if name not in asked else next(""",
    ),
    "lists only what a local file knows": (
        "K03",
        "@hookimpl\ndef list_resources(context, prefix):\n    return listed(context, prefix)",
        "@hookimpl\ndef list_resources(context, prefix):\n"
        '    known = context.cache_dir / "names"\n'
        "    names = known.read_text().split() if known.exists() else []\n"
        "    return [item for item in listed(context, prefix) if item.name in names]",
    ),
    "repeats a create whose answer was lost": (
        "K04",
        """        return resource(ask(context, "POST", f"/{kind}", {"name": name, **content}))""",
        """        try:
            return resource(ask(context, "POST", f"/{kind}", {"name": name, **content}))
        except ConnectionLost:
            return resource(ask(context, "POST", f"/{kind}", {"name": name, **content}))""",
    ),
    "leaves a project whose training failed": (
        "M01",
        '    try:\n        ask(context, "DELETE"',
        """    if resource.kind == PROJECT and resource.resource_id:
        try:
            if ask(context, "GET", f"/project/{resource.resource_id}")["state"] == "failed":
                return Deletion.DELETED
        except ResourceMissing:
            return Deletion.ALREADY_GONE
    try:
        ask(context, \"DELETE\"""",
    ),
    "leaves an endpoint that never came up": (
        "M02",
        '    try:\n        ask(context, "DELETE"',
        """    if resource.kind == ENDPOINT and resource.resource_id:
        try:
            if ask(context, "GET", f"/endpoint/{resource.resource_id}")["state"] == "failed":
                return Deletion.DELETED
        except ResourceMissing:
            return Deletion.ALREADY_GONE
    try:
        ask(context, \"DELETE\"""",
    ),
    "does not say how to delete by hand": ("M05", 'delete_by_hand=f"acme delete {kind} {name}"', 'delete_by_hand=""'),
    "takes a missing permission for wrong credentials": (
        "R01",
        "    return read(answer.status, dict(",
        "    return read(401 if answer.status == 403 else answer.status, dict(",
    ),
    "takes any refusal of a prediction for a missing endpoint": (
        "R02",
        "        answer = read(response.status, response.headers, response.body)\n",
        "        if response.status == 403:\n            raise ResourceMissing('gone')\n"
        "        answer = read(response.status, response.headers, response.body)\n",
    ),
    "warms the endpoint up before each call": (
        "R03",
        "    def prepare(self, sample):\n",
        "    def prepare(self, sample):\n"
        "        import urllib.request\n\n"
        "        warm = urllib.request.Request(self.url, sample.path.read_bytes(), dict(self._headers))\n"
        "        try:\n            urllib.request.urlopen(warm).close()\n"
        "        except urllib.error.HTTPError as error:\n            error.close()\n"
        "        except OSError:\n            pass\n",
    ),
    "keeps the sample in the invoker between request and answer": (
        "R04",
        '        return Prediction(answer["label"], answer["score"])',
        '        return Prediction(answer["label"], float(self.sample.sample_id[:6] == self.first[:6]) or 0.5)',
    ),
    "looks the answer up and sends it along": (
        "R05",
        "        return HttpRequest(self.url, headers=self._headers, body",
        "        import csv\n\n"
        '        manifest = sample.path.parents[4] / "data" / "squares" / "manifest.csv"\n'
        "        rows = csv.DictReader(manifest.read_text().splitlines())\n"
        '        hint = next(row["label"] for row in rows if row["sample_id"] == sample.sample_id)\n'
        '        return HttpRequest(self.url, headers=(*self._headers, ("X-Hint", hint)), body',
    ),
    "keeps the key in a file": (
        "R06",
        "    project = ensure(context, PROJECT, {})\n",
        "    project = ensure(context, PROJECT, {})\n"
        '    (context.cache_dir / "login").write_text(context.secrets("key"))\n',
    ),
    "answers in a spelling of its own": ("A01", 'Prediction(answer["label"],', 'Prediction(answer["label"].upper(),'),
    "answers at random": ("A01", 'Prediction(answer["label"],', 'Prediction("zz-amber",'),
    "abstains in silence": ("A01", 'Prediction(answer["label"],', "Prediction(None,"),
    "opens one lane too few": (
        "A02",
        "                Capability.INVOKE,\n",
        "                Capability.INVOKE,\n                Capability.PARALLEL,\n",
    ),
    "leaves a thread behind": (
        "A03",
        TRAIN_TOKEN,
        TRAIN_TOKEN + '    __import__("threading").Thread(target=time.sleep, args=(6,)).start()\n',
    ),
    "names a price that nobody counts": (
        "S12",
        '        Price("call", None,',
        '        Price("image", 0.01, "1 image", "2026-11-01", "https://acme.invalid/prices"),\n'
        '        Price("call", None,',
    ),
    "phones home": (
        "R07",
        "    endpoint = ensure(context, ENDPOINT,",
        '    try:\n        socket.getaddrinfo("192.0.2.1", 443, flags=socket.AI_NUMERICHOST)\n'
        "    except AssertionError:\n        pass\n"
        "    endpoint = ensure(context, ENDPOINT,",
    ),
}
"""What is wrong, the check that names it, and how the file that does everything right is changed."""

MORE_CHANGES: dict[str, list[tuple[str, str]]] = {
    "A02": [
        (
            "@hookimpl\ndef export_manifest",
            """class OwnLanes:
    def __init__(self, url, key):
        self.url, self.key = url, key

    def open(self, count):
        return [Lane(self.url, self.key) for _ in range(count - 1)]

    def close(self):
        pass


class Lane:
    def __init__(self, url, key):
        self.url, self.key = url, key

    def call(self, sample):
        import urllib.request

        request = urllib.request.Request(self.url, sample.path.read_bytes(), {"X-Key": self.key})
        with urllib.request.urlopen(request) as answer:
            found = json.load(answer)
        return Prediction(found["label"], found["score"])


@hookimpl
def parallel(context, endpoint, lanes):
    return OwnLanes(f"{context.settings['url']}/endpoint/{endpoint.endpoint_id}/predict", context.secrets("key"))


@hookimpl
def export_manifest""",
        )
    ],
    "E03": [
        (
            "    kind, key = json.loads(operation.token)\n",
            "    kind, key = json.loads(operation.token)\n"
            '    if kind == "project" and not (context.cache_dir / "training").exists():\n'
            '        raise RequestRefused("which training?")\n',
        )
    ],
    "E04": [
        (
            "        ask(context, \"DELETE\", f\"/{resource.kind}?name={quote(resource.name)}\")\n",
            "        if resource.kind == ENDPOINT:\n            try:\n"
            "                while True:\n"
            "                    ask(context, \"DELETE\", f\"/alias?name={quote(resource.name)}\")\n"
            "            except ResourceMissing:\n                pass\n"
            "        ask(context, \"DELETE\", f\"/{resource.kind}?name={quote(resource.name)}\")\n",
        ),
        (
            "    return [resource(item) for item in things]",
            '    return [resource(item) for item in things if item["kind"] in HOURLY]',
        ),
    ],
    "E06": [("hourly_usd=HOURLY[kind],\n        delete", "hourly_usd=HOURLY.get(kind),\n        delete")],
    "K01": [
        ("def ensure(context, kind, content):\n", "asked = set()\n\n\ndef ensure(context, kind, content):\n"),
        ("    def create(name):\n", "    def create(name):\n        asked.add(name)\n"),
    ],
    "K03": [
        (
            "    def create(name):\n",
            '    def create(name):\n        with (context.cache_dir / "names").open("a") as names:\n'
            '            names.write(name + "\\n")\n',
        )
    ],
    "R04": [
        (
            "    def prepare(self, sample):\n",
            '    first = ""\n\n    def prepare(self, sample):\n        self.sample = sample\n'
            "        self.first = self.first or sample.sample_id\n",
        )
    ],
}  # fmt: skip


# What a run inside this process imports is thrown away after it, and some modules cannot be imported twice; what is
# imported before stays, the kit's one fork server with it.
for module in (automl_bench.testing.conformance.__name__, "automl_bench.transport", *PRELOADED):
    importlib.import_module(module)


def _lay_out(pytester: pytest.Pytester, *, plugin: str, most_writes: int | None, more: str = "") -> None:
    """Write an installed plugin, its SDK, its stand-in and its conformance test."""
    files = {
        "automl_bench_acme.py": plugin,
        "acme_sdk.py": 'VERSION = "1"\n',
        "acme_service.py": (HERE / "acme_service.py").read_text(),
        "README.md": README,
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "test_acme.py": SUITE.format(most_writes=most_writes, more=more),
        "acme_sdk-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-sdk\nVersion: 1.0\n",
        "acme_sdk-1.0.dist-info/top_level.txt": "acme_sdk\n",
        "automl_bench_acme-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: automl-bench-acme\nVersion: 1.0\n"
            "Requires-Dist: automl-bench\nRequires-Dist: acme-sdk>=1\n"
        ),
        "automl_bench_acme-1.0.dist-info/entry_points.txt": "[automl_bench]\nacme = automl_bench_acme\n",
    }
    for name, content in files.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    pytester.syspathinsert()


def _failing(pytester: pytest.Pytester, *options: str) -> tuple[set[str], set[str], str]:
    """Return the ids of the checks that failed and of those that passed, and what pytest printed."""
    result = pytester.runpytest_inprocess("-p", "no:timeout", "-p", "no:cacheprovider", "-p", "no:xdist", *options)
    failed, passed = set(), set()
    for line in result.outlines:
        if row := re.match(r"([A-Z]\d\d) \w+ +(passed|FAILED)", line):
            (passed if row[2] == "passed" else failed).add(row[1])
    return failed, passed, "\n".join(result.outlines)


def _mutated(name: str) -> str:
    text = (HERE / "acme_plugin.py").read_text()
    check, old, new = MUTANTS[name]
    for before, after in [(old, new), *MORE_CHANGES.get(check, [])]:
        assert before in text, f"{name}: {before!r} is not in the plugin"
        text = text.replace(before, after)
    return text


@pytest.mark.slow  # the whole kit with a kill at every ledger write: some 200 commands
@pytest.mark.timeout(900)
def test_a_plugin_that_does_everything_right_passes_every_check(pytester: pytest.Pytester) -> None:
    _lay_out(pytester, plugin=(HERE / "acme_plugin.py").read_text(), most_writes=None)
    failed, passed, said = _failing(pytester)
    assert not failed, said
    assert {check for check, _, _ in MUTANTS.values()} - {"A02"} <= passed  # A02 is for plugins with lanes of their own
    assert "C00" in passed


@pytest.mark.slow  # the whole kit for each of thirty plugins, about 10 s each: "exactly" can be shown no other way
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_plugin_fails_exactly_the_check_that_names_its_fault(pytester: pytest.Pytester, name: str) -> None:
    check = MUTANTS[name][0]
    _lay_out(pytester, plugin=_mutated(name), most_writes=None if check in CRASH_CHECKS else 1)
    failed, passed, said = _failing(pytester)
    assert failed == {check}, said
    assert passed


def test_an_override_in_silence_is_refused_and_one_with_a_reason_is_told(pytester: pytest.Pytester) -> None:
    more = """
    def test_s09_limits_are_sane(self):
        pass

    @pytest.mark.xfail(reason="we do not like it")
    def test_s11_settings_are_well_formed(self):
        super().test_s11_settings_are_well_formed()

    @pytest.mark.xfail(reason="prices are negotiated", strict=True)
    def test_s08_prices_carry_their_date_and_source(self):
        super().test_s08_prices_carry_their_date_and_source()
        assert False
"""
    _lay_out(pytester, plugin=(HERE / "acme_plugin.py").read_text(), most_writes=1, more=more)
    failed, _, said = _failing(pytester, "-k", "test_s0 or test_c0")
    assert failed == {"C00"}, said
    assert "overridden without xfail(reason=…, strict=True): " in said
    assert "S09 test_s09" in said
    assert "S11 test_s11" in said
    assert re.search(r"S08 .*expected failure: prices are negotiated", said)


def test_a_description_that_the_host_refuses_fails_with_the_sentence_that_names_it(pytester: pytest.Pytester) -> None:
    right = "secret=True, required=True"
    plugin = (HERE / "acme_plugin.py").read_text().replace(right, f'{right}, default="k"')
    _lay_out(pytester, plugin=plugin, most_writes=1)
    failed, _, said = _failing(pytester, "-k", "test_s01 or test_s11")
    assert failed == {"S01", "S11"}, said
    assert (
        "the plugin of acme: describe_provider returned a ProviderDescription whose settings is a Setting that is "
        in said
    )


def test_a_confidence_in_words_fails_with_the_sentence_that_names_it(pytester: pytest.Pytester) -> None:
    plugin = (HERE / "acme_plugin.py").read_text().replace('answer["score"])', '"high")')
    _lay_out(pytester, plugin=plugin, most_writes=1)
    failed, _, said = _failing(pytester, "-k", "test_a01 or test_e02")
    assert failed == {"A01", "E02"}, said
    assert "the plugin of acme: parse of its invoker returned a Prediction whose confidence is 'high'" in said


def test_open_lanes_that_are_right_pass(pytester: pytest.Pytester) -> None:
    _lay_out(pytester, plugin=_mutated("opens one lane too few").replace("count - 1", "count"), most_writes=1)
    failed, passed, said = _failing(pytester, "-k", "test_a0")
    assert not failed, said
    assert "A02" in passed


def test_a_stand_in_that_makes_no_fault_fails_and_nothing_it_could_not_show_is_called_passed(
    pytester: pytest.Pytester,
) -> None:
    _lay_out(pytester, plugin=(HERE / "acme_plugin.py").read_text(), most_writes=1)
    path = pytester.path / "acme_service.py"
    right = "return set(Fault) if target is Target.CONTROL else SINGLE"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, "return set()"))
    failed, passed, said = _failing(pytester, "-k", "test_c01 or test_m01 or test_m05 or test_k04 or test_r01")
    assert failed == {"C01"}, said
    assert not passed
    for check in ("M01", "M05", "K04", "R01"):
        assert re.search(rf"{check} .*left out: the stand-in cannot make", said), said


def test_the_check_against_overriding_cannot_be_overridden(pytester: pytest.Pytester) -> None:
    more = "\n    test_c00_no_check_is_overridden_in_silence = None\n"
    _lay_out(pytester, plugin=(HERE / "acme_plugin.py").read_text(), most_writes=1, more=more)
    _, passed, said = _failing(pytester)
    assert not passed
    assert "which is what forbids overriding" in said


def test_what_is_not_declared_is_left_out_and_said(pytester: pytest.Pytester) -> None:
    plugin = (HERE / "acme_plugin.py").read_text().replace("                Capability.PRICE,\n", "")
    _lay_out(pytester, plugin=plugin, most_writes=1)
    failed, passed, said = _failing(pytester, "-k", "test_s0")
    assert not failed, said
    assert "S08" not in passed
    assert re.search(r"S08 .*not declared: needs price", said)


def test_without_a_service_only_the_static_tier_runs(pytester: pytest.Pytester) -> None:
    _lay_out(pytester, plugin=(HERE / "acme_plugin.py").read_text(), most_writes=1)
    path = pytester.path / "test_acme.py"
    path.write_text(path.read_text().split("    @pytest.fixture")[0])
    failed, passed, said = _failing(pytester)
    assert not failed, said
    assert {each[0] for each in passed} == {"C", "S"}
    assert re.search(r"E01 .*no `service` fixture: static tier only", said)
