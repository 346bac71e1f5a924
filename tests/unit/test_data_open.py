"""Open data: fetched once from a server, checked by hash, and the sets built on it."""

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from gamlib.data import BrokenImage, load_dataset
from gamlib.data.fetch import data_folder, fetch
from gamlib.models import load_model

XML = """<annotation><size><width>40</width><height>30</height><depth>3</depth></size>
<object><name>raccoon</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>11</ymin><xmax>40</xmax><ymax>20</ymax></bndbox></object>
<object><name>raccoon</name>
<bndbox><xmin>50</xmin><ymin>1</ymin><xmax>60</xmax><ymax>9</ymax></bndbox></object></annotation>
"""


class Counting(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        # a file "busy" turns one request away
        if (busy := Path(self.directory) / "busy").exists():
            busy.unlink()
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A loopback server of two data sets, as the registry has them: its folder and the paths asked for."""
    source = tmp_path / "source"
    (source / "raccoon" / "annotations").mkdir(parents=True)
    (source / "raccoon" / "images").mkdir()
    (source / "imagenet-samples").mkdir()
    (source / "raccoon" / "annotations" / "raccoon-2.xml").write_text(XML)
    Image.new("RGB", (40, 30), "red").save(source / "raccoon" / "images" / "raccoon-2.jpg")
    (source / "imagenet-samples" / "n02123045_tabby.JPEG").write_bytes(b"no image")
    asked: list[str] = []
    handler = functools.partial(type("Handler", (Counting,), {"asked": asked}), directory=source)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{http.server_port}"
    registry = tmp_path / "registry.txt"
    files = sorted(p for p in source.rglob("*") if p.is_file())
    lines = [
        f"{p.relative_to(source)} sha256:{hashlib.sha256(p.read_bytes()).hexdigest()} {url}/{p.relative_to(source)}"
        for p in files
    ]
    registry.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("gamlib.data.fetch.REGISTRY", registry)
    yield source, asked
    http.shutdown()
    http.server_close()


def test_a_server_that_is_busy_once_is_asked_again(server, tmp_path):
    source, asked = server
    (source / "busy").touch()
    (file,) = fetch("imagenet-samples", tmp_path / "cache")
    assert file.read_bytes() == b"no image" and asked == ["/imagenet-samples/n02123045_tabby.JPEG"] * 2


def test_fetch_downloads_once_and_goes_on_after_an_interruption(server, tmp_path):
    _, asked = server
    files = fetch("raccoon", tmp_path / "cache")
    assert sorted(asked) == ["/raccoon/annotations/raccoon-2.xml", "/raccoon/images/raccoon-2.jpg"]
    folder = tmp_path / "cache" / "raccoon"
    assert files == [folder / "annotations" / "raccoon-2.xml", folder / "images" / "raccoon-2.jpg"]
    assert files[0].read_text() == XML
    files[1].unlink()
    asked.clear()
    fetch("raccoon", tmp_path / "cache")
    assert asked == ["/raccoon/images/raccoon-2.jpg"]


def test_fetch_replaces_a_damaged_file(server, tmp_path):
    source, _ = server
    damaged = tmp_path / "cache" / "raccoon" / "images" / "raccoon-2.jpg"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half")
    fetch("raccoon", tmp_path / "cache")
    assert damaged.read_bytes() == (source / "raccoon" / "images" / "raccoon-2.jpg").read_bytes()


def test_fetch_refuses_a_wrong_hash_and_leaves_nothing(server, tmp_path):
    (server[0] / "raccoon" / "images" / "raccoon-2.jpg").write_bytes(b"something else")
    with pytest.raises(ConnectionError, match=r"raccoon-2.jpg' is not there, .* from http://127.*hash"):
        fetch("raccoon", tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.jpg"))


def test_fetch_offline_names_file_url_and_folder_variable(tmp_path, monkeypatch):
    registry = tmp_path / "registry.txt"
    registry.write_text(f"raccoon/a.xml sha256:{'0' * 64} http://127.0.0.1:9/a.xml\n")
    monkeypatch.setattr("gamlib.data.fetch.REGISTRY", registry)
    with pytest.raises(ConnectionError, match=r"raccoon/a.xml' is not there, .*http://127.0.0.1:9/a.xml.*GAMLIB_DATA"):
        fetch("raccoon", tmp_path / "cache")
    (tmp_path / "cache/raccoon").mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache/raccoon/a.xml").write_text("half")
    with pytest.raises(
        ConnectionError, match=r"a.xml' is damaged: its SHA-256 is not the registry's, .*connect to the"
    ):
        fetch("raccoon", tmp_path / "cache")


def test_data_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GAMLIB_DATA", str(tmp_path))
    assert data_folder() == tmp_path


def test_raccoon_boxes_are_half_open_and_counted(server, tmp_path):
    # neither a file of the system nor one of the user's own is of the set
    (tmp_path / "cache/raccoon/annotations").mkdir(parents=True)
    for name in ("._raccoon-2.xml", "mine.xml"):
        (tmp_path / "cache/raccoon/annotations" / name).write_text("no XML")
    data = load_dataset("raccoon", tmp_path / "cache")
    assert len(data) == 1
    assert data[0].objects[0].box == (0, 10, 40, 20)
    assert data.labels(0) == ("raccoon",)
    assert data.areas(0) == pytest.approx((400 / 1200,))
    assert data.dropped == {"box outside the image": 1}
    assert data.classes == {"raccoon": None}


def test_undecodable_image_is_broken_but_its_label_is_known(server, tmp_path):
    data = load_dataset("imagenet_samples", tmp_path / "cache")
    assert (data.labels(0), data.classes) == (("n02123045",), {"n02123045": 281})
    with pytest.raises(BrokenImage, match="image 'n02123045_tabby' cannot be read: cannot identify") as error:
        data[0]
    assert error.value.sample_id == "n02123045_tabby"


def test_the_200_raccoon_photographs(open_data):
    data = load_dataset("raccoon", open_data)
    assert (len(data), sum(len(data.labels(i)) for i in range(200)), data.dropped) == (200, 217, {})
    # raccoon-1.xml: 81 88 522 408, counted from 1
    assert data[0].objects[0].box == (80, 87, 522, 408)


def test_imagenet_samples_have_the_class_of_their_file_name(open_data):
    data = load_dataset("imagenet_samples", open_data)
    names = load_model("efficientnet_lite0", weights=None).categories
    told = [record.id.partition("_")[2].replace("_", " ").lower() for record in data.records]
    assert [names[data.classes[data.labels(i)[0]]].lower() for i in range(30)] == told
