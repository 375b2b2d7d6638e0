"""Image files: told apart by their first bytes, and opened by Pillow's decoder for that format.

Only the header is read here. No other decoder of Pillow's ever sees a byte, and a format that
people do send but that is not read is refused by its name, with advice.
"""

import io
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vitrine_client.errors import InvalidImage
from vitrine_client.images.headers import MOST_PIXELS, UNTOLD_PIXELS, Header, read_header

MAX_PIXELS = 50_000_000
"""The largest picture that is decoded by default: that of a good phone. Each kind has a limit of
its own, too, `headers.MOST_PIXELS`."""

_UNTOLD_BYTES = 2**20
"""Of a file whose header is not found: a decoder would take memory for each of its parts."""

_AS_JPEG = ", or save it as an ordinary JPEG"

MAX_ASPECT = 28
"""The longest side over the shortest; beyond it the shorter one would be less than a pixel of the
instance."""

_READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

FORMATS = _READABLE + (("AVIF",) if find_spec("PIL._avif") else ())
"""The formats that are read. Pillow's wheels have AVIF; a Pillow built without it has not."""

_ACCEPTED = f"send {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"

_TILE_WIDTH, _TILE_LENGTH = 322, 323  # https://www.itu.int/itudoc/itu-t/com16/tiff-fx/, section 15


def _avif(content: io.BytesIO) -> ImageFile:
    from PIL.AvifImagePlugin import AvifImageFile  # its codecs take 20 MB; few pictures need them

    return AvifImageFile(content)


def _tiff(content: io.BytesIO) -> ImageFile:
    from PIL.TiffImagePlugin import TiffImageFile

    return TiffImageFile(content)


class _StillWebP(WebPImageFile):
    """WebP file that lets go of its decoder once its only frame is there: its two canvases would
    be in memory beside the picture, 8 bytes a pixel. Both names are private to Pillow; without
    them it takes that memory."""

    def _get_next(self) -> tuple[bytes, int, int]:
        frame: tuple[bytes, int, int] = super()._get_next()
        if self.n_frames == 1:
            self._decoder = None
        return frame


_READERS: dict[bytes, Callable[[io.BytesIO], ImageFile]] = {
    b"\x89PNG": PngImageFile,
    b"\xff\xd8": JpegImageFile,
    b"RIFF": _StillWebP,
    b"GIF8": GifImageFile,
    b"BM": BmpImageFile,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
}

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

_HEIC = (
    "This is a HEIC picture, which is not read: save it as JPEG (on an iPhone, Settings > Camera > "
    "Formats > Most Compatible makes new ones so)"
)
_FOREIGN: dict[bytes, str] = {
    b"\xff\x0a": "This is a JPEG XL picture, which is not read: save it as JPEG or PNG",
    b"\0\0\0\x0cJXL ": "This is a JPEG XL picture, which is not read: save it as JPEG or PNG",
    b"\0\0\0\x0cjP  ": "This is a JPEG 2000 picture, which is not read: save it as JPEG or PNG",
    b"\xff\x4f\xff\x51": "This is a JPEG 2000 picture, which is not read: save it as JPEG or PNG",
    b"%PDF": "This is a PDF document, not a picture: save its page as PNG",
    b"%!PS": "This is a PostScript document, not a picture: save its page as PNG",
    b"8BPS": "This is a Photoshop document, which is not read: export it as PNG",
    b"\0\0\x01\0": "This is an icon file, which is not read: save it as PNG",
    b"data:image/": "This is a data: URL: send the bytes that its Base64 stands for",
    b"iVBORw0KGgo": "This is Base64 text: send the bytes that it stands for",
    b"/9j/": "This is Base64 text: send the bytes that it stands for",
}
_NAME = re.compile(rb"[^\x00-\x1f]{1,400}\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif|heic)\s*", re.I)
_MARKUP = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(!doctype html|html|head|body)\b", re.I | re.S)


def open_file(content: bytes, max_pixels: int) -> ImageFile:
    """Reads the header of an image file. Raises `InvalidImage`."""
    reader = _reader(content)
    header = None
    if not _is_tiny_png(content):
        header = check_header(content, max_pixels)
        if header is None and len(content) > _UNTOLD_BYTES:
            raise InvalidImage(
                "The picture's header is damaged or has too many parts; save it again"
            )
    try:
        # Not Image.open: it warns of large pictures, and warnings can't be silenced in a thread.
        image = reader(io.BytesIO(content))
    except Image.DecompressionBombError as error:  # of a GIF's frame, or WebP
        raise InvalidImage(f"The picture is far too large: {error}; scale it down") from error
    except Exception as error:
        raise InvalidImage(f"The picture's header is damaged ({error}); save it again") from error
    check_frame(image, min(max_pixels, _most_pixels(image, header)))
    return image


def _is_tiny_png(content: bytes) -> bool:
    """Says whether a file is a PNG that has sides below 256 as it says; what it has is seen when it
    is open, and its header would take as long to read as all of it."""
    return (
        content.startswith(b"\x89PNG")
        and content[16:19] == b"\0\0\0"
        and content[20:23] == b"\0\0\0"
    )


def _most_pixels(image: ImageFile, header: Header | None) -> int:
    """Returns the limit of a picture that its decoder has opened, which may know better."""
    if header is None:
        return UNTOLD_PIXELS
    if header.kind == "JPEG" and image.info.get("progressive"):
        return MOST_PIXELS["progressive JPEG"]
    return MOST_PIXELS[header.kind]


def check_header(content: bytes, max_pixels: int) -> Header | None:
    """Returns the header of a picture, None where it tells nothing. Raises `InvalidImage` for one
    that is too large by it."""
    header = read_header(content)
    if header is None:
        return None
    most = MOST_PIXELS[header.kind]
    if max_pixels >= most < header.pixels:
        raise InvalidImage(
            f"The picture has {header.width}x{header.height} pixels, and a {header.kind} may have "
            f"{most:,}; scale it down{'' if header.kind == 'JPEG' else _AS_JPEG}"
        )
    check_size((header.width, header.height), max_pixels)
    return header


def check_frame(image: ImageFile, max_pixels: int) -> None:
    """Raises `InvalidImage` for a frame of a file that is too large, before it is decoded."""
    if image.format == "TIFF":
        _check_tiles(image, max_pixels)
    check_size(image.size, max_pixels)


def _reader(content: bytes) -> Callable[[io.BytesIO], ImageFile]:
    for magic, reader in _READERS.items():
        if content.startswith(magic):
            return reader
    if content[4:8] == b"ftyp" and not _brands(content).isdisjoint(_AVIF_BRANDS):
        if "AVIF" in FORMATS:
            return _avif
        raise InvalidImage(f"The Pillow that is installed here reads no AVIF; {_ACCEPTED}")
    raise InvalidImage(_refusal(content))


def _refusal(content: bytes) -> str:
    """Returns the name of a file's unsupported format, and advice."""
    if not content:
        return f"The picture is empty; {_ACCEPTED}"
    if content[4:8] == b"ftyp":
        heic = not _brands(content).isdisjoint(_HEIC_BRANDS)
        return _HEIC if heic else f"This is a video, not a picture; {_ACCEPTED}"
    for magic, refusal in _FOREIGN.items():
        if content.startswith(magic):
            return refusal
    if _NAME.fullmatch(content):
        return (
            "This is a file's name, not what is in the file: with curl, put an @ before it "
            "(`--data-binary @shoe.png`, `-F image=@shoe.png`)"
        )
    if b"<svg" in content[:1024].lower():
        return f"SVG is a drawing, not pixels: rasterise it, then {_ACCEPTED}"
    if _MARKUP.match(content[:1024]):
        return "This is a web page, not a picture: save the picture that is on it"
    return f"This is no picture, or its format is not supported; {_ACCEPTED}"


def _brands(content: bytes) -> set[bytes]:
    """Returns the compatible brands of a file of boxes (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(content[:4], "big"), 256)
    return {content[8:12], *(content[at : at + 4] for at in range(16, end - 3, 4))}


def _check_tiles(image: ImageFile, max_pixels: int) -> None:
    """Raises `InvalidImage` for a TIFF whose tiles are larger than the largest picture: a decoder
    takes the memory of a whole tile, however small the picture is."""
    tags: Any = getattr(image, "tag_v2")  # noqa: B009  of TIFF files alone
    width, length = tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1)
    if width * length > max_pixels:
        raise InvalidImage(
            f"The picture has tiles of {width}x{length} pixels, more than {max_pixels}; "
            "save it again"
        )


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raises `InvalidImage` for a picture, width and height, that has too many pixels, or none."""
    width, height = size
    if width < 1 or height < 1:
        raise InvalidImage("The picture has no pixels; send one that has")
    if width * height > max_pixels:
        raise InvalidImage(
            f"The picture has {width}x{height} pixels, more than {max_pixels}; scale it down"
        )
    if max(size) > MAX_ASPECT * min(size):
        raise InvalidImage(
            f"The picture has {width}x{height} pixels, too narrow: one side is more than "
            f"{MAX_ASPECT} times the other; crop it"
        )
