"""Odd image files: each is written here, and its pixels after reading are known."""

import re
import struct
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import gamlib
from gamlib import images
from gamlib.data import Sample
from gamlib.images import open_image

ORIENTATION = 0x0112
RED, GREEN = (255, 0, 0), (0, 255, 0)


def two_fields(size=(40, 20)) -> Image.Image:
    """Left half red, right half green."""
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (size[0] // 2, 0, *size))
    return image


def test_plain_rgb_is_unchanged(tmp_path):
    values = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.png")), values)


@pytest.mark.parametrize(
    ("orientation", "size", "red", "green"),
    [
        (1, (40, 20), (5, 10), (35, 10)),
        (2, (40, 20), (35, 10), (5, 10)),  # mirrored
        (3, (40, 20), (35, 10), (5, 10)),  # upside down
        (6, (20, 40), (10, 5), (10, 35)),  # to be turned clockwise: left becomes top
        (8, (20, 40), (10, 35), (10, 5)),  # anticlockwise: left becomes bottom
    ],
)
def test_the_camera_s_rotation_is_applied(tmp_path, orientation, size, red, green):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    two_fields().save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    image = open_image(tmp_path / "a.jpg")
    assert image.size == size
    np.testing.assert_allclose(image.getpixel(red), RED, atol=3)
    np.testing.assert_allclose(image.getpixel(green), GREEN, atol=3)


def test_alpha_lies_over_white(tmp_path):
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    image.putpixel((2, 0), (255, 0, 0, 51))  # a fifth of red, four fifths of white
    image.save(tmp_path / "a.png")
    assert np.asarray(open_image(tmp_path / "a.png")).tolist() == [[[255, 255, 255], [0, 0, 0], [255, 204, 204]]]


def test_a_transparent_palette_entry_lies_over_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert np.asarray(open_image(tmp_path / "a.png")).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_greyscale_has_three_equal_channels(tmp_path):
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).save(tmp_path / "a.png")
    assert np.asarray(open_image(tmp_path / "a.png")).tolist() == [[[0] * 3, [100] * 3, [255] * 3]]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled_and_not_cut(tmp_path, suffix):
    values = np.array([[0, 257, 100 * 257, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    assert np.asarray(open_image(tmp_path / f"a.{suffix}"))[0].tolist() == [[0] * 3, [1] * 3, [100] * 3, [255] * 3]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_a_file_of_sixteen_are_stretched_to_their_own_range(tmp_path, bits):
    top = 2**bits - 1
    Image.fromarray(np.array([[100, 100 + (top - 100) // 3, top]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_allclose(np.asarray(open_image(tmp_path / "a.png"))[0, :, 0], [0, 85, 255], atol=0.5)


def test_one_value_of_sixteen_bits_keeps_its_place(tmp_path):
    Image.fromarray(np.full((2, 2), 257 * 40, np.uint16)).save(tmp_path / "a.png")
    assert (np.asarray(open_image(tmp_path / "a.png")) == 40).all()


def odd_files(folder) -> list[str]:
    """16 bits, transparent, turned, with a palette, for print, grey with alpha, black and white."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(np.tile(np.arange(0, 4000, 100, dtype=np.uint16), (20, 1))).save(folder / "bits.png")
    Image.new("RGBA", (40, 20), (*RED, 0)).save(folder / "clear.png")
    two_fields().save(folder / "turned.png", exif=exif)
    two_fields().quantize(4).save(folder / "palette.gif", transparency=0)
    two_fields().convert("CMYK").save(folder / "print.tiff")
    Image.merge("LA", [two_fields().convert("L"), Image.linear_gradient("L").resize((40, 20))]).save(folder / "la.png")
    two_fields().convert("1").save(folder / "one.png")
    return ["bits.png", "clear.png", "turned.png", "palette.gif", "print.tiff", "la.png", "one.png"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transform_reads_paths_and_opened_files_as_open_image_does(tmp_path, channels):
    transform = gamlib.Preprocess((16, 12), (0.5,) * channels, (0.25,) * channels)
    for name in odd_files(tmp_path):
        expected = transform(open_image(tmp_path / name))
        assert torch.equal(transform(str(tmp_path / name)), expected)
        assert torch.equal(transform(tmp_path / name), expected)
        with Image.open(tmp_path / name) as opened:
            assert torch.equal(transform(opened), expected)


def test_a_sample_s_pixels_are_not_turned_under_their_boxes(tmp_path):
    odd_files(tmp_path)
    for image in (Image.open(tmp_path / "turned.png"), Image.open(tmp_path / "turned.png").convert("RGB")):
        sample = Sample("a", image)
        assert sample.image.size == (40, 20)
        x = gamlib.Preprocess((20, 40), (0.0,) * 3, (1.0,) * 3)(sample.image)
        assert x[:, 10, 0].tolist() == [1, 0, 0] and x[:, 10, 39].tolist() == [0, 1, 0]


@pytest.mark.parametrize("bits", [8, 16])
def test_where_zero_is_white_the_image_is_no_negative(tmp_path, bits):
    path = tmp_path / "scan.tiff"
    Image.fromarray(np.array([[0, 100, 200]], f"uint{bits}")).save(path)
    content = path.read_bytes()
    # the entry of the tag in the file's directory: its number, a short, one of them, its value
    black_is_zero, white_is_zero = (struct.pack("<HHIHxx", 262, 3, 1, value) for value in (1, 0))
    assert content.count(black_is_zero) == 1
    path.write_bytes(content.replace(black_is_zero, white_is_zero))
    for image in (gamlib.open_image(path), Sample("a", Image.open(path)).image.convert("RGB")):
        assert np.asarray(image)[0, :, 0].tolist() == ([255, 155, 55] if bits == 8 else [255, 128, 0])


def test_values_beyond_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="values 0 to 70000 are no 16-bit greyscale"):
        open_image(tmp_path / "a.tiff")


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="floating-point numbers, whose scale is not known"):
        open_image(tmp_path / "a.tiff")


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk_colours(tmp_path, suffix):
    # no ink is white; full magenta and yellow are red
    Image.new("CMYK", (16, 16), (0, 0, 0, 0)).save(tmp_path / f"white.{suffix}")
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"red.{suffix}")
    np.testing.assert_allclose(open_image(tmp_path / f"white.{suffix}").getpixel((8, 8)), (255, 255, 255), atol=3)
    np.testing.assert_allclose(open_image(tmp_path / f"red.{suffix}").getpixel((8, 8)), RED, atol=3)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, GREEN)]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert open_image(tmp_path / f"a.{suffix}").getpixel((4, 4)) == RED


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_large_image_is_scaled_down(tmp_path, suffix):
    two_fields((6000, 30)).save(tmp_path / f"a.{suffix}")
    image = open_image(tmp_path / f"a.{suffix}")
    assert image.size == (2048, 10)
    np.testing.assert_allclose(image.getpixel((500, 5)), RED, atol=3)
    np.testing.assert_allclose(image.getpixel((1500, 5)), GREEN, atol=3)


def test_no_warning_below_the_limit_and_one_clear_error_above_it(tmp_path, monkeypatch):
    Image.new("1", (150, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # Pillow warns above it, refuses above twice of it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(tmp_path / "a.png").size == (150, 100)
    Image.new("1", (300, 100)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png' is too large; at most 178 million pixels are accepted"):
        open_image(tmp_path / "b.png")


def test_the_stated_limit_is_pillow_s():
    assert images.MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"no file '{tmp_path / 'gone.jpg'}'")):
        open_image(tmp_path / "gone.jpg")


def test_a_folder_and_an_address_are_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"image: '{tmp_path}' is a folder; give the path of a")):
        open_image(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file 'https://example.org/a.jpg'"):
        open_image("https://example.org/a.jpg")


def test_an_opened_image_that_cannot_be_read(tmp_path):
    transform = gamlib.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(
        ValueError, match="image: cannot be read .its pixels are floating-point numbers.*save it as PNG"
    ):
        transform(Image.fromarray(np.ones((2, 2), np.float32)))
    two_fields((300, 300)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:900])
    with Image.open(tmp_path / "a.jpg") as image, pytest.raises(ValueError, match="image: cannot be read .*truncated"):
        transform(image)


def test_what_is_no_image_is_named_with_what_is_accepted(tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"a\.jpg' cannot be read .*; accepted: JPEG, PNG, WebP, GIF, BMP, TIFF"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["eps", "ico", "ppm"])
def test_formats_that_are_not_named_are_not_tried(tmp_path, kind):
    Image.new("RGB", (32, 32)).save(tmp_path / f"a.{kind}")
    with pytest.raises(ValueError, match=rf"a\.{kind}' cannot be read .*; accepted: JPEG, PNG, WebP, GIF, BMP, TIFF"):
        open_image(tmp_path / f"a.{kind}")


def test_of_several_pictures_of_a_camera_the_first(tmp_path):
    red, blue = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    red.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[blue])
    assert open_image(tmp_path / "a.jpg").getpixel((4, 4))[0] > 250


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tiff"])
def test_a_file_cut_short_is_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"a.{suffix}")
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"a\.{suffix}' cannot be read"):
        open_image(tmp_path / f"a.{suffix}")
