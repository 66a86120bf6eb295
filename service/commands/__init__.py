"""The verbs of the command line, a module each. Heavy packages are imported inside them."""
