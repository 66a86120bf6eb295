"""A look-up's answer as one self-contained page that opens offline."""

from service.report.page import render, write_report

__all__ = ["render", "write_report"]
