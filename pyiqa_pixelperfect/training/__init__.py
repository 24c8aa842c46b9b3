"""Pieces of a training loop; the loops themselves are in the trainers, one per system."""
