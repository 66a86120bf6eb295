"""How the service does under load. Not a part of the package; needs the extra `load`."""
