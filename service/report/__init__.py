"""A look-up's answer as one self-contained page that opens offline."""

from service.report.page import render, render_part, write_report

__all__ = ["render", "render_part", "write_report"]
