"""CSV of pixels: a picture a line, its label first (as Kaggle has it) or last.

There may be a header. Values are separated by commas, semicolons or tabs; labels are numbers or
names. Lines are read in blocks, each by NumPy at once; a block that fails is read value by value to
name the line.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.arrays import LabelledArrays, from_arrays
from vitrine_training.data.own.examples import OwnData
from vitrine_training.data.own.files import MOST_BYTES, cut, listed, opened, shown
from vitrine_training.data.own.labels import MOST_NAME, text_labels
from vitrine_training.data.own.names import LABEL_WORDS
from vitrine_training.data.own.shapes import flat_shape

LabelColumn = Literal["first", "last"]

_MOST_LINE = 4 << 20
"""Characters of a line: a picture of 512x512 in colour has less."""

_BLOCK_CHARACTERS = 4 << 20
_DELIMITERS = ",;\t"
_OTHER: dict[LabelColumn, LabelColumn] = {"first": "last", "last": "first"}


@dataclass(frozen=True)
class _Line:
    """A line with its number from 1, its label and its pixels still text."""

    number: int
    label: str
    pixels: str


@dataclass
class _Reader:
    """Reader of one file: how its lines are written, and what has been read of it."""

    path: Path
    label_column: LabelColumn
    most_bytes: int
    delimiter: str = ","
    first_line: int = 0
    columns: int = 0
    levels: list[npt.NDArray[np.generic]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def read(self, text: io.TextIOWrapper) -> LabelledArrays:
        """Returns a file's rows."""
        lines = self._lines(text)
        first = next(lines, None)
        if first is None:
            raise DataError(f"{shown(self.path)} is empty: name a file with pixels in it")
        rows = self._rows(lines, first)
        while block := list(_block(rows)):
            self._add(block)
        if not self.labels:
            raise DataError(f"{shown(self.path)} has a header and no pictures: add some lines")
        whole = all(levels.dtype == np.uint8 for levels in self.levels)
        images = np.concatenate(self.levels, dtype=np.uint8 if whole else np.float32)
        place = lambda row: f"{shown(self.path)}, line {self.numbers[row]}"  # noqa: E731
        labels = text_labels(np.asarray(self.labels), place)
        return LabelledArrays(images, labels, shown(self.path), shown(self.path))

    def _lines(self, text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
        """Yields the lines that are not blank, with their numbers."""
        number = total = 0
        while line := text.readline(_MOST_LINE + 1):
            number, total = number + 1, total + len(line)
            if len(line) > _MOST_LINE or total > 4 * self.most_bytes:  # "255," is one level
                raise DataError(
                    f"{shown(self.path)}, line {number}: too long to be pixels, "
                    f"{_MOST_LINE:,} characters a line and {4 * self.most_bytes:,} a file are most"
                )
            if "\ufffd" in line:  # or labels that differ there would be one class
                raise DataError(
                    f"{shown(self.path)}, line {number}: it is not in UTF-8; save the file in that "
                    "encoding"
                )
            if stripped := line.strip(" \r\n"):
                yield number, stripped

    def _rows(self, lines: Iterator[tuple[int, str]], first: tuple[int, str]) -> Iterator[_Line]:
        """Yields all lines but a header, after which the columns are known."""
        number, text = first
        self.delimiter = max(_DELIMITERS, key=text.count)
        cells = [_unquoted(cell) for cell in text.split(self.delimiter)]
        self.first_line = number
        if len(cells) < 2:
            raise DataError(
                f"{shown(self.path)}, line {number}: one value and no picture; separate a label "
                "and pixels by commas, semicolons or tabs"
            )
        self._find_label(cells)
        _, pixels = self._halves(text)
        self.columns = 1 + len(pixels.split(self.delimiter))
        if not _is_header([_unquoted(cell) for cell in pixels.split(self.delimiter)]):
            yield self._row(number, text)
        for number, text in lines:
            yield self._row(number, text)

    def _find_label(self, cells: list[str]) -> None:
        """Takes the label column's place from a header that names it."""
        at = [index for index, cell in enumerate(cells) if cell.lower() in LABEL_WORDS]
        if len(at) != 1 or _is_number(cells[at[0]]):
            return
        if at[0] not in (0, len(cells) - 1):
            raise DataError(
                f"{shown(self.path)}, line {self.first_line}: the label is in column "
                f"{at[0] + 1} of {len(cells)}; put it first or last"
            )
        if at[0] == 0 and self.label_column == "last":
            raise DataError(
                f"{shown(self.path)}, line {self.first_line}: the header has the label first, "
                "and it was said to be last"
            )
        self.label_column = "first" if at[0] == 0 else "last"

    def _row(self, number: int, text: str) -> _Line:
        label, pixels = self._halves(text)
        if len(label) > MOST_NAME:
            raise DataError(
                f"{shown(self.path)}, line {number}: a label of {len(label):,} characters, "
                f"{MOST_NAME} are the most"
            )
        return _Line(number, label, pixels)

    def _halves(self, text: str) -> tuple[str, str]:
        """Returns the label of a line, in which a delimiter may be quoted, and its pixels."""
        if self.label_column == "first":
            end = text.find(f'"{self.delimiter}', 1) if text.startswith('"') else -1
            if end > 0:
                return text[1:end].replace('""', '"'), text[end + 2 :]
            label, _, pixels = text.partition(self.delimiter)
            return _unquoted(label), pixels
        begin = text.rfind(f'{self.delimiter}"', 0, -1) if text.endswith('"') else -1
        if begin > 0:
            return text[begin + 2 : -1].replace('""', '"'), text[:begin]
        pixels, _, label = text.rpartition(self.delimiter)
        return _unquoted(label), pixels

    def _add(self, block: list[_Line]) -> None:
        texts = [line.pixels for line in block]
        try:
            values = np.loadtxt(
                texts, np.float64, comments=None, delimiter=self.delimiter, quotechar='"', ndmin=2
            )
        except ValueError as error:
            self._refuse(block, str(error))
        if values.shape != (len(block), self.columns - 1):
            self._refuse(block, "the values are not as many as before")
        wrong = ~((values >= 0) & (values <= 255)).all(axis=1)  # NaN is neither
        if wrong.any():
            row = int(wrong.argmax())
            level = next(value for value in values[row] if not 0 <= value <= 255)
            raise DataError(
                f"{shown(self.path)}, line {block[row].number}: {level:g} is no level, "
                f"0 to 255 are{self._other_end()}"
            )
        whole = np.array_equal(values, np.rint(values))
        self.levels.append(values.astype(np.uint8 if whole else np.float32))
        self.labels += [line.label for line in block]
        self.numbers += [line.number for line in block]
        if len(self.labels) * self.columns > self.most_bytes:
            raise DataError(
                f"{shown(self.path)} has more than {self.most_bytes:,} levels, the most of a data "
                "set: leave out some lines"
            )

    def _refuse(self, block: list[_Line], told: str) -> NoReturn:
        """Raises `DataError` of the first line of a block that is wrong."""
        for line in block:
            cells = line.pixels.split(self.delimiter)
            if len(cells) != self.columns - 1:
                raise DataError(
                    f"{shown(self.path)}, line {line.number}: {len(cells) + 1:,} values, and "
                    f"{self.columns:,} in line {self.first_line}; all lines need as many"
                )
            for column, cell in enumerate(cells, 2 if self.label_column == "first" else 1):
                if not _is_number(_unquoted(cell)):
                    raise DataError(
                        f"{shown(self.path)}, line {line.number}: {_cell(cell)} in column "
                        f"{column} is no number{self._other_end()}"
                    )
        raise DataError(f"{shown(self.path)}, from line {block[0].number} on: {cut(told)}")

    def _other_end(self) -> str:
        other = _OTHER[self.label_column]
        return f" (the label was taken to be {self.label_column}; --label-column {other} else)"


def read_csv(
    paths: Mapping[str, Path], label_column: LabelColumn = "first", most_bytes: int = MOST_BYTES
) -> OwnData:
    """Returns the pictures of one file a part. Raises `DataError`, with the line that is wrong.

    A header that names the label's column ("label", "class") is believed before `label_column`.
    """
    found, notes = dict[str, LabelledArrays](), list[str]()
    for part, path in paths.items():
        with (
            opened(path) as file,
            io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace") as text,
        ):
            rows = _Reader(path, label_column, most_bytes).read(text)
        most_bytes -= rows.images.nbytes
        if part == "test" and _lacks_labels(rows, found.get("train")):
            notes.append(f"{shown(path)} has no labels and is left out")
            continue
        shape, told = flat_shape(rows.images.shape[1], shown(path))
        notes += told
        images = rows.images.reshape(-1, *shape)
        found[part] = LabelledArrays(images, rows.labels, rows.images_name, rows.labels_name)
    where = ", ".join(shown(path) for path in paths.values())
    data = from_arrays(found, f"the CSV of pixels {where}", tuple(notes))
    if len(data.classes) == 1:
        raise DataError(
            f"{where} has one label, {listed(data.classes)}, in the {label_column} column: two "
            f"classes are the least, or the labels are in the {_OTHER[label_column]} one "
            f"(--label-column {_OTHER[label_column]})"
        )
    return data


def _lacks_labels(rows: LabelledArrays, train: LabelledArrays | None) -> bool:
    """Tells whether a file has a column less than the train part, as Kaggle's test.csv."""
    if train is None:
        return False
    return bool(rows.images[0].size + 1 == train.images[0].size)


def _block(rows: Iterator[_Line]) -> Iterator[_Line]:
    first = next(rows, None)
    if first is None:
        return
    yield first
    yield from islice(rows, _BLOCK_CHARACTERS // max(len(first.pixels), 1))


def _is_header(pixels: list[str]) -> bool:
    """Tells whether cells are names of columns: most are no numbers, or they count from 0 or 1.

    A line of pixels with a few that are wrong is none, and refused.
    """
    count = len(pixels)
    if 2 * sum(map(_is_number, pixels)) < count:
        return True
    return count > 2 and pixels in (
        [str(number) for number in range(count)],
        [str(number) for number in range(1, count + 1)],
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _unquoted(cell: str) -> str:
    return cell.strip().removeprefix('"').removesuffix('"').strip()


def _cell(cell: str) -> str:
    return f"'{cut(cell.strip(), 20)}'" if cell.strip() else "nothing"
