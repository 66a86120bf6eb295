"""A library's embedding as one interactive page that opens offline."""

from service.map.drawing import LibraryMap, draw
from service.map.page import render, write_map

__all__ = ["LibraryMap", "draw", "render", "write_map"]
