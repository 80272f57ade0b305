"""Find the files of the published image sets in the user's folders and the system's, or download and check them."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jaxgen.atomic import replacing
from jaxgen.data.tables import DataError

ROOT = "JAXGEN_DATA"
"""Environment variable: a folder with data sets, directly or in subfolders."""
BASE = "JAXGEN_DATA_URL"
"""Environment variable: the address that replaces the publishers'; files are at `<address>/<folder>/<file>`."""
_TIMEOUT = 30.0
_BLOCK = 1 << 16


class Published(NamedTuple):
    """Hold what is known of a data set as it is published.

    Attributes:
        folder: The name of its folder.
        address: The address of its files.
        checksums: The checksums by file name.
        system: Folders of the system in which its files may lie.
    """

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
"""Checksums are those that the publishers state, which are MD5 sums for Fashion-MNIST."""


def find(name: str, file: str, data_dir: str | os.PathLike[str] | None, download: bool = False) -> Path | None:
    """Find one file of a set, also without its ending .gz.

    Args:
        name: The name of the set.
        file: The name of the file.
        data_dir: The only folder to look in. None looks in the folder that JAXGEN_DATA names, in the user's cache and in the folders of
            the system. The set's subfolder of each folder is searched too.
        download: Download a missing file into the cache and check it.

    Returns:
        The path, or None if there is no such file.

    Raises:
        DataError: The folder does not exist, or the download fails.
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
    """Return the error for missing files, which says where they were looked for and what to do.

    Args:
        name: The name of the set.
        files: The names of the files.
        data_dir: The folder in which they were looked for, or None.
        advice: Words to add.
    """
    places = ", ".join(str(folder) for folder in _folders(name, data_dir))
    fetched = "download=True (--download), which fetches it, or " if SETS[name].checksums else ""
    return DataError(
        f"{name}: no {files} in {places}; accepted: {fetched}a folder that has it, by data_dir= (--data-dir) or {ROOT}{advice}"
    )


def cache() -> Path:
    """Return the user's cache folder for data sets."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgen" / "data"


def fetch(name: str, file: str) -> Path:
    """Download one file of a data set into the cache and check it.

    Args:
        name: The name of the data set.
        file: The name of one of its files.

    Returns:
        The path of the file in the cache.

    Raises:
        DataError: The file has no known address, cannot be downloaded or is not the published one. No file is left.
    """
    published = SETS[name]
    if file not in published.checksums:
        raise DataError(f"{name}: {file} has no known address; accepted: files that are published, or a folder that has it.")
    base = os.environ.get(BASE)
    url = f"{base.rstrip('/')}/{published.folder}/{file}" if base else f"{published.address}/{file}"
    target = cache() / published.folder / file
    with replacing(target) as part, part.open("wb") as out:
        _copy(url, out, published.checksums[file])
    return target


def _copy(url: str, out: BinaryIO, checksum: str) -> None:
    kind, stated = checksum.split(":")
    digest, size = hashlib.new(kind, usedforsecurity=False), 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            announced = answer.headers.get("Content-Length")
            while block := answer.read(_BLOCK):
                digest.update(block)
                size += len(block)
                out.write(block)
    except urllib.error.HTTPError as error:
        raise DataError(f"{url}: cannot be downloaded: the server answers {error.code} {error.reason}; accepted: 200.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataError(f"{url}: cannot be downloaded: {getattr(error, 'reason', None) or error or type(error).__name__}.") from None
    if announced is not None and size != int(announced):
        raise DataError(
            f"{url}: the connection was cut after {size} of {announced} bytes; accepted: all of them. Nothing is kept: try again."
        )
    if digest.hexdigest() != stated:
        raise DataError(f"{url}: has the {kind} checksum {digest.hexdigest()}; accepted: {stated}. Nothing is kept.")


def _folders(name: str, data_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    published = SETS[name]
    foreign = {other.folder for other in SETS.values()} - {published.folder}
    root = data_dir if data_dir is not None else os.environ.get(ROOT) or None
    if root is not None:
        root = Path(root).expanduser()
        if not root.is_dir():
            raise DataError(f"{'data_dir' if data_dir is not None else ROOT}={root}; accepted: an existing folder.")
        yield root / published.folder
        # MNIST and Fashion-MNIST name their files alike: the other set's own folder is not taken for this one's.
        if root.name not in foreign:
            yield root
    if data_dir is None:
        yield cache() / published.folder
        yield from map(Path, published.system)
