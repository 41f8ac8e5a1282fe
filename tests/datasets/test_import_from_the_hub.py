"""`data import NAME hf://…`: the hub's own client against a local stand-in of the hub."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from servers.hub_server import TOKEN, HubDataset, HubServer, running

from automl_bench.datasets.hub import HubAddress, parse_address
from automl_bench.datasets.provenance import read_card
from automl_bench.errors import ExitCode, UsageError

Image = Callable[..., bytes]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running() as server:
        yield server


@pytest.fixture
def command(hub: HubServer, tmp_path: Path) -> Command:
    """Import in a process of its own: the client reads HF_ENDPOINT when it is first imported."""

    def go(address: str, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {
            "AUTOML_BENCH_WORKSPACE": str(tmp_path),
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "COLUMNS": "300",
            **({"HF_TOKEN": token} if token else {}),
        }
        line = [sys.executable, "-m", "automl_bench.cli.main", "data", "import", "ds", address, "--json", *arguments]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return go


def shard(image: Image, numbers: Sequence[int], names: Sequence[str] = ("cat", "dog"), padding: bytes = b"") -> bytes:
    """Return a Parquet file as the hub's own tools write it: image structs and ClassLabel numbers."""
    rows = [{"image": {"bytes": image(n), "path": f"{n}.png"}, "label": n % len(names)} for n in numbers]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(names)}}
    kinds = [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())]
    schema = pa.schema(kinds, metadata={"huggingface": json.dumps({"info": {"features": features}})})
    table = pa.Table.from_pylist(rows, schema=schema)
    if padding:
        table = table.append_column("other", pa.array([padding, *[b""] * (len(rows) - 1)]))
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


@pytest.fixture
def pets(hub: HubServer, make_image: Image) -> HubDataset:
    """A dataset with two training shards and a test shard on `main`."""
    files = {
        "README.md": b"# Pets\n",
        "data/train-00000-of-00002.parquet": shard(make_image, range(10)),
        "data/train-00001-of-00002.parquet": shard(make_image, range(10, 20)),
        "data/test-00000-of-00001.parquet": shard(make_image, range(20, 26)),
    }
    card = {"license": "cc-by-4.0", "pretty_name": "Pets of ours"}
    hub.datasets["us/pets"] = HubDataset({"main": files}, card)
    return hub.datasets["us/pets"]


def test_shards_are_imported_with_split_licence_title_and_commit(
    command: Command, pets: HubDataset, tmp_path: Path
) -> None:
    done = command("hf://us/pets")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["classes"], shown["train"], shown["test"]) == (2, 20, 6)
    card = read_card(tmp_path / "data" / "ds")
    assert card is not None
    assert card.source == f"hf://us/pets@{pets.commit('main')}"
    assert (card.licence, card.title) == ("cc-by-4.0", "Pets of ours")
    assert not list((tmp_path / ".automl-bench").rglob("*.parquet")), "downloads go after the import"


def test_a_named_revision_is_the_one_that_is_imported(
    command: Command, pets: HubDataset, make_image: Image, tmp_path: Path
) -> None:
    pets.revisions["v1"] = {"train.parquet": shard(make_image, range(30))}
    for revision in ("v1", pets.commit("v1")):
        done = command(f"hf://us/pets@{revision}", "--replace")
        assert json.loads(done.stdout)["train"] + json.loads(done.stdout)["test"] == 30
        card = read_card(tmp_path / "data" / "ds")
        assert card is not None
        assert card.source.endswith(pets.commit("v1"))


def test_several_configurations_are_a_choice_never_merged(command: Command, hub: HubServer, make_image: Image) -> None:
    files = {
        "large/train-00000-of-00001.parquet": shard(make_image, range(20)),
        "small/train-00000-of-00001.parquet": shard(make_image, range(10)),
    }
    hub.datasets["us/two"] = HubDataset({"main": files})
    refused = command("hf://us/two")
    assert refused.returncode == ExitCode.DATASET
    assert "several configurations: large, small" in refused.stderr
    assert "hf://us/two/large" in refused.stderr
    chosen = json.loads(command("hf://us/two/small").stdout)
    assert chosen["train"] + chosen["test"] == 10
    assert "no configuration 'medium'" in command("hf://us/two/medium", "--replace").stderr


def test_the_cards_own_configurations_and_splits_win(command: Command, hub: HubServer, make_image: Image) -> None:
    files = {f"p/{part}.parquet": shard(make_image, range(at, at + 8)) for at, part in ((0, "x"), (10, "y"), (20, "z"))}
    data_files = [{"split": "train", "path": ["p/x.*", "p/y.*"]}, {"split": "test", "path": "p/z.parquet"}]
    card = {"configs": [{"config_name": "only", "data_files": data_files}]}
    hub.datasets["us/stated"] = HubDataset({"main": files}, card)
    done = json.loads(command("hf://us/stated").stdout)
    assert (done["train"], done["test"]) == (16, 8)


def test_without_parquet_the_hubs_own_conversion_is_taken(
    command: Command, hub: HubServer, make_image: Image, tmp_path: Path
) -> None:
    converted = {
        f"default/{split}/0000.parquet": shard(make_image, range(at, at + 8))
        for at, split in ((0, "train"), (9, "test"))
    }
    dataset = HubDataset({"main": {"a/1.jpg": b"x"}, "refs/convert/parquet": converted})
    hub.datasets["us/raw"] = dataset
    done = command("hf://us/raw")
    assert (json.loads(done.stdout)["train"], json.loads(done.stdout)["test"]) == (8, 8)
    card = read_card(tmp_path / "data" / "ds")
    assert card is not None
    assert card.source.endswith(dataset.commit("refs/convert/parquet"))
    hub.datasets["us/none"] = HubDataset({"main": {"a/1.jpg": b"x"}})
    assert "has no Parquet files" in command("hf://us/none", "--replace").stderr


def test_a_download_that_breaks_goes_on_where_it_stopped(command: Command, hub: HubServer, make_image: Image) -> None:
    padding = np.random.default_rng(0).bytes(12 * 2**20)  # the client writes in steps of ten megabytes
    hub.datasets["us/large"] = HubDataset({"main": {"train.parquet": shard(make_image, range(10), padding=padding)}})
    hub.break_after["train.parquet"] = [11 * 2**20]
    done = command("hf://us/large")
    assert done.returncode == 0, done.stderr
    assert [asked for asked in hub.ranges if asked] == [f"bytes={10 * 2**20}-"]


def test_a_file_that_is_not_what_the_hub_describes_is_refused(
    command: Command, hub: HubServer, pets: HubDataset, tmp_path: Path
) -> None:
    hub.damaged.add("data/train-00001-of-00002.parquet")
    done = command("hf://us/pets")
    assert done.returncode == ExitCode.DATASET
    assert "is not the file that the hub describes" in done.stderr
    assert not (tmp_path / "data" / "ds").exists()
    hub.damaged.clear()
    hub.ranges.clear()
    assert command("hf://us/pets").returncode == 0
    assert len(hub.ranges) == 1, "what was right is not downloaded again"


def test_a_private_dataset_needs_the_token(command: Command, pets: HubDataset) -> None:
    pets.private = True
    refused = command("hf://us/pets")
    assert refused.returncode == ExitCode.DATASET
    assert "HF_TOKEN" in refused.stderr
    done = command("hf://us/pets", token=TOKEN)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_what_does_not_exist_is_named(command: Command, pets: HubDataset) -> None:
    assert "hf://us/nothing does not exist" in command("hf://us/nothing").stderr
    assert "no revision 'v9'" in command("hf://us/pets@v9").stderr


def test_addresses_have_one_form() -> None:
    assert parse_address("hf://us/pets") == HubAddress("us/pets")
    assert parse_address("hf:/us/pets/small@refs/convert/parquet") == HubAddress(
        "us/pets", "small", "refs/convert/parquet"
    )
    assert parse_address("hf://datasets/us/pets@v1.0") == HubAddress("us/pets", "", "v1.0")
    assert str(parse_address("hf://us/pets/small@v1")) == "hf://us/pets/small@v1"
    for wrong in ("hf://pets", "hf://us/pets/a/b", "hf://", "hf://us/pe ts", "hf://../x"):
        with pytest.raises(UsageError, match="no dataset address"):
            parse_address(wrong)
