"""Datasets of the stand-in: of images, filled from import files, and of a table, which name their file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format
from vertex_learning import DataItem
from vertex_operations import LongWork, check_described, now
from vertex_routes import Refusal

if TYPE_CHECKING:
    from vertex_project import Project

SCHEMAS = "gs://google-cloud-aiplatform/schema/dataset"
IMAGES = f"{SCHEMAS}/metadata/image_1.0.0.yaml"
TABLES = f"{SCHEMAS}/metadata/tabular_1.0.0.yaml"
SINGLE_LABEL = f"{SCHEMAS}/ioformat/image_classification_single_label_io_format_1.0.0.yaml"
MOST_PARTIAL_FAILURES = 20


class Datasets:
    """The dataset service."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.all: dict[str, Any] = {}
        self.items: dict[str, dict[str, DataItem]] = {}
        self.tables: dict[str, str] = {}
        """Address of the file, by dataset of a table."""

    def methods(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "CreateDataset": self.create,
            "GetDataset": lambda request: self.get(request.name),
            "ListDatasets": self.list,
            "DeleteDataset": self.delete,
            "ImportData": self.import_data,
        }

    def names(self) -> list[str]:
        return [f"dataset {dataset.display_name}" for dataset in self.all.values()]

    def get(self, name: str) -> Any:
        name = self.project.canonical(name)
        if name not in self.all:
            raise Refusal("NOT_FOUND", f"The Dataset {name} does not exist.")
        dataset = self.all[name]
        dataset.data_item_count = len(self.items[name])
        return dataset

    def create(self, request: Any) -> LongWork:
        self.project.canonical(request.parent)
        dataset = request.dataset
        check_described(dataset.display_name, dataset.labels)
        if dataset.metadata_schema_uri not in (IMAGES, TABLES):
            raise Refusal("INVALID_ARGUMENT", f"unknown metadata schema {dataset.metadata_schema_uri!r}")
        table = _table_of(dataset) if dataset.metadata_schema_uri == TABLES else ""
        name = f"{self.project.parent}/datasets/{self.project.new_id()}"
        self.project.record("dataset", dataset.display_name)

        def finish() -> Any:
            made = types.Dataset(
                name=name,
                display_name=dataset.display_name,
                labels=dataset.labels,
                metadata_schema_uri=dataset.metadata_schema_uri,
                create_time=now(),
            )
            if table:
                if self.project.import_fails:
                    raise Refusal("INTERNAL", "The creation was told to fail.")
                if self.project.bucket.read(table) is None:
                    raise Refusal("INVALID_ARGUMENT", f"{table} cannot be read.")
                self.tables[name] = table
            self.all[name] = made
            self.items[name] = {}
            return made

        metadata = types.CreateDatasetOperationMetadata()
        return self.project.operations.begin(name, metadata, self.project.pace.creating, finish)

    def list(self, request: Any) -> Any:
        found, token = self.project.page(request, self.all.values(), lagging=True)
        return types.ListDatasetsResponse(datasets=found, next_page_token=token)

    def import_data(self, request: Any) -> LongWork:
        dataset = self.get(request.name)
        if dataset.name in self.tables:
            raise Refusal("INVALID_ARGUMENT", "A tabular dataset is not imported into.")
        addresses = [uri for config in request.import_configs for uri in config.gcs_source.uris]
        if not addresses:
            raise Refusal("INVALID_ARGUMENT", "import_configs names no file")
        for config in request.import_configs:
            if config.import_schema_uri != SINGLE_LABEL:
                raise Refusal("INVALID_ARGUMENT", f"unknown import schema {config.import_schema_uri!r}")
        metadata = types.ImportDataOperationMetadata()

        def finish() -> Any:
            if self.project.import_fails:
                raise Refusal("INTERNAL", "The import was told to fail.")
            failures: list[str] = []
            for address in addresses:
                imported = self.project.bucket.import_file(address)
                self.items[dataset.name] = {**imported.items, **self.items[dataset.name]}
                failures += imported.failures
            if failures and not self.items[dataset.name]:
                raise Refusal("INVALID_ARGUMENT", f"Nothing was imported: {failures[0]}")
            metadata.generic_metadata.partial_failures = [
                {"code": 3, "message": words} for words in failures[:MOST_PARTIAL_FAILURES]
            ]
            return types.ImportDataResponse()

        return self.project.operations.begin(dataset.name, metadata, self.project.pace.importing, finish)

    def delete(self, request: Any) -> LongWork:
        dataset = self.get(request.name)
        if self.project.operations.going(dataset.name):
            raise Refusal("FAILED_PRECONDITION", f"The Dataset {dataset.name} has an operation that has not ended.")

        def finish() -> None:
            self.all.pop(dataset.name, None)
            self.items.pop(dataset.name, None)
            self.tables.pop(dataset.name, None)

        return self.project.delete_later(dataset.name, finish)


def _table_of(dataset: Any) -> str:
    """Return the address of the one file that a tabular dataset's metadata name."""
    config = json_format.MessageToDict(dataset._pb.metadata).get("inputConfig", {}) if "metadata" in dataset else {}
    addresses = config.get("gcsSource", {}).get("uri")
    if set(config) != {"gcsSource"} or set(config["gcsSource"]) != {"uri"}:
        raise Refusal("INVALID_ARGUMENT", f"metadata.inputConfig names not exactly one source by uri: {config}")
    if not isinstance(addresses, list) or len(addresses) != 1 or not str(addresses[0]).startswith("gs://"):
        raise Refusal("INVALID_ARGUMENT", f"metadata.inputConfig.gcsSource.uri is no list of an address: {addresses}")
    return str(addresses[0])
