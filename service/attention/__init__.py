"""What the towers over sheets looked at, as a page."""

from service.attention.page import render, write_attention

__all__ = ["render", "write_attention"]
