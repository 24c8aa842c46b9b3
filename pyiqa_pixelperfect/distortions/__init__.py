"""The distortion engine: the one teacher of all systems in this package, and usable on its own."""

from pyiqa_pixelperfect.distortions.catalog import KINDS, KINDS_BY_FAMILY
from pyiqa_pixelperfect.distortions.engine import DistortionEngine, Draw, apply_kind, truth_of
from pyiqa_pixelperfect.distortions.fields import FIELD_SHAPES, FieldSettings, amount_fields, perlin_field
from pyiqa_pixelperfect.distortions.kadis import KADIS, KADIS_LEVELS, KadisEntry
from pyiqa_pixelperfect.distortions.kadis_plan import (
    KADIS_CLASSES,
    KadisPlan,
    apply_kadis,
    distort_kadis,
    draw_kadis,
    kadis_class,
)
from pyiqa_pixelperfect.distortions.kind import Kind
from pyiqa_pixelperfect.distortions.plan import Plan, PlanSettings
from pyiqa_pixelperfect.distortions.ranked import RankedSets, ranked_sets
from pyiqa_pixelperfect.distortions.versions import Versions, distorted_versions

__all__ = [
    "FIELD_SHAPES",
    "KADIS",
    "KADIS_CLASSES",
    "KADIS_LEVELS",
    "KINDS",
    "KINDS_BY_FAMILY",
    "DistortionEngine",
    "Draw",
    "FieldSettings",
    "KadisEntry",
    "KadisPlan",
    "Kind",
    "Plan",
    "PlanSettings",
    "RankedSets",
    "Versions",
    "amount_fields",
    "apply_kadis",
    "apply_kind",
    "distort_kadis",
    "distorted_versions",
    "draw_kadis",
    "kadis_class",
    "perlin_field",
    "ranked_sets",
    "truth_of",
]
