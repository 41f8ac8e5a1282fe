"""Importing the plugin and asking what it is loads none of the SDKs, which take most of a second."""

from __future__ import annotations

import json
import subprocess
import sys

ASK = """
import json, sys
from automl_bench_azure import plugin
plugin.describe_provider()
print(json.dumps(sorted(sys.modules)))
"""


def test_no_sdk_is_loaded() -> None:
    ended = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in json.loads(ended.stdout)}
    assert "automl_bench_azure" in loaded
    assert not loaded & {"azure", "msal", "requests", "urllib3", "cryptography", "isodate"}
