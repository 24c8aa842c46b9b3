"""CONTRIQUE (Madhusudana et al., arXiv 2110.13266): features of quality by contrastive learning, and heads on them."""
