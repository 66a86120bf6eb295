"""What is measured, and its results. Not a part of the package."""
