"""Who needs which image: a trial's manifests are its claim, and an image lives as long as one claim names it.

Images lie in the bucket under the SHA-256 of their content, so that trials of one dataset share them: the 20-shot
subset holds the 5-shot subset, and sends only what is new. A trial's own files are its two manifests. They are written
*before* the images and deleted *after* them. So

* a trial that died half-way has left a claim from which everything else of it is found, with no local file;
* whoever is torn down deletes the images that no other claim names, and then its own claim;
* the last one to go takes our statements out of the bucket's policy as well.

S3 lists what was written as soon as it is written, so a claim is seen by all who list later. One gap is left between
two machines: a trial may count on an image that another one is just deleting. It looks again after sending
(`shipping.send`), and the service's own import counts what it could not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl_bench.contract import Deletion, Resource
from automl_bench_rekognition import bucket_policy, objects
from automl_bench_rekognition.manifests import keys_in
from automl_bench_rekognition.naming import IMAGES, SAMPLES, TRIALS, UNCLAIMED, UNCLAIMED_NAME, trial_folder

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

MANIFEST_ENDING = ".manifest"
TRAIN = f"train{MANIFEST_ENDING}"
TEST = f"test{MANIFEST_ENDING}"


def find(account: Account, name: str) -> Resource | None:
    """Return a trial's claim if both of its manifests are there."""
    folder = trial_folder(name)
    present = {item.key: item.since for item in objects.listed(account, folder)}
    if not {f"{folder}{TRAIN}", f"{folder}{TEST}"} <= present.keys():
        return None
    return _claim(account, name, present[f"{folder}{TRAIN}"])


def make(account: Account, name: str, manifests: Mapping[str, bytes]) -> Resource:
    """Write a trial's manifests, by file name."""
    for file_name, content in manifests.items():
        objects.write(account, f"{trial_folder(name)}{file_name}", content)
    return _claim(account, name, "")


def list_claims(account: Account, prefix: str) -> list[Resource]:
    """Return what trials left in the bucket, whole or not, and images that belong to nobody."""
    since: dict[str, str] = {}
    for item in objects.listed(account, f"{TRIALS}{prefix}"):
        name = item.key.removeprefix(TRIALS).split("/", 1)[0]
        since[name] = min(since.get(name, item.since), item.since)
    found = [_claim(account, name, moment) for name, moment in sorted(since.items(), key=lambda pair: pair[1])]
    if UNCLAIMED_NAME.startswith(prefix) and (unclaimed(account) or _policy_serves_nobody(account)):
        found.insert(0, _unclaimed_resource(account))
    return found


def unclaimed(account: Account) -> list[str]:
    """Return the images that no claim names."""
    images = [item.key for item in objects.listed(account, IMAGES)]
    # The claims are read after the images: whoever sends an image has claimed it before.
    needed = _Claims(account).others("")
    return [key for key in images if key not in needed]


def release(account: Account, name: str) -> Deletion:
    """Delete a trial's files in the bucket: images that nobody else needs, what the training wrote, the claim.

    Two trials that leave at the same moment each find the other's claim and keep its images. So each looks again once
    its own claim is gone: whoever leaves last finds no other. A claim that is gone already may have been left so by a
    process that was killed before this second look.
    """
    folder = trial_folder(name)
    own_files = [item.key for item in objects.listed(account, folder)]
    if not own_files:
        return remove_unclaimed(account)
    claims = _Claims(account)
    own = sorted(claims.named_by(own_files))
    _delete_unneeded(account, claims, own, name)
    _close_bucket(account, claims, name)
    objects.delete(account, own_files)
    _delete_unneeded(account, claims, own, "")
    _close_bucket(account, claims, "")
    return Deletion.DELETED


def _delete_unneeded(account: Account, claims: _Claims, images: list[str], leaving: str) -> None:
    """Delete those images that no claim but that of the trial that leaves names."""
    for start in range(0, len(images), objects.DELETE_AT_ONCE):
        needed = claims.others(leaving)  # again for each request: another trial may just have begun
        batch = images[start : start + objects.DELETE_AT_ONCE]
        objects.delete(account, [key for key in batch if key not in needed])


def remove_unclaimed(account: Account) -> Deletion:
    """Delete images and statements that belong to nobody."""
    gone = objects.delete(account, unclaimed(account))
    revoked = _close_bucket(account, _Claims(account), "")
    return Deletion.DELETED if gone or revoked else Deletion.ALREADY_GONE


def _policy_serves_nobody(account: Account) -> bool:
    if not account.manages_policy or _Claims(account).names():
        return False
    return bucket_policy.is_granted(account)


def _close_bucket(account: Account, claims: _Claims, leaving: str) -> bool:
    """Take our statements out of the bucket's policy when the last trial leaves; returns whether there were any."""
    if not account.manages_policy or claims.names() - {leaving}:
        return False
    revoked = bucket_policy.revoke(account)
    if claims.names() - {leaving}:  # another trial began in between and may have seen the statements
        bucket_policy.grant(account)
    return revoked


@dataclass(slots=True)
class _Claims:
    """The claims in a bucket. Manifests never change, so each is read once however often they are asked for."""

    account: Account
    known: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def names(self) -> set[str]:
        return {item.key.removeprefix(TRIALS).split("/", 1)[0] for item in objects.listed(self.account, TRIALS)}

    def others(self, name: str) -> set[str]:
        """Return the images that claims of others name."""
        own = trial_folder(name)
        needed: set[str] = set()
        for item in objects.listed(self.account, TRIALS):
            if item.key.endswith(MANIFEST_ENDING) and not (name and item.key.startswith(own)):
                needed |= self._read(item.key, item.etag)
        return needed

    def named_by(self, keys: Iterable[str]) -> set[str]:
        """Return the images that these manifests name; other files are passed over."""
        named: set[str] = set()
        for key in keys:
            if key.endswith(MANIFEST_ENDING) and key.count("/") == trial_folder("x").count("/"):
                named |= self._read(key, "")
        return named

    def _read(self, key: str, etag: str) -> frozenset[str]:
        if (key, etag) not in self.known:
            named = keys_in(self.account.bucket, objects.read(self.account, key))
            self.known[key, etag] = frozenset(image for image in named if image.startswith(IMAGES))
        return self.known[key, etag]


def _claim(account: Account, name: str, since: str) -> Resource:
    address = f"s3://{account.bucket}/{trial_folder(name)}"
    return Resource(
        SAMPLES,
        name,
        resource_id=address,
        hourly_usd=0.0,
        details={"bucket": account.bucket, "folder": trial_folder(name)},
        delete_by_hand=f"aws s3 rm --recursive {address}  # its images lie in s3://{account.bucket}/{IMAGES}",
        since=since,
        scope=account.scope,
    )


def _unclaimed_resource(account: Account) -> Resource:
    address = f"s3://{account.bucket}/{IMAGES}"
    return Resource(
        UNCLAIMED,
        UNCLAIMED_NAME,
        resource_id=address,
        hourly_usd=0.0,
        details={"bucket": account.bucket},
        delete_by_hand=f"aws s3 rm --recursive {address}",
        scope=account.scope,
    )
