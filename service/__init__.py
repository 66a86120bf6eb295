"""How people reach Braggle: the command line, its reports and its benchmarks."""
