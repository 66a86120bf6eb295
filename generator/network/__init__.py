"""The network that proposes and judges structures, and its training; see `model`."""
