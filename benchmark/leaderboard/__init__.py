"""Every metric on every rated set, by one command: ``python -m benchmark run CONFIG``.

Data flow one way: config -> rated sets and predictors -> runner (scores, cached) -> agreement -> standings -> tables,
figures, page and one JSON record. Scoring knows nothing of statistics, statistics nothing of files.
"""
