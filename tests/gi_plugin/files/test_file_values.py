"""Property test of reading, filling and writing: the values that a file stores outside the hole, and how it stores them, stay the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from gi_plugin import files
from gi_plugin.arrays import Array
from tests.gi_plugin.files import metadata_files
from tests.gi_plugin.pictures import HEIGHT, HOLE, LIMIT, PROFILE, WIDTH, fill, noise

UNSIGNED = {"uint8": (2, 4, 8), "uint16": (10, 12, 14, 16), "uint32": (32,), "bool": (1,)}
SIGNED = ("int8", "int16", "int32", "int64", "float16", "float32", "float64")
BANDS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "palette": 1, "separated": 4, "cielab": 3}
EXACT = {"lzw": "LZW", "packbits": "PACKBITS", "zlib": "ADOBE_DEFLATE", "zstd": "ZSTD", "lzma": "LZMA"}  # in tifffile's two spellings


@dataclass(frozen=True)
class TiffKind:
    """A layout of a TIFF file."""

    photometric: str
    dtype: str
    bits: int
    extra: tuple[str, ...]
    compression: str | None
    options: dict[str, Any]
    contents: frozenset[str]


@st.composite
def tiffs(draw: st.DrawFn) -> TiffKind:
    """Draw a layout: colours, type, further bands, compression, byte order, and contents beside the pixels."""
    photometric = draw(st.sampled_from(sorted(BANDS)))
    eight = photometric in ("palette", "separated", "cielab")
    dtype = (
        "uint8" if eight else draw(st.sampled_from([name for name in (*UNSIGNED, *SIGNED) if name != "bool" or BANDS[photometric] == 1]))
    )
    bits = 8 if eight else draw(st.sampled_from(UNSIGNED.get(dtype, (0,))))
    packed = dtype in UNSIGNED and bits != 8 * np.dtype(dtype).itemsize
    compression = None if packed and dtype != "bool" else draw(st.sampled_from([None, *EXACT]))
    grey = ((), ("unassalpha",), ("assocalpha",))
    many = (*grey, ("unspecified",), ("unspecified", "unspecified"), ("unassalpha", "unspecified"))
    extra = () if eight and photometric != "separated" else draw(st.sampled_from(grey if BANDS[photometric] == 1 else many))
    extra = () if dtype == "bool" or photometric == "miniswhite" else extra
    options: dict[str, Any] = {"byteorder": "<" if packed else draw(st.sampled_from("<>"))}  # tifffile writes packed bits wrongly as ">"
    if compression and draw(st.booleans()):
        options["tile"] = (16, 16)
    if BANDS[photometric] + len(extra) > 1 and photometric == "rgb" and not packed:
        options["planarconfig"] = draw(st.sampled_from(["contig", "separate"]))
    contents = draw(st.frozensets(st.sampled_from(["profile", "xmp", "tags", "dpi"])))
    return TiffKind(photometric, dtype, bits, extra, compression, options, contents)


def _values(kind: TiffKind) -> Array:
    bands = BANDS[kind.photometric] + len(kind.extra)
    dtype = np.dtype(kind.dtype)
    if dtype.kind == "f":
        return noise(dtype.type, bands) * dtype.type(300)
    if dtype.kind == "b":
        return noise(np.uint8, bands) > 127
    values = noise(np.uint32, bands) >> (32 - (kind.bits or 8 * min(dtype.itemsize, 4)))
    return (values.astype(np.int64) - (2**20 if dtype == np.int64 else 0)).astype(dtype)


def _write(path: Path, kind: TiffKind, values: Array) -> None:
    options = dict(kind.options)
    if kind.photometric == "palette":
        options["colormap"] = noise(np.uint16, 256, (3, 1)).reshape(3, 256)
    if kind.extra:
        options["extrasamples"] = kind.extra
        options.setdefault("planarconfig", "contig")
    if options.get("planarconfig") == "separate":
        values = np.moveaxis(values, 2, 0)
    if kind.dtype in UNSIGNED and kind.bits != 8 * np.dtype(kind.dtype).itemsize and kind.dtype != "bool":
        options["bitspersample"] = kind.bits
    tags = [(700, 1, None, metadata_files.XMP.replace(b'"6"', b'"1"'), True)] if "xmp" in kind.contents else []
    tags += metadata_files.GEO if "tags" in kind.contents else []
    if "profile" in kind.contents:
        options["iccprofile"] = PROFILE
    if "dpi" in kind.contents:
        options |= {"resolution": (300, 150), "resolutionunit": "inch"}
    tifffile.imwrite(path, values, photometric=kind.photometric, compression=kind.compression, metadata=None, extratags=tags, **options)


def _described(path: Path) -> dict[str, Any]:
    """Return how a TIFF stores its pixels, and what it holds beside them."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        tags = page.tags
        return {
            "bits": page.bitspersample,
            "format": page.sampleformat,
            "photometric": page.photometric,
            "extra": tuple(page.extrasamples),
            "colormap": None if page.colormap is None else page.colormap.tobytes(),
            "profile": page.iccprofile,
            "tags": {code: tags.valueof(code) for code in (700, *(code for code, *_ in metadata_files.GEO))},
            "resolution": [float(np.divide(*tags.valueof(code))) for code in (282, 283)],
        }


def _stored(path: Path) -> Array:
    """Return the stored values, bands last."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        values = page.asarray()
        return np.moveaxis(values, 0, 2) if page.planarconfig == 2 and values.ndim == 3 else values


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=tiffs())
def test_a_tiff_of_any_layout_comes_back(tmp_path_factory: pytest.TempPathFactory, kind: TiffKind) -> None:
    """Outside the hole, every stored value is the same; so are further bands in it, bits, types, colours, compression and contents."""
    folder = tmp_path_factory.mktemp("tiff")
    source, target = folder / "source.tif", folder / "target.tif"
    _write(source, kind, _values(kind))
    before = _stored(source)
    filled = fill(source, target)
    after = _stored(target)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert after[~HOLE].tobytes() == before[~HOLE].tobytes()
    assert (after[HOLE] != before[HOLE]).any()
    if kind.extra:
        assert after[..., BANDS[kind.photometric] :].tobytes() == before[..., BANDS[kind.photometric] :].tobytes()
    if kind.photometric not in ("palette", "separated", "cielab"):  # these store the nearest colour
        np.testing.assert_array_equal(files.read_picture(target, LIMIT).pixels, filled)
    assert _described(target) == _described(source)
    if kind.compression:
        with tifffile.TiffFile(target) as tiff:
            assert tiff.pages.first.compression.name == EXACT[kind.compression]


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "webp", "jpegxl"])
def test_a_lossy_tiff_becomes_lossless(tmp_path: Path, compression: str) -> None:
    """Known pixels of a TIFF with lossy compression keep the values that a reader decodes."""
    source, target = tmp_path / "source.tif", tmp_path / "target.tif"
    tifffile.imwrite(source, noise(np.uint8, 3), photometric="rgb", compression=compression, compressionargs={"level": 70}, metadata=None)
    before = tifffile.imread(source)
    fill(source, target)
    with tifffile.TiffFile(target) as tiff:
        assert tiff.pages.first.compression.name == "ADOBE_DEFLATE"
        np.testing.assert_array_equal(tiff.asarray()[~HOLE], before[~HOLE])


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("white", [1, 15, 100, 254, 256, 1000, 4095, 65535])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_netpbm_of_any_white_comes_back(tmp_path: Path, bands: int, white: int, text: bool) -> None:
    """PGM and PPM keep their white and their values; as PNG they are scaled to its range, without loss."""
    values = (noise(np.uint16, bands).astype(np.uint32) * white // 65535).astype(np.uint8 if white < 256 else ">u2")
    form = (2 if text else 5) + (bands == 3)
    header = f"P{form} # a comment\n{WIDTH} {HEIGHT}\n{white}\n".encode()
    body = " ".join(map(str, values.ravel())).encode() if text else values.tobytes()
    (tmp_path / "source.ppm").write_bytes(header + body)
    fill(tmp_path / "source.ppm", tmp_path / "target.ppm")
    data = (tmp_path / "target.ppm").read_bytes()
    start = f"P{5 + (bands == 3)}\n{WIDTH} {HEIGHT}\n{white}\n".encode()
    assert data.startswith(start)
    result = np.frombuffer(data, values.dtype, offset=len(start)).reshape(values.shape)
    np.testing.assert_array_equal(result[~HOLE], values[~HOLE])
    fill(tmp_path / "source.ppm", tmp_path / "target.png")
    scaled = imagecodecs.png_decode((tmp_path / "target.png").read_bytes())
    back = np.rint(scaled * (white / (255 if white < 256 else 65535)))
    np.testing.assert_array_equal(back[~HOLE], values[~HOLE])


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_jpeg_2000_and_avif_keep_their_bits(tmp_path: Path, bits: int, channels: int) -> None:
    """A lossless JPEG 2000 of any depth, and an AVIF of 10 and 12 bits, become a PNG of 16 bits, or a TIFF of their own bits."""
    values = noise(np.uint16, channels) >> (16 - bits)
    values = values.astype(np.uint8) if bits == 8 else values
    sources = {"jp2": imagecodecs.jpeg2k_encode(values, level=0, bitspersample=bits)}
    if bits in (10, 12) and channels > 1:
        sources["avif"] = imagecodecs.avif_encode(values, level=100, bitspersample=bits)
    for suffix, data in sources.items():
        source = tmp_path / f"source.{suffix}"
        source.write_bytes(data)
        before = imagecodecs.jpeg2k_decode(data) if suffix == "jp2" else imagecodecs.avif_decode(data)
        assert files.output_name(source) == "source.png"
        fill(source, tmp_path / "target.png")
        fill(source, tmp_path / "target.tif")
        deep = imagecodecs.png_decode((tmp_path / "target.png").read_bytes())
        np.testing.assert_array_equal(np.rint(deep / np.iinfo(deep.dtype).max * (2**bits - 1))[~HOLE], before[~HOLE])
        with tifffile.TiffFile(tmp_path / "target.tif") as tiff:
            assert tiff.pages.first.bitspersample == bits
            np.testing.assert_array_equal(tiff.asarray()[~HOLE], before[~HOLE])


def test_a_grey_picture_with_alpha_and_16_bits_comes_back(tmp_path: Path) -> None:
    """Grey with alpha, in 16 bits, as PNG and as TIFF; its alpha stays as it is."""
    values = noise(np.uint16, 2)
    (tmp_path / "source.png").write_bytes(imagecodecs.png_encode(values))
    filled = fill(tmp_path / "source.png", tmp_path / "target.png")
    fill(tmp_path / "target.png", tmp_path / "target.tif")
    result = imagecodecs.png_decode((tmp_path / "target.png").read_bytes())
    np.testing.assert_array_equal(result, np.dstack([filled, values[..., 1]]))
    assert tifffile.imread(tmp_path / "target.tif").shape == (HEIGHT, WIDTH, 2)


def test_extra_bands_fit_into_no_other_format(tmp_path: Path) -> None:
    """A picture with near infrared cannot be written as PNG or JPEG; the message says what it has and what to use."""
    tifffile.imwrite(tmp_path / "source.tif", noise(np.uint8, 4), photometric="rgb", extrasamples=["unspecified"], metadata=None)
    for name in ("target.png", "target.jpg", "target.webp"):
        with pytest.raises(files.picture.ImageError, match=r"cannot hold 4 bands of uint8 pixels without loss; use \.tif$"):
            fill(tmp_path / "source.tif", tmp_path / name)


def test_a_cielab_picture_of_pillow_comes_back(tmp_path: Path) -> None:
    """A LAB TIFF that Pillow wrote is read as Pillow reads it, and written back with the same values."""
    image = Image.frombytes("LAB", (WIDTH, HEIGHT), noise(np.uint8, 3).tobytes())
    image.save(tmp_path / "source.tif")
    fill(tmp_path / "source.tif", tmp_path / "target.tif")
    with Image.open(tmp_path / "target.tif") as after:
        np.testing.assert_array_equal(np.asarray(after)[~HOLE], np.asarray(image)[~HOLE])
