"""MNIST and CIFAR-10 by name, where there is a network. Nothing graded needs them.

The files are fetched once, checked, and kept in a folder: `CNN_COURSE_DATA` if that is set in the
environment, `~/.cache/cnn-course` if not. On a machine without a network, put them there by hand.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import choice

__all__ = ["Downloaded", "load"]

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_CIFAR = "https://www.cs.toronto.edu/~kriz"

# data set → its files: where each is had, and the MD5 that its publisher gives
_FILES = {
    "mnist": {
        f"{_MNIST}/train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        f"{_MNIST}/train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        f"{_MNIST}/t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        f"{_MNIST}/t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "cifar10": {f"{_CIFAR}/cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
}


class Downloaded(NamedTuple):
    """Images in uint8, 0 to 255: (N, H, W) grey or (N, 3, H, W) RGB; labels (N,), int64."""

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]


def load(name: str) -> Downloaded:
    """Load "mnist" (28×28, grey) or "cifar10" (32×32, RGB): 60,000 images, in uint8 to save memory.

    Raises ValueError for another name, FileNotFoundError where the files are neither in the
    folder nor to be had, and OSError where a file is not what its publisher put out.

    >>> load("minst")
    Traceback (most recent call last):
    ValueError: name (='minst') must be one of 'mnist', 'cifar10': did you mean 'mnist'?
    """
    choice(name, "name", tuple(_FILES))
    files = [_fetched(name, url, md5) for url, md5 in _FILES[name].items()]
    return _read_mnist(files) if name == "mnist" else _read_cifar10(files[0])


def _fetched(name: str, url: str, md5: str) -> Path:
    """The path of a file in the folder, downloaded there first if it is missing."""
    folder = Path(os.environ.get("CNN_COURSE_DATA") or Path.home() / ".cache" / "cnn-course")
    path = folder / url.rpartition("/")[2]
    if not path.exists():
        import urllib.request  # slow to import, and seldom needed

        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                content = response.read()
        except OSError as error:
            raise FileNotFoundError(
                f"{name} is not here and could not be downloaded ({error}): "
                f"{path.name} is missing from {folder}. Get {url} on a machine with a network and "
                "put it into that folder, or go on without: nothing graded needs it"
            ) from error
        _check(content, md5, url)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(content)
        unfinished.replace(path)  # at once, so that an interrupted download leaves no half a file
    else:
        _check(path.read_bytes(), md5, str(path))
    return path


def _check(content: bytes, md5: str, where: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise OSError(f"{where} has MD5 {found}, must have {md5}: delete it and load again")


def _read_mnist(files: list[Path]) -> Downloaded:
    # An IDX file: a header of 4 bytes and 4 more for each axis, then one byte a value.
    train_images, train_labels, test_images, test_labels = (
        np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8) for path in files
    )
    return Downloaded(
        train_images[16:].reshape(-1, 28, 28).copy(),  # (60000, 28, 28)
        train_labels[8:].astype(np.int64),
        test_images[16:].reshape(-1, 28, 28).copy(),  # (10000, 28, 28)
        test_labels[8:].astype(np.int64),
    )


def _read_cifar10(path: Path) -> Downloaded:
    # The binary edition: records of one label and 3·32·32 pixels. No pickle is opened.
    import tarfile

    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if member.name.endswith(".bin") and content is not None:
                records = np.frombuffer(content.read(), dtype=np.uint8).reshape(-1, 3073)
                batches[Path(member.name).stem] = records  # (10000, 1 + 3·32·32)
    train = np.concatenate([batches[f"data_batch_{i}"] for i in range(1, 6)])
    test = batches["test_batch"]
    return Downloaded(
        train[:, 1:].reshape(-1, 3, 32, 32),  # (50000, 3, 32, 32)
        train[:, 0].astype(np.int64),
        test[:, 1:].reshape(-1, 3, 32, 32).copy(),  # (10000, 3, 32, 32)
        test[:, 0].astype(np.int64),
    )
