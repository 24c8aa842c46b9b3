"""Pixel Perfect: signed distortion maps and a relational score, learned without labels (arXiv 2605.02863)."""
