"""Where the files of the published image sets are: in the user's folders, where Debian puts them, or downloaded and checked."""

import contextlib
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jaxgen.data.tables import DataError

ROOT = "JAXGEN_DATA"
"""Environment variable: a folder with data sets, themselves or in subfolders."""
BASE = "JAXGEN_DATA_URL"
"""Environment variable: the address that replaces the publishers'; files are at `<address>/<folder>/<file>`."""
_TIMEOUT = 30.0
_BLOCK = 1 << 16


class Published(NamedTuple):
    """A set as it is published: the name of its folder, the address, checksums by file name, and where the system may have it."""

    folder: str
    address: str
    checksums: dict[str, str]
    system: tuple[str, ...] = ()


SETS: dict[str, Published] = {
    "mnist": Published(
        "mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        {
            "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion_mnist": Published(
        "fashion-mnist",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
        ("/usr/share/datasets/fashion-mnist",),
    ),
    # The fixed binarisation is found, never downloaded: no address has kept it.
    "binarised_mnist": Published("mnist", "", {}),
}
"""Checksums are those that the publishers state: of Fashion-MNIST they are MD5 sums."""


def find(name: str, file: str, data_dir: str | os.PathLike[str] | None, download: bool = False) -> Path | None:
    """The path of one file of the set `name`, also without its ending .gz, or None where it is nowhere.

    Looked for in `data_dir` alone where that is given, otherwise in the folder that JAXGEN_DATA names, in the user's cache and where the
    system has it; in each also in the set's own subfolder. With `download` a file that is missing is fetched into the cache and checked.
    Raises DataError for a folder that does not exist and for a download that fails.
    """
    places = list(_folders(name, data_dir))
    if download:
        places.append(cache() / SETS[name].folder)
    for folder in places:
        for candidate in (folder / file, folder / file.removesuffix(".gz")):
            if candidate.is_file():
                return candidate
    return fetch(name, file) if download else None


def missing(name: str, files: str, data_dir: str | os.PathLike[str] | None, advice: str = "") -> DataError:
    """What to raise where `files` were not found: it says where they were looked for and what to do."""
    places = ", ".join(str(folder) for folder in _folders(name, data_dir))
    fetched = "; download=True (--download) fetches it" if SETS[name].checksums else ""
    return DataError(f"{name}: no {files} in {places}{fetched}; or name a folder that has it by data_dir= (--data-dir) or {ROOT}{advice}")


def cache() -> Path:
    """The user's cache folder for data sets."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgen" / "data"


def fetch(name: str, file: str) -> Path:
    """Download one file of the set `name` into the cache and check it; the path. What fails leaves no file and raises DataError."""
    published = SETS[name]
    if file not in published.checksums:
        raise DataError(f"{name}: {file} has no known address; it can be found in a folder only")
    base = os.environ.get(BASE)
    url = f"{base.rstrip('/')}/{published.folder}/{file}" if base else f"{published.address}/{file}"
    target = cache() / published.folder / file
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=file, suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            _copy(url, out, published.checksums[file])
        os.replace(part, target)
    finally:
        # After the replacement there is none; after any failure, an interrupt included, no half file stays.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
    return target


def _copy(url: str, out: Any, checksum: str) -> None:
    kind, expected = checksum.split(":")
    digest, size = hashlib.new(kind, usedforsecurity=False), 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            announced = answer.headers.get("Content-Length")
            while block := answer.read(_BLOCK):
                digest.update(block)
                size += len(block)
                out.write(block)
    except urllib.error.HTTPError as error:
        raise DataError(f"{url}: cannot be downloaded: the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataError(f"{url}: cannot be downloaded: {getattr(error, 'reason', None) or error or type(error).__name__}") from None
    if announced is not None and size != int(announced):
        raise DataError(f"{url}: the connection was cut after {size} of {announced} bytes; nothing is kept, try again")
    if digest.hexdigest() != expected:
        raise DataError(f"{url}: has the {kind} checksum {digest.hexdigest()}; expected {expected}. Nothing is kept")


def _folders(name: str, data_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    published = SETS[name]
    foreign = {other.folder for other in SETS.values()} - {published.folder}
    root = data_dir if data_dir is not None else os.environ.get(ROOT) or None
    if root is not None:
        root = Path(root).expanduser()
        if not root.is_dir():
            raise DataError(f"{'data_dir' if data_dir is not None else ROOT}={root}: no such folder")
        yield root / published.folder
        # MNIST and Fashion-MNIST name their files alike: the other set's own folder is not taken for this one's.
        if root.name not in foreign:
            yield root
    if data_dir is None:
        yield cache() / published.folder
        yield from map(Path, published.system)
