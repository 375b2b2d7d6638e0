"""Floors: the longest chain of imports among the rooms of a folder.

A room is a file or a folder that stands directly in the folder, with all below it. Rooms on floor
1 import no other room; those on floor n import one on floor n - 1, and none above.

`python -m tests.house.floors [PACKAGE ...]` prints the members' floors and the gateway's, or those
of the packages named.
"""

import sys

from tests.house import tree

MEMBERS = ""
GATEWAY = "vitrine_serving.gateway"

Graph = dict[str, set[str]]
"""Rooms that each room imports."""


def rooms(package: str) -> Graph:
    """Returns the rooms of a package, and the imports among them."""
    found: Graph = {}
    for name, file in tree.modules().items():
        room = _room(package, name)
        if room:
            imported = {_room(package, other) for other in tree.imports(file)}
            found.setdefault(room, set()).update(imported - {room, ""})
    return found


def _room(package: str, module: str) -> str:
    """Returns the room that a module is in; "" outside the package."""
    if package and not f"{module}.".startswith(f"{package}."):
        return ""
    below = module.removeprefix(package).removeprefix(".")
    return below.partition(".")[0] or "__init__"


def reached(graph: Graph, room: str) -> set[str]:
    """Returns the rooms that one imports, directly or through others."""
    found: set[str] = set()
    ahead = [room]
    while ahead:
        new = graph.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def circles(graph: Graph) -> list[set[str]]:
    """Returns the groups of rooms that reach one another."""
    below = {room: reached(graph, room) for room in graph}
    found: list[set[str]] = []
    for room, others in below.items():
        circle = {other for other in others if room in below.get(other, ())}
        if circle and circle not in found:
            found.append(circle)
    return found


def floors(graph: Graph) -> list[list[str]]:
    """Returns the rooms of each floor, the lowest first; those of a circle share one."""
    below = {room: reached(graph, room) for room in graph}
    floor: dict[str, int] = {}
    for room in sorted(graph, key=lambda room: len(below[room] | {room})):
        under = [floor[other] for other in below[room] if room not in below.get(other, ())]
        floor[room] = 1 + max(under, default=0)
    return [
        sorted(room for room in graph if floor[room] == number)
        for number in range(1, max(floor.values(), default=0) + 1)
    ]


def main(packages: list[str]) -> None:
    """Prints the floors of packages, the highest first."""
    for package in packages:
        graph = rooms(package)
        arrows = sum(map(len, graph.values()))
        stacked = floors(graph)
        print(
            f"{package or 'members'}: {len(graph)} rooms, {arrows} imports among them,"
            f" {len(stacked)} floors, {len(circles(graph))} circles"
        )
        for number, names in reversed(list(enumerate(stacked, 1))):
            print(f"  {number:2} {' '.join(names)}")
        for circle in circles(graph):
            print(f"  circle: {' '.join(sorted(circle))}")


if __name__ == "__main__":
    main(sys.argv[1:] or [MEMBERS, GATEWAY])
