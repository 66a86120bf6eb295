"""Several phases in one pattern: found together, told from look-alikes, and weighed."""
