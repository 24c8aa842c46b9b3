"""Configurations: what is wrong with a file is said at once, and overrides mean what they say."""

import math
from pathlib import Path

import pytest
import yaml

from pyiqa_pixelperfect.config import Config, build_config, find_config, read_settings
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.pixelperfect.config import EngineConfig
from pyiqa_pixelperfect.systems import Conversion, convert, load_config, load_regression, regress


class Part(Config):
    steps: int = 1
    rate: float = 0.1


class Whole(Config):
    name: str
    part: Part = Part()
    widths: tuple[int, ...] = (1, 2)


def settings(tmp_path: Path, text: str, *overrides: str) -> dict:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    return read_settings(tmp_path / "c.yaml", overrides)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("part.steps=5", 5),
        ("part.steps=1_000", 1000),
        (" part.steps =7", 7),
    ],
)
def test_integer_overrides(tmp_path, override, expected):
    assert build_config(Whole, settings(tmp_path, "name: x", override)).part.steps == expected


@pytest.mark.parametrize(("text", "expected"), [("2", 2.0), ("0.5", 0.5), ("1e-3", 1e-3), ("1.5e-3", 1.5e-3)])
def test_number_overrides(tmp_path, text, expected):
    assert build_config(Whole, settings(tmp_path, "name: x", f"part.rate={text}")).part.rate == expected


def test_text_list_and_section_overrides(tmp_path):
    read = build_config(
        Whole, settings(tmp_path, "name: x", "name=a=b: c".replace(": c", ""), "widths=[3, 4]", "part={steps: 9}")
    )
    assert read == Whole(name="a=b", widths=(3, 4), part=Part(steps=9))


def test_later_overrides_win_and_the_file_stays(tmp_path):
    assert settings(tmp_path, "name: x\npart: {steps: 3}", "part.steps=4", "part.steps=5")["part"] == {"steps": 5}
    assert yaml.safe_load((tmp_path / "c.yaml").read_text()) == {"name": "x", "part": {"steps": 3}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps", "override: expected key=value, such as maps.steps=100, got 'steps'"),
        ("=3", "override: expected key=value"),
        ("", "override: expected key=value"),
        ("name.deep=3", "override: expected a section at 'name'"),
        ("name=[1,", "override: expected a YAML value"),
    ],
)
def test_bad_overrides_are_named(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, "name: x", override)


def test_unknown_keys_wrong_types_and_missing_keys_are_reported_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        build_config(Whole, settings(tmp_path, "nmae: x\npart: {steps: many, speed: 3}"))
    text = str(caught.value)
    assert "config: expected a valid Whole" in text
    for part in (
        "name: Field required",
        "nmae: Extra inputs",
        "part.steps: Input should be a valid integer",
        "part.speed",
    ):
        assert part in text


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_numbers_must_be_finite(tmp_path, value):
    with pytest.raises(ConfigError, match=r"part\.rate: .*finite"):
        build_config(Whole, settings(tmp_path, "name: x", f"part.rate={value}"))


def test_configurations_do_not_change():
    config = Whole(name="x")
    with pytest.raises(ValueError, match="frozen"):
        config.name = "y"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "a YAML mapping, got list"),
        ("", "a YAML mapping, got NoneType"),
        ("a: [", "a YAML file"),
        ("a: \0", "YAML"),
    ],
)
def test_files_that_are_no_mapping_are_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, text)


def test_a_file_of_bytes_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="a YAML file"):
        read_settings(tmp_path / "c.yaml")


def test_yaml_cannot_run_code(tmp_path):
    with pytest.raises(ConfigError, match="a YAML file"):
        settings(tmp_path, f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'ran'}']")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["pixelperfect/smoke.yaml", "configs/pixelperfect/smoke.yaml"])
def test_shipped_configurations_are_found_by_name_from_anywhere(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert find_config(name).is_file()
    assert load_config(name).score.steps > 0


def test_a_file_of_the_same_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixelperfect").mkdir()
    (tmp_path / "pixelperfect" / "smoke.yaml").write_text("system: other")
    assert read_settings("pixelperfect/smoke.yaml") == {"system": "other"}


@pytest.mark.parametrize("name", ["pixelperfect/none.yaml", "", ".", "configs"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ConfigError, match="config: expected a YAML file, or a shipped name"):
        find_config(name)


#: What the user has to give because no shipped file can know it.
OVERRIDES: dict[str, list[str]] = {}


def shipped() -> list[Path]:
    return sorted(find_config("pixelperfect/default.yaml").parent.rglob("*.yaml"))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid_and_says_what_it_is_for(path):
    load = load_regression if path.name.startswith("regress") else load_config
    config = load(path, OVERRIDES.get(path.parent.name, []))
    assert config.system == path.parent.name
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_there_are_shipped_configurations():
    assert {path.name for path in shipped()} >= {"default.yaml", "smoke.yaml"}


@pytest.mark.parametrize("system", ["", "system=contriqe", "system=[1]"])
def test_unknown_systems_are_named(tmp_path, system):
    (tmp_path / "c.yaml").write_text("output: x")
    with pytest.raises(ConfigError, match="system: expected one of pixelperfect"):
        load_config(tmp_path / "c.yaml", [system] if system else [])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.crop=60", r"data\.crop"),
        ("data.crop=100", r"data\.crop: .*multiple of 32"),
        ("score.photos=3", r"score\.photos: .*multiple of 2"),
        ("score.crops=18", "crops must be a multiple of photos"),
        (
            (
                "score={crops: 4, photos: 4, steps: 1, learning_rate: 1, weight_consensus: 1, teachers: [mdsi], "
                "engine: {shapes: [1, 0, 0, 0, 0, 0]}}"
            ),
            "weight_consensus needs a chance of global",
        ),
        ("score.past={amounts: [0.9, 0.1]}", r"amounts must be \[smallest, largest\]"),
        ("score.rungs=1", r"score\.rungs"),
        ("score={crops: 4, photos: 4, steps: 1, learning_rate: 1, kadis: 0.5, rungs: 6}", "rungs of at most 5"),
        ("maps.learning_rate=0", r"maps\.learning_rate"),
        ("maps.steps=-1", r"maps\.steps"),
        ("maps.beta=1.5", r"maps\.beta"),
        ("network.encoder_widths=[8, 8]", r"network\.encoder_widths"),
        ("precision=half", "precision"),
        ("validation_crops=5", "validation_crops: .*multiple of 2"),
        ("engine.shapes=[0.5, 0.5]", r"engine\.shapes"),
        ("engine.shapes=[0, 1, 0, 0, 0, 0]", "at least one local shape"),
        ("engine.counts=[0, 0]", "counts must not all be 0"),
        ("engine.counts=[]", r"engine\.counts"),
        ("engine.amounts=[0.9, 0.1]", r"amounts must be \[smallest, largest\]"),
        ("engine.scale=[0, 10]", r"engine\.scale"),
        ("engine.kinds=[jpeg, jpg]", "kinds must be of the catalog, not jpg"),
        ("engine.families=[1, 1]", r"engine\.families"),
        ("engine.families=[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]", "families must leave a chance"),
        ("score.engine={kinds: [jpeg], families: [1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}", "must leave a chance"),
        ("score.teachers=[mdsi, ssim]", "teachers must be of .*, not ssim"),
        ("score.weight_consensus=0.5", "weight_consensus needs teachers"),
    ],
)
def test_values_that_would_fail_in_training_fail_before_it(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("pixelperfect/smoke.yaml", [override])


def test_the_engine_has_one_set_of_defaults():
    from pyiqa_pixelperfect.distortions.plan import PlanSettings

    assert EngineConfig().settings() == PlanSettings()
    assert math.isclose(sum(EngineConfig().shapes), 1.0)


def test_a_system_without_heads_or_published_files_says_so():
    with pytest.raises(ConfigError, match="one that has heads to fit to ratings, got 'pixelperfect'"):
        load_regression("pixelperfect/smoke.yaml")
    with pytest.raises(ConfigError, match="one that has heads to fit"):
        regress(load_config("pixelperfect/smoke.yaml"))
    with pytest.raises(ConfigError, match="one that has published files to convert, got 'pixelperfect'"):
        convert("pixelperfect", Conversion([], Path("w.safetensors")))
