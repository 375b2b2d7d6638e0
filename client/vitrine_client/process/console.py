"""Console: rich's console, of whose output a terminal obeys rich's own colours and movements, and
nothing that is in the text."""

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from vitrine_client.process import standard_streams
from vitrine_client.process.visible import visible_lines


class VisibleConsole(Console):
    """Console whose text is visible (`visible_lines`), also where a standard stream would make its
    colours visible, too."""

    @property
    def file(self) -> IO[str]:
        """The stream to write to."""
        return standard_streams.unescaped(super().file)

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        Console.file.fset(self, new_file)  # type: ignore[attr-defined]

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Returns the segments of something; rich calls it for all that it writes."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible_lines(segment.text), segment.style)
