"""A batch in one table: a row a sample, as CSV or as a page."""

from service.summary.rows import COLUMNS, SummaryRow, row_of
from service.summary.writing import KINDS, write_summary

__all__ = ["COLUMNS", "KINDS", "SummaryRow", "row_of", "write_summary"]
