"""Variants of training: each is a valid configuration, and is what its name says."""

import pytest

from benchmark.ablation import VARIANTS
from pyiqa_pixelperfect.distortions.fields import FIELD_SHAPES
from pyiqa_pixelperfect.systems import load_config


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_changes_what_it_names_and_nothing_else(name):
    plain = load_config("pixelperfect/default.yaml").model_dump()
    changed = load_config("pixelperfect/default.yaml", VARIANTS[name]).model_dump()
    paths = {tuple(setting.partition("=")[0].split(".")) for setting in VARIANTS[name]}
    different = {(part, key) for part, values in plain.items() if isinstance(values, dict) for key in values
                 if changed[part][key] != plain[part][key]}  # fmt: skip
    assert different == paths


@pytest.mark.parametrize(("name", "shape"), [("Perlin fields", "perlin"), ("global fields", "global")])
def test_fields_have_the_shape_of_the_name(name, shape):
    shapes = load_config("pixelperfect/default.yaml", VARIANTS[name]).engine.shapes
    assert max(zip(shapes, FIELD_SHAPES, strict=True))[1] == shape
    assert shapes[FIELD_SHAPES.index(shape)] >= 0.95
