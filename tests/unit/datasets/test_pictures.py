"""What is inside files of images: depths, turns, modes, pages, sizes."""

import io
import logging
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from thetascope.datasets import pictures
from thetascope.datasets.options import load_items
from thetascope.errors import UserError

RAMP = np.arange(40 * 60).reshape(40, 60)  # 0 to 2399


@pytest.fixture
def folder(tmp_path):
    for part in "images", "masks":
        (tmp_path / part).mkdir()
    return tmp_path


def items(folder, count=2, **options):
    """Load images that lie in the folder, with masks made for them."""
    for path in (folder / "images").iterdir():
        Image.fromarray((RAMP > 1000).astype(np.uint8)).save(folder / "masks" / f"{path.stem}.png")
    found = {"path": str(folder), "images": "images/*", "masks": "masks/*", "colour": "grey"}
    loaded = list(load_items("folder", {**found, **options}))
    assert len(loaded) == count
    return [item.image for item in loaded]


def save(folder, *arrays, kind="tif", **options):
    for index, array in enumerate(arrays):
        path = folder / "images" / f"{index}.{kind}"
        if kind == "tif":
            tiff(path, array, **options)
        else:
            Image.fromarray(array).save(path, **options)


def tiff(path, array, photometric=None, planar=False, order="<", orientation=1, packed=False):
    """Write a TIFF of any type of numbers, which Pillow cannot, by its definition."""
    height, width = array.shape[-2:] if planar else array.shape[:2]
    channels = array.size // height // width
    planes = [plane.tobytes() for plane in (array if planar else [array])]
    planes = [zlib.compress(plane) for plane in planes] if packed else planes
    if photometric is None:  # 2 is RGB, 1 grey with 0 for black, 0 grey with 0 for white
        photometric = 2 if channels == 3 else 1
    tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [array.itemsize * 8] * channels),
        259: ("H", [8 if packed else 1]),
        262: ("H", [photometric]),
        273: ("I", []),  # where the strips are, filled in below
        274: ("H", [orientation]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(plane) for plane in planes]),
        284: ("H", [2 if planar else 1]),
        338: ("H", [0] * (channels - (3 if photometric == 2 else 1))),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[array.dtype.kind]] * channels),
    }
    tags = {tag: entry for tag, entry in tags.items() if entry[1] or tag == 273}
    place = 8 + 2 + 12 * len(tags) + 4
    tags[273] = ("I", [place + sum(map(len, planes[:i])) for i in range(len(planes))])
    place += sum(map(len, planes))
    entries, beyond = b"", b""
    for tag, (code, values) in tags.items():
        data = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(data) > 4:
            beyond, data = beyond + data, struct.pack(f"{order}I", place + len(beyond))
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[code], len(values))
        entries += data.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    path.write_bytes(head + entries + bytes(4) + b"".join(planes) + beyond)


def png16(path, pixels):
    """Write what Pillow cannot: a PNG of 16 bit in each of 2, 3 or 4 channels."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""):
            file.write(struct.pack(">I", len(data)) + name + data)
            file.write(struct.pack(">I", zlib.crc32(name + data)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_integers_of_a_sensors_depth_keep_the_range_of_the_set(folder, bits, kind):
    """The brightest picture of the set tells the depth; a dim one stays as much darker."""
    top = 2**bits - 1
    bright = np.linspace(0, top, RAMP.size).round().reshape(RAMP.shape).astype(np.uint16)
    save(folder, bright // 4, bright, kind=kind)
    dim, full = items(folder)
    np.testing.assert_array_equal(full[0], np.round(bright * (255 / top)))
    np.testing.assert_array_equal(dim[0], np.round((bright // 4) * (255 / top)))
    assert len(np.unique(full)) == 256


@pytest.mark.parametrize(
    ("dtype", "options"),
    [("uint32", {}), ("int32", {}), ("int16", {}), (">u2", {"order": ">"}), ("uint64", {})],
)
def test_whatever_type_the_integers_have(folder, dtype, options):
    save(folder, RAMP.astype(dtype), (RAMP + 1600).astype(dtype), **options)  # up to 3999: 12 bit
    for image, values in zip(items(folder), (RAMP, RAMP + 1600), strict=True):
        np.testing.assert_array_equal(image[0], np.round(values / 4095 * 255))


@pytest.mark.parametrize(
    ("array", "low", "high"),
    [
        ((RAMP - 1024).astype(np.int16), -1024, 1375),
        (RAMP.astype(np.uint32) * 1_000_000, 0, 2.399e9),  # beyond int32
        (RAMP.astype(np.float32), 0, 2399),
        (RAMP.astype(np.float64) / 2399 - 0.5, -0.5, 0.5),
    ],
    ids=["Hounsfield", "counts", "floats", "negative"],
)
def test_values_that_tell_no_black_and_white_ask_for_them(folder, array, low, high):
    save(folder, (array / 2).astype(array.dtype), array)
    with pytest.raises(UserError, match=r"images/[01]\.tif") as error:
        items(folder)
    line = f"value_range: [{low:g}, {high:g}]"
    assert f"from {low:g} (in " in str(error.value) and line in str(error.value)
    whole = items(folder, value_range=[low, high])[1][0]
    assert whole.min() == 0 and whole.max() == 255
    np.testing.assert_allclose(whole, (array - low) * (255 / (high - low)), atol=0.51)


def test_a_range_cuts_what_is_beyond_it(folder):
    save(folder, RAMP.astype(np.float32))
    (image,) = items(folder, 1, value_range=[1000, 2000])
    np.testing.assert_array_equal(image[0], np.round(np.clip((RAMP - 1000) / 1000, 0, 1) * 255))


def test_a_range_holds_for_bytes_too(folder):
    save(folder, (RAMP % 256).astype(np.uint8), kind="png")
    (image,) = items(folder, 1, value_range=[50, 150])
    expected = np.clip((RAMP % 256 - 50) / 100, 0, 1) * 255
    np.testing.assert_allclose(image[0], expected, atol=0.51)


def test_fractions_from_0_to_1_need_no_range(folder):
    save(folder, (RAMP / 2399).astype(np.float32), (RAMP / 9999).astype(np.float16))
    bright, dim = items(folder)
    np.testing.assert_allclose(bright[0], RAMP / 2399 * 255, atol=0.51)
    np.testing.assert_allclose(dim[0], RAMP / 9999 * 255, atol=0.6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused_by_name(folder, bad):
    array = (RAMP / 2399).astype(np.float32)
    array[3, 4] = bad
    save(folder, array)
    for options in {}, {"value_range": [0, 1]}:
        with pytest.raises(UserError, match=r"0\.tif: holds pixels that are no finite numbers"):
            items(folder, **options)


@pytest.mark.parametrize("given", [[1, 0], [5, 5], [1], [0, 1, 2]])
def test_a_range_that_is_none_is_refused(folder, given):
    save(folder, RAMP.astype(np.uint16))
    with pytest.raises(UserError, match=r"value_range: \[.*: must be two values"):
        items(folder, value_range=given)


def test_bytes_beside_deeper_pictures(folder):
    save(folder, (RAMP % 256).astype(np.uint8), kind="png")
    tiff(folder / "images" / "deep.tif", RAMP.astype(np.uint16))
    with pytest.raises(UserError, match=r"deep\.tif holds integers up to 2399 and .*0\.png") as no:
        items(folder)
    assert "value_range: [0, 4095]" in str(no.value)
    tiff(folder / "images" / "deep.tif", (RAMP * 27).astype(np.uint16))  # all 16 bit
    plain, deep = items(folder)
    np.testing.assert_array_equal(plain[0], RAMP % 256)
    np.testing.assert_array_equal(deep[0], np.round(RAMP * 27 / 65535 * 255))


def test_a_set_that_gets_dark_is_pointed_out_with_its_scale(folder, caplog):
    hot = RAMP.astype(np.uint16)
    hot[0, 0] = 65535  # one broken pixel
    save(folder, hot)
    with caplog.at_level(logging.INFO):
        items(folder, 1)
    assert "0 is black, 65535 white" in caplog.text
    assert "set `value_range`, such as [0, 2376]" in caplog.text


@pytest.mark.parametrize(("share", "dark"), [(0.24, True), (0.26, False)])
def test_a_set_is_dark_below_a_quarter_of_white(folder, share, dark, caplog):
    pixels = np.full(RAMP.shape, 65535 * share, np.uint16)
    pixels[0, 0] = 65535
    save(folder, pixels)
    items(folder, 1)
    assert ("a quarter of white" in caplog.text) == dark


def test_one_bright_picture_is_enough_for_a_set_not_to_be_dark(folder, caplog):
    save(folder, RAMP.astype(np.uint16), (RAMP // 100).astype(np.uint16))
    items(folder)
    assert "value_range" not in caplog.text


@pytest.mark.parametrize("kind", ["png", "contiguous", "planar", "zlib"])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_16_bit_in_each_colour(folder, kind, colour):
    pixels = np.stack([RAMP, RAMP[::-1], RAMP // 2], axis=2).astype(np.uint16)
    if kind == "png":
        png16(folder / "images" / "0.png", pixels)
    elif kind == "planar":
        planes = np.moveaxis(pixels, 2, 0)
        save(folder, planes, planar=True)
    else:
        save(folder, pixels, packed=kind == "zlib")
    (image,) = items(folder, 1, colour=colour)
    channels = np.moveaxis(pixels, 2, 0) if colour == "rgb" else pixels @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(image.reshape(channels.shape), channels / 4095 * 255, atol=0.51)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_deep_pictures_is_dropped(folder, channels):
    alpha = np.full(RAMP.shape, 65535)
    png16(folder / "images" / "0.png", np.stack([RAMP] * (channels - 1) + [alpha], axis=2))
    (image,) = items(folder, 1)
    assert image.shape == (1, 40, 60)
    assert image.max() == round(2399 / 4095 * 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_of_up_to_8_bit_is_read_as_it_looks(folder, mode):
    picture = Image.fromarray(np.where(RAMP > 1000, 255, 0).astype(np.uint8)).convert("RGB")
    file = {"CMYK": "tif", "YCbCr": "tif", "PA": "tif"}.get(mode, "png")
    if mode == "PA":
        file, mode = "png", "P"
        picture.putalpha(255)
    picture.convert(mode).save(folder / "images" / f"0.{file}")
    for colour, channels in ("grey", 1), ("rgb", 3):
        (image,) = items(folder, 1, colour=colour)
        assert image.shape == (channels, 40, 60)
        assert np.abs(image - np.where(RAMP > 1000, 255, 0)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
def test_pictures_and_masks_are_upright_as_pillow_turns_them(tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray((RAMP // 10).astype(np.uint8))
    stored.save(tmp_path / f"a.{kind}", exif=exif)
    # from memory: by its path Pillow 13.0 reads a TIFF of half of the orientations wrongly
    with Image.open(io.BytesIO((tmp_path / f"a.{kind}").read_bytes())) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("L"))
    read = pictures.read_image(tmp_path / f"a.{kind}", "grey")
    np.testing.assert_array_equal(read[0], expected)
    np.testing.assert_array_equal(pictures.read(tmp_path / f"a.{kind}", "L").values, expected)
    assert expected.shape == ((40, 60) if orientation < 5 else (60, 40))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_deep_pictures_are_upright_too(tmp_path, orientation):
    turned = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    tiff(tmp_path / "grey.tif", RAMP.astype(np.uint16), orientation=orientation)
    rgb = np.stack([RAMP] * 3, axis=2).astype(np.uint16)
    tiff(tmp_path / "rgb.tif", rgb, orientation=orientation)
    for name in "grey", "rgb":
        values = pictures.read(tmp_path / f"{name}.tif", None).values
        first = values if values.ndim == 2 else values[..., 0]
        np.testing.assert_array_equal(first, np.rot90(RAMP, turned))


@pytest.mark.parametrize("kind", ["tif", "gif", "png", "webp"])
def test_several_pages_or_frames_are_refused_with_their_number(folder, kind):
    frames = [Image.fromarray((RAMP // 10 * (i == 1)).astype(np.uint8)) for i in range(3)]
    frames[0].save(folder / "images" / f"0.{kind}", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=rf"0\.{kind}: holds 3 pictures .*file of its own"):
        items(folder)


def test_a_photograph_with_a_preview_is_one_picture(folder):
    photo = Image.fromarray((RAMP // 10).astype(np.uint8))
    preview = photo.resize((6, 4))
    photo.save(folder / "images" / "0.jpg", format="MPO", save_all=True, append_images=[preview])
    assert items(folder, 1)[0].shape == (1, 40, 60)


def test_more_channels_than_colours_are_refused_with_the_shape(folder):
    save(folder, np.zeros((40, 60, 5), np.uint16))
    with pytest.raises(UserError, match=r"0\.tif: is an array of 40 × 60 × 5"):
        items(folder)


def test_deep_pictures_whose_0_is_white_are_refused(folder):
    save(folder, RAMP.astype(np.uint16), photometric=0)
    with pytest.raises(UserError, match=r"0\.tif: has 0 for white"):
        items(folder)


def test_signed_bytes_are_no_bytes(folder):
    save(folder, (RAMP % 200 - 100).astype(np.int8))
    with pytest.raises(UserError, match=r"0\.tif: .*value_range: \[-100, 99\]"):
        items(folder)


def test_a_picture_that_is_too_large_is_to_be_saved_smaller(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    Image.new("L", (1700, 1500)).save(folder / "images" / "0.png")
    with pytest.raises(UserError, match=r"0\.png: has 3 megapixels, more than the 2 .* smaller"):
        items(folder)


def test_large_pictures_that_are_read_raise_no_alarm(folder, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # a warning above, an error above twice
    save(folder, (RAMP // 10).astype(np.uint8), kind="png")
    assert items(folder, 1)[0].shape == (1, 40, 60)
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]


def test_a_file_that_cannot_be_read_is_skipped_or_named_whatever_its_depth(folder):
    save(folder, RAMP.astype(np.uint16), RAMP.astype(np.uint16))
    broken = folder / "images" / "0.tif"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(UserError, match=r"0\.tif: cannot be read as an image"):
        items(folder)
    (image,) = items(folder, 1, on_error="skip")
    np.testing.assert_array_equal(image[0], np.round(RAMP / 4095 * 255))
