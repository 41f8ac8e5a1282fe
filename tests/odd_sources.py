"""Sources as people have them: small images, all different, and what lies beside them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def image_bytes(number: int, kind: str = "PNG", size: tuple[int, int] = (12, 10)) -> bytes:
    """Return an image that is different for each number, and looks different too."""
    digest = hashlib.sha256(str(number).encode()).digest()
    small = Image.frombytes("RGB", (3, 3), (digest * 2)[:27])
    buffer = io.BytesIO()
    small.resize(size, Image.Resampling.NEAREST).save(buffer, kind)
    return buffer.getvalue()


class Source:
    """Writes a source: every image is another one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0
        root.mkdir()

    def put(self, path: str, content: bytes | str = "x") -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def image(self, path: str) -> str:
        self.number += 1
        self.put(path, image_bytes(self.number))
        return path

    def images(self, folder: str, count: int = 5) -> list[str]:
        return [self.image(f"{folder}/{self.number + 1}.png") for _ in range(count)]

    def tree(self, *folders: str, count: int = 5) -> None:
        for folder in folders:
            self.images(folder, count)

    def list_of(self, name: str, rows: Iterable[Iterable[str]], delimiter: str = ",", encoding: str = "utf-8") -> None:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(rows)
        self.put(name, text.getvalue().encode(encoding))

    def labelled(self, folder: str = "img", count: int = 8) -> list[tuple[str, str]]:
        return [(path, "cat" if at % 2 else "dog") for at, path in enumerate(self.images(folder, count))]
