"""What a run writes: tables in three forms, figures, a page that needs nothing beside it, a record, comparisons."""

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from benchmark import __main__ as command_line
from benchmark.leaderboard import tables
from benchmark.leaderboard.agreement import Opinions
from benchmark.leaderboard.bootstrap import ContentBootstrap
from benchmark.leaderboard.config import load_leaderboard
from benchmark.leaderboard.figures import run_figures
from benchmark.leaderboard.page import results_page
from benchmark.leaderboard.results import FULL, read_published
from benchmark.leaderboard.run import run
from benchmark.leaderboard.standings import rank_metrics
from benchmark.report import read_record
from pyiqa_pixelperfect.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def finished(rated_folder, tmp_path_factory):
    """One run with a set that is there, one that is not, a metric that cannot be had, and published figures."""
    folder = tmp_path_factory.mktemp("finished")
    published = folder / "published.csv"
    published.write_text(
        "metric,dataset,statistic,value,source\npsnr,rated,srcc,0.123,A paper\nnone,rated,srcc,0.9,B\n"
        "lpips,rated,srcc,0.456,A paper\nmdsi,other,srcc,0.789,A paper\n"
    )
    rated = "{name: rated, source: csv, table: planted-0/pairs.csv, every: 2, rank_by: within}"
    config = load_leaderboard(
        "configs/benchmark/smoke.yaml",
        [f"root={rated_folder}", f"output={folder / 'out'}", f"datasets=[{rated}, tid2013]", "bootstrap=30",
         "metrics=[psnr, gmsd, {name: mdsi, source: piq}, piqe, lpips]", f"published={published}",
         "speed={sizes: [[64, 48]], rounds: 2, memory: false}"],
    )  # fmt: skip
    return run(config, quiet=True), folder / "out"


def test_everything_is_written(finished):
    _, out = finished
    names = {path.name for path in out.iterdir()}
    assert names >= {"record.json", "page.html", "tables.md", "tables.tex", "machine.md", "standings.csv"}
    assert names >= {"figures.csv", "differences.csv", "scores.csv", "figures", "scores"}
    figures = sorted(path.name for path in (out / "figures").iterdir())
    assert figures == ["rated-bars.png", "rated-scatter.png", "rated-types.png", "speed.png"]
    for name in figures:
        assert np.asarray(Image.open(out / "figures" / name).convert("L")).std() > 5  # something is drawn


def test_the_record_tells_how_to_repeat_the_run(finished):
    results, out = finished
    record = read_record(out / "record.json")
    assert record.command == "run"
    assert set(record.data) == {"rated"}
    assert re.fullmatch("[0-9a-f]{64}", record.data["rated"])
    assert "lpips" in record.results["unavailable_metrics"]
    assert "tid2013" in record.results["missing_sets"]
    figures = {(row["metric"], row["distortion"]): row for row in record.results["sets"]["rated"]["figures"]}
    measured = results.standings["rated"].figures.set_index(["metric", "distortion"])
    assert figures["psnr", "all"]["within"] == measured.loc[("psnr", "all"), "within"]
    assert {row["metric"] for row in record.results["speed"]} == {"psnr", "gmsd", "mdsi", "piqe"}
    assert all(row["ms"] > 0 for row in record.results["speed"])
    assert str(out) not in (out / "record.json").read_text()


def test_published_figures_stand_in_a_column_of_their_own(finished):
    results, out = finished
    board = next(table for table in tables.run_tables(results) if table.name == "board-with")
    column = "rated, published, not measured here"
    cells = board.frame.set_index("metric")[column]
    assert cells["psnr"] == "0.123"
    assert (cells.drop(["psnr", "lpips"]) == "").all()
    assert "A paper" in board.note
    # A metric that could not run stands there with what others published, below the others, without rank or figure.
    assert board.frame.iloc[-1].tolist() == ["", "lpips", "-", "0.456", "could not run here"]
    measured = [path for path in out.iterdir() if path.suffix == ".csv"]
    assert len(measured) == 4
    assert not any("0.123" in path.read_text() or "0.456" in path.read_text() for path in measured)


def test_published_figures_find_a_set_under_its_other_name(finished):
    results, _ = finished
    published = results.published.assign(dataset="livec")
    scored = replace(results.scored[0], rated=replace(results.scored[0].rated, name="clive"))
    boards = {FULL: results.boards[FULL].rename(columns={"rated": "clive"})}
    renamed = replace(
        results, published=published, scored=(scored,), standings={"clive": results.standings["rated"]}, boards=boards
    )
    assert "clive, published, not measured here" in tables.run_tables(renamed)[0].frame


def test_rows_that_could_not_be_measured_say_why(finished):
    text = (finished[1] / "tables.md").read_text()
    assert re.search(r"\| metric \| lpips +\| weights not available", text)
    assert re.search(r"\| set +\| tid2013 +\| put the set at ", text)


def test_latex_is_booktabs_with_balanced_columns(finished):
    text = (finished[1] / "tables.tex").read_text()
    for block in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
        lines = [line for line in block[1].splitlines() if line.endswith(r"\\")]
        assert lines
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(block[0])}
    assert r"\toprule" in text
    assert not re.search(r"(?<!\\)%(?! needs)", text)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_latex_compiles(finished, tmp_path):
    body = (finished[1] / "tables.tex").read_text()
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    )
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_csv_files_hold_figures_to_twelve_digits_and_scores_to_the_last(finished):
    results, out = finished
    table = pd.read_csv(out / "figures.csv", float_precision="round_trip")
    for column in ("srcc", "plcc4", "rmse5"):
        expected = results.standings["rated"].figures[column].to_numpy()
        assert table[column].to_numpy() == pytest.approx(expected, rel=1e-11, nan_ok=True)
        assert max(len(cell.lstrip("0.")) for cell in table[column].abs().dropna().map(repr)) <= 12
    scores = pd.read_csv(out / "scores.csv", float_precision="round_trip")["psnr"].to_numpy()
    assert np.array_equal(scores, results.scored[0].scores["psnr"].to_numpy())


def test_distortion_types_have_every_figure(finished):
    table = pd.read_csv(finished[1] / "figures.csv").set_index(["metric", "distortion"])
    types = set(table.loc["psnr"].index)
    assert types == {"all", "pillow jpeg", "opencv gaussian blur", "skimage gaussian"}
    figures = ["srcc", "krcc", "plcc", "plcc4", "rmse4", "plcc5", "rmse5", "srcc_low", "srcc_high"]
    assert table.loc["psnr", figures].notna().all(axis=None)
    rows = pd.read_csv(finished[1] / "scores.csv")
    rated = pd.read_csv(Path(finished[0].scored[0].rated.folder) / "pairs.csv").set_index("image").loc[rows["image"]]
    chosen = (rated["distortion"] == "pillow jpeg").to_numpy()
    ratings = rated["mos"] - rated.groupby("reference")["mos"].transform("mean")  # rank_by: within
    expected = stats.spearmanr(rows["psnr"][chosen], ratings[chosen]).statistic
    assert table.loc[("psnr", "pillow jpeg"), "srcc"] == pytest.approx(expected, abs=1e-12)


def test_the_page_needs_nothing_beside_it(finished):
    page = (finished[1] / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "within" in page
    assert "<script>" not in page


def test_our_color_survives_the_palette_of_the_page(finished):
    ours = replace(finished[0], config=finished[0].config.model_copy(update={"ours": "psnr"}))
    page = results_page(ours, [], run_figures(ours), {})
    found = []
    for data in re.findall('base64,([^"]+)"', page):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), dtype=int)
        found.append(bool(np.abs(pixels - (0xD9, 0x5F, 0x02)).max(axis=2).min() <= 12))
    assert found == [True, True, False, True]  # bars and speed show who is ours, points one of the types


def test_long_tables_of_differences_show_ours_and_fold_the_rest(finished):
    results, _ = finished
    frame = pd.DataFrame({"ahead": ["psnr", *(f"m{n}" for n in range(24))], "behind": "other", "n": "3"})
    table = tables.Table("differences-rated", "Differences", "", frame)
    page = results_page(replace(results, config=results.config.model_copy(update={"ours": "psnr"})), [table], {}, {})
    shown, folded = page.split("<details>")
    assert "the other 24 pairs" in folded
    assert shown.count("<td>other</td>") == 1
    assert folded.count("<td>other</td>") == 24
    assert "<details>" not in results_page(results, [replace(table, frame=frame.head(20))], {}, {})


def test_names_from_anywhere_are_text_on_the_page(settings, tmp_path):
    config = settings(metrics=["psnr", {"name": "<b>&", "source": "piq", "metric": "mdsi"}], every=9)
    run(config, quiet=True)
    page = (config.output / "page.html").read_text()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page


def test_weighted_averages_and_ranks():
    def figures(**rows):
        return pd.DataFrame(
            [{"metric": name, "distortion": "all", "n": n, "failed": failed, "note": "", "srcc": value}
             for name, (value, n, failed) in rows.items()]
        )  # fmt: skip

    sets = {
        "large": ("srcc", figures(good=(0.9, 300, 0), even=(0.8, 300, 0), torn=(0.99, 290, 10), half=(0.95, 300, 0))),
        "small": ("srcc", figures(good=(0.5, 100, 0), even=(0.8, 100, 0), torn=(0.99, 100, 0))),
    }
    board = rank_metrics(sets, ["good", "even", "torn", "half"]).set_index("metric")
    assert board.loc["good", "average"] == pytest.approx((300 * 0.9 + 100 * 0.5) / 400)
    assert board.loc[["good", "even"], "rank"].tolist() == [1, 1]
    assert board.loc[["torn", "half"], "rank"].isna().all()  # B3: failures and gaps cost the rank
    assert "10 scores failed" in board.loc["torn", "note"]
    assert "not scored" in board.loc["half", "note"]
    assert list(board.index[:2]) == ["good", "even"]


def test_boards_hold_what_applies(finished):
    results, _ = finished
    assert list(results.boards) == [FULL]
    assert set(results.boards[FULL]["metric"]) == {"psnr", "gmsd", "mdsi", "piqe"}


def test_subsets_of_opinions_keep_their_contents():
    people = Opinions(np.arange(4.0), ["a", "a", "b", "b"], True, ContentBootstrap(["a", "a", "b", "b"], 7, 0))
    part = people.only(np.array([2, 3]))
    assert part.ratings.tolist() == [2.0, 3.0]
    assert part.bootstrap.names == ["b"]
    assert len(part.bootstrap.draws) == 7


def invoke(*arguments):
    result = CliRunner().invoke(command_line.app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_two_records_are_compared(finished, tmp_path):
    record = json.loads((finished[1] / "record.json").read_text())
    rows = record["results"]["sets"]["rated"]["figures"]
    psnr = next(row for row in rows if row["metric"] == "psnr" and row["distortion"] == "all")
    gmsd = next(row for row in rows if row["metric"] == "gmsd" and row["distortion"] == "all")
    psnr["within"] -= 1.0
    gmsd["within"] = 0.5 * (gmsd["within"] + gmsd["within_high"])
    record["versions"]["torch"] = "0.0"
    (tmp_path / "b.json").write_text(json.dumps(record))
    text = invoke("compare", finished[1] / "record.json", tmp_path / "b.json").output
    verdicts = dict(re.findall(r"\| rated +\| (\w+) .*\| (\w[\w ,]*?) +\|\n", text))
    assert verdicts == {"psnr": "moved", "gmsd": "inside", "mdsi": "same", "piqe": "same"}
    assert "torch: " in text
    record["results"]["metrics"]["niqe"] = record["results"]["metrics"].pop("piqe")
    record["data"]["rated"] = "0" * 64
    (tmp_path / "b.json").write_text(json.dumps(record))
    text = invoke("compare", finished[1] / "record.json", tmp_path / "b.json").output
    assert "other data" in text
    assert "- metric piqe: only in the first\n- metric niqe: only in the second\n" in text


def test_what_is_no_record_is_refused(finished, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match="a record of `python -m benchmark run`"):
        invoke("compare", finished[1] / "record.json", tmp_path / "x.json")
    other = json.loads((finished[1] / "record.json").read_text()) | {"command": "speed"}
    (tmp_path / "x.json").write_text(json.dumps(other))
    with pytest.raises(DataError, match="a record of 'run'"):
        invoke("compare", finished[1] / "record.json", tmp_path / "x.json")


def test_the_side_by_side_picture(finished, rated_folder, tmp_path):
    image = rated_folder / "planted-0/coffee_0_pillow-jpeg_strong.png"
    out = tmp_path / "side.png"
    text = invoke("figure", image, rated_folder / "planted-0/coffee_0.png", "--metrics",
                  "pixelperfect, lpips, ssim, difference, gmsd", "--out", out).output  # fmt: skip
    assert re.search(r"pixelperfect: -\d", text)
    assert "lpips: weights not available" in text
    assert np.asarray(Image.open(out)).shape[1] > 1000


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["metrics=[psnr, psnr]"], "psnr occurs twice"),
        (["datasets=[]"], "datasets"),
        (["datasets=[{name: x, source: csv}]"], "'table' belongs to source: csv"),
        (["datasets=[{name: x, table: t.csv}]"], "'table' belongs to source: csv"),
        (["bootstrp=3"], "bootstrp"),
        (["threads=0", "seed=-1"], "seed.*threads|threads.*seed"),
    ],
)
def test_wrong_configurations_are_errors(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_leaderboard("configs/benchmark/smoke.yaml", overrides)


def test_no_set_at_all_is_an_error_that_lists_what_is_missing(settings):
    with pytest.raises(DataError, match=r"tid2013: put the set at .* csiq: put the set at"):
        run(settings(datasets=["tid2013", "csiq"]), quiet=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric,value\n", "none called dataset"),
        ("metric,dataset,statistic,value,source\na,b,c,x,d\n", "a number as value"),
    ],
)
def test_malformed_published_tables_are_errors(text, message, tmp_path):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_published(tmp_path / "p.csv")
    with pytest.raises(DataError, match="a CSV file"):
        read_published(tmp_path / "none.csv")


def test_threads_are_put_back(settings):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        run(settings(threads=before), quiet=True)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
