"""Clean photos in, deterministic crops out."""
