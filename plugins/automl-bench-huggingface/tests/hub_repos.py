"""Repositories of the stand-in: their files by commit, contents by LFS, listings that lag behind, downloads."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml
from hub_wire import ApiError, Reply, Request, check_object, list_of

NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,94}[A-Za-z0-9]")
SHA256 = re.compile(r"[0-9a-f]{64}")
LARGE = re.compile(r".*\.(png|jpe?g|webp|gif|bmp|tiff|safetensors|bin)")
"""As in the .gitattributes that the Hub writes into new repositories."""
MOST_AT_ONCE = 1000
LONGEST_COMMIT_BYTES = 200 * 1024 * 1024
ANSWER_PAGE = 50

Snapshot = dict[str, "Blob"]


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's content; `large` ones are stored beside git."""

    content: bytes = field(repr=False)
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_sha1(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Repo:
    type: str
    id: str
    private: bool
    created: float
    commits: list[tuple[str, Snapshot]] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)

    @property
    def head(self) -> Snapshot:
        return self.commits[-1][1]

    def commit(self, snapshot: Snapshot) -> str:
        # As in git, the name of a commit depends on its moment: a repository made anew has others.
        oid = hashlib.sha1(secrets.token_bytes(16), usedforsecurity=False).hexdigest()
        self.commits.append((oid, snapshot))
        return oid

    def at(self, revision: str) -> tuple[str, Snapshot]:
        if revision == "main":
            return self.commits[-1]
        for oid, snapshot in self.commits:
            if oid == revision:
                return oid, snapshot
        raise ApiError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def moment(seconds: float) -> str:
    """Return a time as the service writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Repositories:
    """All repositories of the account.

    Args:
        url: Address of the Hub.
        storage_url: Address of the store of large files, which is another host.
        namespaces: Owners for whom the token may act.
        lag: Seconds for which lists do not show a new repository.
    """

    def __init__(self, url: str, storage_url: str, namespaces: tuple[str, ...], lag: float) -> None:
        self.url = url
        self.storage_url = storage_url
        self.namespaces = namespaces
        self.lag = lag
        self.all: dict[tuple[str, str], Repo] = {}
        self.created: list[str] = []
        self.contents_received = 0
        self.commits_received = 0
        self.slots: dict[str, tuple[Repo, str, int, float]] = {}
        self.slot_seconds = 900.0
        self.full = False

    def routes(self) -> list[Any]:
        repo = r"([\w.-]+/[\w.-]+)"
        kinds = r"/api/(models|datasets)"
        return [
            ("POST", r"/api/repos/create", "create_repo", self._create, True),
            ("DELETE", r"/api/repos/delete", "delete_repo", self._delete, True),
            ("POST", r"/api/validate-yaml", "validate_yaml", self._validate_yaml, True),
            ("GET", kinds, "list_repos", self._list, True),
            ("GET", rf"{kinds}/{repo}", "repo_info", self._info, True),
            ("GET", rf"{kinds}/{repo}/revision/([^/]+)", "repo_info", self._info, True),
            ("GET", rf"{kinds}/{repo}/tree/([^/]+)", "tree", self._tree, True),
            ("POST", rf"{kinds}/{repo}/preupload/([^/]+)", "preupload", self._preupload, True),
            ("POST", rf"{kinds}/{repo}/commit/([^/]+)", "commit", self._commit, True),
            ("POST", rf"/(datasets/|){repo}\.git/info/lfs/objects/batch", "lfs_batch", self._batch, True),
            ("POST", rf"/(datasets/|){repo}\.git/info/lfs/verify", "lfs_verify", self._verify, True),
            ("GET", rf"/(datasets/|){repo}/resolve/([^/]+)/(.+)", "resolve", self._resolve, True),
        ]

    def storage_routes(self) -> list[Any]:
        return [
            ("PUT", r"/storage/(\w+)", "lfs_put", self._put, False),
            ("GET", r"/cdn/(models|datasets)/([\w.-]+/[\w.-]+)/(\w+)", "cdn", self._cdn, False),
        ]

    # --- what tests and other parts use -------------------------------------------------------------------------

    def repo(self, kind: str, repo_id: str) -> Repo:
        """Return a repository; `kind` is "model" or "dataset"."""
        found = self.all.get((kind, repo_id))
        if found is None:
            raise ApiError(404, "Repository not found", "RepoNotFound")
        return found

    def put(self, kind: str, repo_id: str, files: Mapping[str, bytes]) -> str:
        """Commit files as their owner would."""
        repo = self.repo(kind, repo_id)
        added = {path: Blob(content, bool(LARGE.fullmatch(path))) for path, content in files.items()}
        return repo.commit({**repo.head, **added})

    def make(self, kind: str, repo_id: str, *, private: bool = True) -> Repo:
        """Make a repository as its owner would, without a record of a creation."""
        repo = Repo(kind, repo_id, private, time.time())
        repo.commit({".gitattributes": Blob(b"*.png filter=lfs\n", False)})
        self.all[kind, repo_id] = repo
        return repo

    # --- routes -------------------------------------------------------------------------------------------------

    def _mine(self, owner: str) -> None:
        if owner not in self.namespaces:
            raise ApiError(403, f"You don't have the rights to create under the namespace {owner!r}")

    def _create(self, request: Request) -> Reply:
        told = check_object(
            request.json(),
            {"name": NAME, "organization": (str, type(None)), "visibility": {"private", "public"}},
            {"type": {"model", "dataset"}},
        )
        owner = told["organization"] or self.namespaces[0]
        self._mine(owner)
        kind, repo_id = told.get("type", "model"), f"{owner}/{told['name']}"
        if (kind, repo_id) in self.all:
            raise ApiError(409, f"You already created this {kind} repo")
        if self.full:
            raise ApiError(507, "Private repository storage limit reached")
        self.make(kind, repo_id, private=told["visibility"] == "private")
        self.created.append(f"{kind}-repo {told['name']}")
        prefix = "datasets/" if kind == "dataset" else ""
        return Reply({"url": f"{self.url}/{prefix}{repo_id}", "name": repo_id, "id": secrets.token_hex(12)})

    def _delete(self, request: Request) -> Reply:
        told = check_object(
            request.json(), {"name": NAME, "organization": (str, type(None))}, {"type": {"model", "dataset"}}
        )
        owner = told["organization"] or self.namespaces[0]
        self._mine(owner)
        key = (told.get("type", "model"), f"{owner}/{told['name']}")
        self.repo(*key)
        del self.all[key]
        return Reply(raw=b"OK", headers={"Content-Type": "text/plain"})

    def _validate_yaml(self, request: Request) -> Reply:
        told = check_object(request.json(), {"content": str, "repoType": {"model", "dataset"}})
        found = re.match(r"---\n(.*?)\n---\n", told["content"], re.DOTALL)
        if not found or not isinstance(yaml.safe_load(found[1]), dict):
            raise ApiError(400, "the card has no metadata")
        return Reply({"errors": [], "warnings": []})

    def _list(self, request: Request, kinds: str) -> Reply:
        allowed = {"author", "search", "limit", "sort", "filter", "cursor"}
        unknown = {key for key, _ in request.query} - allowed
        if unknown:
            raise ApiError(400, f"unknown parameters {sorted(unknown)}")
        author, words = request.values("author"), request.values("search")
        old = time.time() - self.lag
        found = [
            {"id": repo.id, "private": repo.private, "createdAt": moment(repo.created), "sha": repo.commits[-1][0]}
            for repo in self.all.values()
            if f"{repo.type}s" == kinds
            and repo.created <= old
            and repo.id.split("/")[0] in (author or self.namespaces)
            and all(word in repo.id for word in words)
        ]
        start = int((request.values("cursor") or ["0"])[0])
        page, rest = found[start : start + ANSWER_PAGE], found[start + ANSWER_PAGE :]
        headers = {}
        if rest:
            query = "&".join(f"{key}={value}" for key, value in request.query if key != "cursor")
            link = f"{self.url}/api/{kinds}?{query}&cursor={start + ANSWER_PAGE}"
            headers["Link"] = f'<{link}>; rel="next"'
        return Reply(page, headers=headers)

    def _info(self, request: Request, kinds: str, repo_id: str, revision: str = "main") -> Reply:
        repo = self.repo(kinds.removesuffix("s"), repo_id)
        oid, snapshot = repo.at(revision)
        siblings = [{"rfilename": path} for path in snapshot]
        return Reply(
            {
                "id": repo.id,
                "private": repo.private,
                "sha": oid,
                "createdAt": moment(repo.created),
                "lastModified": moment(repo.created),
                "siblings": siblings,
                "tags": [],
                "disabled": False,
                "gated": False,
                "downloads": 0,
                "likes": 0,
            }
        )

    def _tree(self, request: Request, kinds: str, repo_id: str, revision: str) -> Reply:
        _, snapshot = self.repo(kinds.removesuffix("s"), repo_id).at(revision)
        entries = []
        for path, blob in sorted(snapshot.items()):
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.git_sha1}
            if blob.large:
                entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 130}
            entries.append(entry)
        return Reply(entries)

    def _preupload(self, request: Request, kinds: str, repo_id: str, revision: str) -> Reply:
        file = {"path": str, "sample": str, "size": int}
        told = check_object(
            request.json(),
            {"files": list_of(lambda value, where: check_object(value, file, {"sha": str}, where))},
            {"gitAttributes": str, "gitIgnore": str},
        )
        if len(told["files"]) > MOST_AT_ONCE:
            raise ApiError(400, f"more than {MOST_AT_ONCE} files")
        _, snapshot = self.repo(kinds.removesuffix("s"), repo_id).at(revision)
        answers = []
        for each in told["files"]:
            start = base64.b64decode(each["sample"], validate=True)
            if len(start) != min(512, each["size"]):
                raise ApiError(400, f"the sample of {each['path']} has {len(start)} bytes")
            large = bool(LARGE.fullmatch(each["path"])) or each["size"] > 10_000_000
            answer = {"path": each["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            there = snapshot.get(each["path"])
            if there is not None:
                answer["oid"] = there.sha256 if there.large else there.git_sha1
            answers.append(answer)
        return Reply({"files": answers})

    def _batch(self, request: Request, prefix: str, repo_id: str) -> Reply:
        if request.headers.get("content-type") != "application/vnd.git-lfs+json":
            raise ApiError(415, "not git-lfs JSON")
        item = {"oid": SHA256, "size": int}
        told = check_object(
            request.json(),
            {
                "operation": {"upload"},
                "transfers": list_of({"basic", "multipart", "xet"}),
                "objects": list_of(lambda value, where: check_object(value, item, None, where)),
                "hash_algo": {"sha256"},
            },
            {"ref": lambda value, where: check_object(value, {"name": str}, None, where)},
        )
        repo = self.repo("dataset" if prefix else "model", repo_id)
        objects = []
        for each in told["objects"]:
            answer: dict[str, Any] = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in repo.stored:
                slot = secrets.token_hex(8)
                self.slots[slot] = (repo, each["oid"], each["size"], time.monotonic() + self.slot_seconds)
                verify = f"{self.url}/{prefix}{repo_id}.git/info/lfs/verify"
                answer["actions"] = {
                    "upload": {"href": f"{self.storage_url}/storage/{slot}", "header": {"X-Slot": slot}},
                    "verify": {"href": verify, "header": {}},
                }
            objects.append(answer)
        headers = {"Content-Type": "application/vnd.git-lfs+json"}
        return Reply({"transfer": "basic", "objects": objects}, headers=headers)

    def _put(self, request: Request, slot: str) -> Reply:
        if "authorization" in request.headers:
            raise ApiError(400, "Only one auth mechanism allowed")
        # The SDK leaves the LFS batch's headers out for a single part; whoever sends them must send them right.
        if request.headers.get("x-slot", slot) != slot:
            raise ApiError(403, "signature does not match")
        known = self.slots.get(slot)
        if known is None or time.monotonic() > known[3]:
            raise ApiError(403, "Request has expired")
        repo, oid, size, _ = known
        if len(request.body) != size or hashlib.sha256(request.body).hexdigest() != oid:
            raise ApiError(400, "BadDigest")
        repo.stored[oid] = request.body
        self.contents_received += 1
        return Reply(raw=b"")

    def _verify(self, request: Request, prefix: str, repo_id: str) -> Reply:
        told = check_object(request.json(), {"oid": SHA256, "size": int})
        stored = self.repo("dataset" if prefix else "model", repo_id).stored.get(told["oid"])
        if stored is None or len(stored) != told["size"]:
            raise ApiError(404, "object not found")
        return Reply({})

    def _commit(self, request: Request, kinds: str, repo_id: str, revision: str) -> Reply:
        if request.headers.get("content-type") != "application/x-ndjson":
            raise ApiError(415, "a commit is newline-delimited JSON")
        if len(request.body) > LONGEST_COMMIT_BYTES:
            raise ApiError(413, "payload too large")
        if revision != "main":
            raise ApiError(400, "commits go to the branch main")
        repo = self.repo(kinds.removesuffix("s"), repo_id)
        try:
            lines = [json.loads(line) for line in request.body.splitlines()]
        except ValueError as error:
            raise ApiError(400, "a line is not JSON") from error
        header = lines[0] if lines else {}
        if header.get("key") != "header":
            raise ApiError(400, "the first line is no header")
        check_object(header["value"], {"summary": str, "description": str}, {"parentCommit": str})
        snapshot = dict(repo.head)
        for line in lines[1:]:
            check_object(line, {"key": {"file", "lfsFile", "deletedFile", "deletedFolder"}, "value": dict})
            self._change(repo, snapshot, line["key"], line["value"])
        oid = repo.commit(snapshot)
        self.commits_received += 1
        return Reply({"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{repo_id}/commit/{oid}"})

    @staticmethod
    def _change(repo: Repo, snapshot: Snapshot, key: str, value: dict[str, Any]) -> None:
        if key == "file":
            check_object(value, {"content": str, "path": str, "encoding": {"base64"}})
            content = base64.b64decode(value["content"], validate=True)
            if LARGE.fullmatch(value["path"]) and content:
                raise ApiError(400, f"{value['path']} must be uploaded with LFS")
            snapshot[value["path"]] = Blob(content, False)
        elif key == "lfsFile":
            check_object(value, {"path": str, "algo": {"sha256"}, "oid": SHA256, "size": int})
            stored = repo.stored.get(value["oid"])
            if stored is None or len(stored) != value["size"]:
                raise ApiError(400, f"the content of {value['path']} was not uploaded")
            snapshot[value["path"]] = Blob(stored, True)
        else:
            check_object(value, {"path": str})
            snapshot.pop(value["path"], None)

    def _resolve(self, request: Request, prefix: str, repo_id: str, revision: str, path: str) -> Reply:
        repo = self.repo("dataset" if prefix else "model", repo_id)
        oid, snapshot = repo.at(revision)
        blob = snapshot.get(path)
        if blob is None:
            raise ApiError(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": oid})
        headers = {"X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        if not blob.large:
            headers |= {"ETag": f'"{blob.git_sha1}"', "Content-Length": str(len(blob.content))}
            return Reply(raw=blob.content, headers={**headers, "Content-Type": "application/octet-stream"})
        headers |= {
            "X-Linked-Size": str(len(blob.content)),
            "X-Linked-ETag": f'"{blob.sha256}"',
            "Location": f"{self.storage_url}/cdn/{repo.type}s/{repo_id}/{blob.sha256}",
        }
        return Reply(raw=b"", status=302, headers=headers)

    def _cdn(self, request: Request, kinds: str, repo_id: str, digest: str) -> Reply:
        if "authorization" in request.headers:
            raise ApiError(400, "a token went to the content network")
        repo = self.repo(kinds.removesuffix("s"), repo_id)
        for _, snapshot in reversed(repo.commits):
            for blob in snapshot.values():
                if blob.large and blob.sha256 == digest:
                    headers = {"Content-Type": "application/octet-stream", "ETag": f'"{digest}"'}
                    return Reply(raw=blob.content, headers={**headers, "Content-Length": str(len(blob.content))})
        raise ApiError(404, "no such content")
