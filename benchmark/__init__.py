"""Measurements of Pixel Perfect and its peers, run from a checkout: ``python -m benchmark COMMAND``.

Nothing here is installed with the package, and the package never imports it. Each command lives in one module with a
pure measuring function (any object with the metric's interface goes in, plain numbers come out) and a function that
lays the numbers out as a table; the command line only joins the two. ``benchmark/README.md`` defines every figure.
"""
