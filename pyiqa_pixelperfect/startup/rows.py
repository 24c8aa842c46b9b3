"""The metrics this package adds to pyiqa: the only place that lists them.

One row of pyiqa's ``DEFAULT_CONFIGS`` per metric. ``metric_opts["type"]`` names the class in
``pyiqa_pixelperfect.plugin``, its other entries become arguments of that class. A new metric is one more row here and
one more class there; the start-up hook, the plugin and the contract tests all read this table.

No name may contain the letters ``fid``: pyiqa sends such names to its FID code.
"""

from typing import TypedDict

__all__ = ["METRIC_ROWS", "MetricRow", "architectures"]


class MetricRow(TypedDict):
    """What pyiqa wants to know about a metric before it builds it."""

    metric_opts: dict[str, object]
    metric_mode: str  # "FR": compares with a reference; "NR": looks at one image
    lower_better: bool
    score_range: str  # free text, shown to users; the score itself has no bounds where it says inf


METRIC_ROWS: dict[str, MetricRow] = {
    "pixelperfect": {
        "metric_opts": {"type": "PixelPerfectMetric"},
        "metric_mode": "FR",
        "lower_better": False,
        "score_range": "-1, 1",  # 0: equal, above 0: the image is better than its reference
    },
    "pixelperfect-swinv2": {
        "metric_opts": {"type": "PixelPerfectSwinV2Metric"},
        "metric_mode": "FR",
        "lower_better": False,
        "score_range": "-1, 1",  # needs pretrained_model_path=FILE
    },
    "contrique": {
        "metric_opts": {"type": "ContriqueMetric"},
        "metric_mode": "NR",
        "lower_better": False,
        "score_range": "~0, ~1",  # the scale of the ratings that the bundled head was fitted to
    },
    "contrique-fr": {
        "metric_opts": {"type": "ContriqueFRMetric"},
        "metric_mode": "FR",
        "lower_better": True,
        "score_range": "0, 1",  # 0: identical
    },
    "grepq-low": {
        "metric_opts": {"type": "GRepQLowMetric"},
        "metric_mode": "NR",
        "lower_better": False,
        "score_range": "0, 0.5",
    },
    "grepq": {
        "metric_opts": {"type": "GRepQMetric"},
        "metric_mode": "NR",
        "lower_better": False,
        "score_range": "0, 1.5",  # needs high_model_path=FILE
    },
}


def architectures() -> dict[str, str]:
    """Return pyiqa's import path ``module:class`` for every class that ``METRIC_ROWS`` names."""
    types = sorted({str(row["metric_opts"]["type"]) for row in METRIC_ROWS.values()})
    return {name: f"pyiqa_pixelperfect.plugin:{name}" for name in types}
