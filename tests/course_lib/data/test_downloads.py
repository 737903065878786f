"""Loading by name: from the folder, over the network, and the error where neither has it.

No test reaches for the network: `urlopen` is replaced, and the files are small ones made here.
"""

import gzip
import hashlib
import io
import re
import tarfile
import urllib.error
import urllib.request

import numpy as np
import pytest

from course_lib.data import downloads, load

rng = np.random.default_rng(0)


def idx(values):
    """The bytes of a gzipped IDX file (http://yann.lecun.com/exdb/mnist) of unsigned bytes."""
    header = bytes([0, 0, 8, values.ndim])
    sizes = b"".join(int(n).to_bytes(4, "big") for n in values.shape)
    return gzip.compress(header + sizes + values.tobytes())


MNIST = {
    "train-images": rng.integers(0, 256, (6, 28, 28), dtype=np.uint8),
    "train-labels": rng.integers(0, 10, 6, dtype=np.uint8),
    "t10k-images": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
    "t10k-labels": rng.integers(0, 10, 2, dtype=np.uint8),
}

CIFAR = {
    name: (rng.integers(0, 10, 3, dtype=np.uint8), rng.integers(0, 256, (3, 3, 32, 32), np.uint8))
    for name in (*(f"data_batch_{i}" for i in (3, 1, 2, 5, 4)), "test_batch")
}


def cifar_archive():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        files = {"batches.meta.txt": b"airplane\n"}
        for name, (labels, images) in CIFAR.items():
            records = [
                bytes([label]) + image.tobytes()
                for label, image in zip(labels, images, strict=True)
            ]
            files[f"{name}.bin"] = b"".join(records)
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def publisher(monkeypatch, tmp_path):
    """A network that has the small files, an empty folder, and the list of what was asked for."""
    contents = {"cifar-10-binary.tar.gz": cifar_archive()}
    for name, values in MNIST.items():
        contents[f"{name}-idx{values.ndim}-ubyte.gz"] = idx(values)
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(contents[url.rpartition("/")[2]])

    def md5(url):
        return hashlib.md5(contents[url.rpartition("/")[2]], usedforsecurity=False).hexdigest()

    small = {name: {url: md5(url) for url in urls} for name, urls in downloads._FILES.items()}
    monkeypatch.setattr(downloads, "_FILES", small)
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("CNN_COURSE_DATA", str(tmp_path / "data"))
    return asked


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    def urlopen(url, timeout):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("CNN_COURSE_DATA", str(tmp_path / "data"))


def test_mnist(publisher):
    data = load("mnist")
    np.testing.assert_array_equal(data.train_images, MNIST["train-images"])
    np.testing.assert_array_equal(data.train_labels, MNIST["train-labels"])
    np.testing.assert_array_equal(data.test_images, MNIST["t10k-images"])
    np.testing.assert_array_equal(data.test_labels, MNIST["t10k-labels"])
    assert data.train_labels.dtype == np.int64
    assert all(array.flags.writeable for array in data)


def test_cifar10(publisher):
    data = load("cifar10")
    batches = [CIFAR[f"data_batch_{i}"] for i in range(1, 6)]
    np.testing.assert_array_equal(data.train_labels, np.concatenate([b[0] for b in batches]))
    np.testing.assert_array_equal(data.train_images, np.concatenate([b[1] for b in batches]))
    np.testing.assert_array_equal(data.test_labels, CIFAR["test_batch"][0])
    np.testing.assert_array_equal(data.test_images, CIFAR["test_batch"][1])
    assert data.test_labels.dtype == np.int64
    assert all(array.flags.writeable for array in data)


def test_each_file_is_asked_for_once(publisher):
    load("mnist")
    load("mnist")
    assert len(publisher) == len(set(publisher)) == 4


def test_files_put_there_by_hand_need_no_network(publisher, no_network, tmp_path):
    (tmp_path / "data").mkdir()
    for name, values in MNIST.items():
        (tmp_path / "data" / f"{name}-idx{values.ndim}-ubyte.gz").write_bytes(idx(values))
    assert load("mnist").train_images.shape == (6, 28, 28)


@pytest.mark.parametrize(
    ("name", "file"),
    [("mnist", "train-images-idx3-ubyte.gz"), ("cifar10", "cifar-10-binary.tar.gz")],
)
def test_without_a_network_the_error_says_what_to_do(no_network, tmp_path, name, file):
    with pytest.raises(FileNotFoundError) as caught:
        load(name)
    message = str(caught.value)
    assert message.startswith(f"{name} is not here and could not be downloaded (")
    assert f"{file} is missing from {tmp_path / 'data'}" in message
    assert re.search(rf"Get https://\S+/{re.escape(file)} on a machine with a network", message)
    assert not (tmp_path / "data").exists()


def test_a_download_that_is_not_the_file_is_not_kept(publisher, monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b"<html>"))
    with pytest.raises(OSError, match=r"has MD5 \w+, must have \w+"):
        load("mnist")
    assert not list(tmp_path.glob("data/*"))


def test_a_spoilt_file_in_the_folder_is_named(publisher, tmp_path):
    load("cifar10")
    path = tmp_path / "data" / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match=re.escape(f"{path} has MD5")):
        load("cifar10")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("minst", ValueError, "did you mean 'mnist'?"),
        ("CIFAR-10", ValueError, "did you mean 'cifar10'?"),
        ("imagenet", ValueError, "name (='imagenet') must be one of 'mnist', 'cifar10'"),
        (None, TypeError, "name (=None) must be a string"),
    ],
)
def test_bad_names(name, error, message):
    with pytest.raises(error, match=re.escape(message)):
        load(name)
