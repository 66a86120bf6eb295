"""What `braggle bench` measures."""
