"""Real containers without a registry: podman, and a base image that is made from this machine's own Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

BASE = "localhost/python-of-this-machine"
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Without them runc wants to raise limits, which a container inside a sandbox may not."""

LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "dist-packages", "__pycache__", "test", "idlelib", "tkinter", "ensurepip", "config-*", "*.a",
    "EXTERNALLY-MANAGED",
)  # fmt: skip
NEEDED_BY_WHEELS = ("libstdc++.so.6", "libgcc_s.so.1")
TOOLS = ("sh", "cat")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Podman:
    """podman with a storage of its own.

    Args:
        folder: Where images are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.words = [
            "podman", "--root", str(folder / "images"), "--runroot", str(folder / "run"),
            "--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs",
        ]  # fmt: skip

    def __call__(self, *words: str) -> str:
        """Run a command of podman and return what it printed."""
        ended = subprocess.run([*self.words, *words], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"podman {words}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def build(self, tag: str, folder: Path) -> None:
        """Build the image of a folder with a Dockerfile on the base of this machine."""
        options = ("--format", "docker", "--layers=false", "--network", "host", *LIMITS)
        self("build", *options, "--build-arg", f"BASE={BASE}", "--tag", tag, str(folder))

    def import_base(self) -> None:
        """Make the base image."""
        root = self._folder / "root"
        _lay_out(root)
        packed = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        path = "ENV PATH=/usr/local/bin:/usr/bin:/bin"
        subprocess.run(
            [*self.words, "import", "--change", path, "-", BASE], stdin=packed.stdout, check=True, timeout=120
        )
        assert packed.wait() == 0

    def remove_all(self) -> None:
        """Remove every image and the storage."""
        self("rmi", "--all", "--force")
        shutil.rmtree(self._folder, ignore_errors=True)


def _lay_out(root: Path) -> None:
    """Write the file system: Python with pip in /usr/local, a shell, their libraries, and how pip gets packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = root / "usr/local/lib" / version
    shutil.copytree(sysconfig.get_paths()["stdlib"], library, ignore=LEFT_OUT, symlinks=True)
    import pip

    shutil.copytree(Path(str(pip.__file__)).parent, library / "site-packages/pip", ignore=LEFT_OUT)
    program = root / "usr/local/bin" / version
    program.parent.mkdir(parents=True)
    shutil.copy(os.path.realpath(Path(sys.base_prefix) / "bin" / version), program)
    program.with_name("python").symlink_to(version)
    tools = {Path(str(shutil.which(name))) for name in TOOLS}
    for tool in tools:
        _copy(root, tool, Path("/bin") / tool.name)
    for file in {file for binary in (program, *tools, *library.rglob("*.so")) for file in _libraries(binary)}:
        _copy(root, file, file)
    for folder in ("tmp", "etc", "proc", "sys", "dev", "root"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n" + _index())
    if CERTIFICATES.is_file():
        _copy(root, CERTIFICATES, CERTIFICATES)


def _libraries(binary: Path) -> Iterator[Path]:
    told = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
    yield from (Path(name) for name in re.findall(r"(/\S+) \(0x", told))
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for name in NEEDED_BY_WHEELS:
        yield from (Path(path) for path in re.findall(rf"{re.escape(name)} \(libc6,x86-64.*=> (\S+)", known)[:1])


def _index() -> str:
    """Return the package index that this machine's pip is told to use, if it is told one."""
    words = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"index-url = {told.stdout.strip()}\n" if told.returncode == 0 else ""


def _copy(root: Path, source: Path, to: Path) -> None:
    target = root / to.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(source), target)
