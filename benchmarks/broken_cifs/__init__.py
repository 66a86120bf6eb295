"""CIFs damaged in every way that was thought of, and what the ingest makes of them."""
