import pandas as pd
import pytest

from benchmark import startup


def test_each_part_is_timed_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(startup, "PARTS", {"Python starts": "pass", "said": "print(0.25)"})
    seconds = startup.measure(rounds=2, quiet=True)
    assert seconds["said"].tolist() == [0.25, 0.25]
    assert (seconds["Python starts"] > 0).all()


def test_what_is_timed_loads_nothing_heavy():
    """The programs themselves, and that a hook which has run is run once more."""
    heavy = "import sys; assert not {'torch', 'pyiqa'} & set(sys.modules)"
    for code in startup.PARTS.values():
        startup._seconds(f"{code}\n{heavy}")
    once = "assert [type(f) for f in sys.meta_path if hasattr(f, 'adds_pixelperfect_rows')] == [boot.RowFinder]"
    assert startup._seconds(f"{startup.PARTS['the start-up hook']}\n{once}") > 0


def test_programs_that_fail_are_told(monkeypatch):
    monkeypatch.setattr(startup, "PARTS", {"broken": "raise SystemExit('no such thing')"})
    with pytest.raises(RuntimeError, match="no such thing"):
        startup.measure(rounds=1, quiet=True)


def test_promises_are_held_against_the_medians():
    seconds = pd.DataFrame({"Python": [0.01] * 3, "hook": [0.0001, 0.0004, 9.0], "import": [0.02, 0.06, 0.07]})
    table = startup.summarize(seconds)
    assert table["ms"].tolist() == pytest.approx([10, 0.4, 60])
    assert table["x Python"].tolist() == pytest.approx([1, 0.04, 6])
    assert [(item.measured, item.reached) for item in startup.startup_targets(table)] == [
        (pytest.approx(0.4), True), (pytest.approx(60), False)
    ]  # fmt: skip
