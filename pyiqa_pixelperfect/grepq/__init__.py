"""GRepQ (arXiv 2312.04838): quality features learned from contrast, scored without labels or with a few."""
