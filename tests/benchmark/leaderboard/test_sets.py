"""Sets from CSV tables, and pyiqa's loaders on small trees laid out as the real sets are."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmark.leaderboard.config import LeaderboardConfig, SetEntry
from benchmark.leaderboard.datasets import load_sets
from benchmark.leaderboard.offline import no_network
from benchmark.leaderboard.pyiqa_sets import LAYOUTS
from benchmark.leaderboard.rated_set import MissingSet, RatedSet
from pyiqa_pixelperfect.errors import DataError


def picture(path, side=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(len(str(path)))
    Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


def load(root, entry):
    config = LeaderboardConfig(root=root, datasets=[entry], metrics=["psnr"], output=root / "out")
    with no_network():
        try:
            sets, missing = load_sets(config)
        except DataError as error:
            if "at least one set" not in str(error):
                raise
            return MissingSet("", str(error))
    return (sets or missing)[0]


TID = ["ref_name", "dist_name", "mos", "std"]
FULL_REFERENCE = {  # name: distorted and reference folder, distorted and reference file, columns
    "tid2013": ("tid2013/distorted_images", "tid2013/reference_images", "i{c}_{t}_1.bmp", "I{c}.bmp", TID),
    "tid2008": ("tid2008/distorted_images", "tid2008/reference_images", "i{c}_{t}_1.bmp", "I{c}.bmp", TID),
    "kadid10k": ("kadid10k/images", "kadid10k/images", "I{c}_{t}_01.png", "I{c}.png", ["ref", "dist", "dmos", "std"]),
    "csiq": ("CSIQ/dst_imgs", "CSIQ/src_imgs", "{c}.{t}.1.png", "{c}.png", ["ref_name", "dist_name", "dmos"]),
    "live": ("LIVEIQA_release2", "LIVEIQA_release2", "{t}/img{c}.bmp", "refimgs/{c}.bmp", ["ref", "dist", "mos"]),
    "pipal": ("PIPAL/Dist_Imgs", "PIPAL/Train_Ref", "A{c}_{t}_00.bmp", "A{c}.bmp", ["hq", "dist", "elo", "split"]),
}  # fmt: skip
NO_REFERENCE = {
    "koniq10k": "koniq10k/512x384", "spaq": "SPAQ/TestImage", "livec": "LIVEC", "flive": "FLIVE_Database/database"
}  # fmt: skip
TABLES = {
    "tid2013": "TID2013", "tid2008": "TID2008", "kadid10k": "KADID10k", "csiq": "CSIQ", "live": "LIVEIQA",
    "pipal": "PIPAL", "koniq10k": "KonIQ10k", "spaq": "SPAQ", "livec": "LIVEChallenge", "flive": "FLIVE",
    "pieapp": "PieAPP", "bapps": "BAPPS",
}  # fmt: skip


def full_reference_tree(root, name):
    target, reference, distorted, clean, columns = FULL_REFERENCE[name]
    rows = []
    for content in ("01", "02"):
        picture(root / reference / clean.format(c=content))
        for place, kind in enumerate(("01", "02")):
            file = distorted.format(c=content, t=kind)
            picture(root / target / file)
            rows.append([clean.format(c=content), file, 1.0 + place, "train"][: len(columns)])
    return rows, columns


def no_reference_tree(root, name):
    for number in range(9):
        picture(root / NO_REFERENCE[name] / f"{number}.png", side=600 if name == "spaq" else 40)
    rows = [[f"{number}.png", float(number), "test" if number % 2 else "train"] for number in range(9)]
    return rows, ["name", "mos", "official_split"]


def pieapp_tree(root, _):
    for name in ("ref", "a", "b0", "b1", "b2", "b3"):
        picture(root / f"PieAPP_dataset_CVPR_2018/{name}.png")
    columns = ["ref_img_path", "dist_imgA_path", "dist_imgB_path", "raw preference for A",
               "processed preference for A", "per_img score for dist_imgB", "split"]  # fmt: skip
    splits = (0, 2, 2, 2)  # train, val, test as 0, 1, 2: what the script that makes pyiqa's tables writes
    return [["ref.png", "a.png", f"b{n}.png", 0.5, 0.5, float(n), split] for n, split in enumerate(splits)], columns


def bapps_tree(root, _):
    rows = []
    for number, kind in enumerate(("cnn", "deblur", "cnn")):
        files = [f"2afc/{'val' if number else 'train'}/{kind}/{part}/{number}.png" for part in ("ref", "p0", "p1")]
        for file in files:
            picture(root / "PerceptualSimilarity/dataset" / file)
        rows.append([*files, 0.25 * number, int(number > 0)])
    for kind in ("cnn", "traditional"):
        files = [f"jnd/val/{kind}/{part}/0.png" for part in ("p0", "p1")]
        for file in files:
            picture(root / "PerceptualSimilarity/dataset" / file)
        rows.append(["jnd", *files, 2 / 3, 1])
    return rows, ["ref_img_path", "p0_img_path", "p1_img_path", "judge/same", "split"]


def tree(root, name):
    """Lay out a small set the way pyiqa wants it; two contents, two types where the set has any."""
    makers = {"pieapp": pieapp_tree, "bapps": bapps_tree}
    maker = makers.get(name, full_reference_tree if name in FULL_REFERENCE else no_reference_tree)
    rows, columns = maker(root, name)
    pd.DataFrame(rows, columns=columns).to_csv(table_of(root, name), index=False)


def table_of(root, name):
    table = root / "meta_info" / f"meta_info_{TABLES[name]}Dataset.csv"
    table.parent.mkdir(exist_ok=True)
    return table


@pytest.mark.parametrize("name", FULL_REFERENCE)
def test_full_reference_sets(name, tmp_path):
    tree(tmp_path, name)
    found = load(tmp_path, name)
    assert found.kind == "ratings"
    assert found.has_references
    assert found.rows["distortion"].tolist() == ["01", "02"] * 2
    assert found.rows["content"].nunique() == 2
    assert found.rows["rating"].tolist() == ([-1.0, -2.0] if name in ("csiq", "live") else [1.0, 2.0]) * 2
    image, reference = found.pictures()[0]
    assert found.read(found.folder / image).shape == found.read(found.folder / reference).shape == (1, 3, 40, 40)


@pytest.mark.parametrize(("name", "count"), [("koniq10k", 4), ("spaq", 9), ("livec", 2), ("flive", 4)])
def test_no_reference_sets(name, count, tmp_path):
    tree(tmp_path, name)
    found = load(tmp_path, name)
    assert len(found.rows) == count  # of official splits the test part; of LIVE Challenge all but its first seven
    assert not found.has_references
    assert found.rows["content"].tolist() == found.rows["image"].tolist()
    side = 448 if name == "spaq" else 40
    assert found.read(found.folder / found.pictures()[0][0]).shape == (1, 3, side, side)
    assert ("448" in found.view) is (name == "spaq")


def test_pieapp_in_spite_of_its_loader(tmp_path):
    tree(tmp_path, "pieapp")
    found = load(tmp_path, "pieapp")
    assert found.rows["rating"].tolist() == [-1.0, -2.0, -3.0]  # its score is an error
    assert all(name.endswith(f"b{number}.png") for number, name in enumerate(found.rows["image"], start=1))


def test_bapps_in_spite_of_its_loader(tmp_path):
    tree(tmp_path, "bapps")
    found = load(tmp_path, "bapps")
    assert found.kind == "pairs"
    assert found.rows["second_preferred"].tolist() == [0.25, 0.5]
    assert found.rows["distortion"].tolist() == ["deblur", "cnn"]
    assert len(found.pictures()) == 4


def test_just_noticeable_differences_of_bapps(tmp_path):
    tree(tmp_path, "bapps")
    found = load(tmp_path, "bapps-jnd")
    assert found.kind == "same"
    assert found.has_references
    assert found.rows["same"].tolist() == [pytest.approx(2 / 3)] * 2
    assert found.rows["distortion"].tolist() == ["cnn", "traditional"]
    image, reference = found.pictures()[0]
    assert (image.split("/")[-2], reference.split("/")[-2]) == ("p1", "p0")


@pytest.mark.parametrize(("name", "count"), [("pieapp", 3), ("bapps", 2), ("bapps-jnd", 2)])
@pytest.mark.parametrize("write", [float, {0: "train", 1: "val", 2: "test"}.get])
def test_splits_in_words_or_numbers(name, count, write, tmp_path):
    tree(tmp_path, name.partition("-")[0])
    table = table_of(tmp_path, name.partition("-")[0])
    frame = pd.read_csv(table)
    frame["split"] = [write(value) for value in frame["split"]]
    frame.to_csv(table, index=False)
    assert len(load(tmp_path, name).rows) == count


def test_pictures_are_read_as_pyiqas_loader_reads_them(tmp_path):
    from pyiqa.data.dataset_api import load_dataset

    tree(tmp_path, "spaq")
    found = load(tmp_path, "spaq")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it leaves a file open
        theirs = load_dataset("spaq", data_root=str(tmp_path), phase="test")[3]["img"]
    assert torch.equal(found.read(found.folder / found.pictures()[3][0])[0], theirs)


@pytest.mark.parametrize("name", [*LAYOUTS, "clive"])
def test_a_missing_set_is_one_line_that_says_what_to_put_where(name, tmp_path):
    found = load(tmp_path, name)
    assert isinstance(found, MissingSet)
    assert "put the set at" in found.reason
    assert "meta_info" in found.reason
    assert "\n" not in found.reason


def test_names_that_pyiqa_does_not_know(tmp_path):
    assert "knows no set of this name; it knows ava, bapps" in load(tmp_path, "tid2031").reason


def test_a_set_with_a_missing_picture_is_not_measured_in_part(tmp_path):
    tree(tmp_path, "csiq")
    (tmp_path / "CSIQ/dst_imgs/02.02.1.png").unlink()
    assert "1 of its pictures are missing, such as" in load(tmp_path, "csiq").reason


def test_a_table_that_pyiqa_cannot_read_is_a_line_too(tmp_path):
    tree(tmp_path, "csiq")
    (tmp_path / "meta_info/meta_info_CSIQDataset.csv").write_text("a,b,c\nx,y,good\n")
    assert "pyiqa cannot read" in load(tmp_path, "csiq").reason


@pytest.fixture
def table(tmp_path):
    for name in ("001.png", "2.png", "clean.png"):
        picture(tmp_path / "set" / name)
    frame = pd.DataFrame({"file": ["001.png", "2.png"], "reference": "clean.png", "score": [1.5, 2], "part": [1, 2]})
    frame.to_csv(tmp_path / "set" / "table.csv", index=False)
    return tmp_path


CALLED = {"image": "file", "mos": "score"}


def test_any_table_is_a_set(table):
    entry = SetEntry(name="own", source="csv", table="set/table.csv", columns=CALLED, lower_better=True)
    found = load(table, entry)
    assert isinstance(found, RatedSet)
    assert found.pictures() == [("001.png", "clean.png"), ("2.png", "clean.png")]
    assert found.rows["rating"].tolist() == [-1.5, -2.0]
    assert found.rows["distortion"].tolist() == ["any", "any"]


def test_rows_can_be_chosen(table):
    entry = SetEntry(name="own", source="csv", table="set/table.csv", columns=CALLED, where={"part": "2"})
    assert load(table, entry).rows["image"].tolist() == ["2.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {}}, "none called image, mos"),
        ({"columns": CALLED | {"distortion": "kind"}}, "none called kind"),
        ({"columns": CALLED | {"mos": "file"}}, "a finite number as file"),
        ({"columns": CALLED, "where": {"part": "7"}}, "an empty table"),
    ],
)
def test_malformed_tables_are_errors(table, change, message):
    with pytest.raises(DataError, match=message):
        load(table, SetEntry(name="own", source="csv", table="set/table.csv", **change))


def test_missing_tables_and_pictures_are_lines(table):
    entry = SetEntry(name="own", source="csv", table="set/table.csv", columns=CALLED)
    (table / "set" / "2.png").unlink()
    assert "1 pictures of its table are missing" in load(table, entry).reason
    assert "put its table at" in load(table, SetEntry(name="own", source="csv", table="other.csv")).reason


def test_fingerprints_know_pictures_and_ratings(table):
    entry = SetEntry(name="own", source="csv", table="set/table.csv", columns=CALLED)
    found = load(table, entry)
    assert found.fingerprint({"001.png": "a"}) != found.fingerprint({"001.png": "b"})
    turned = load(table, entry.model_copy(update={"lower_better": True}))
    assert found.fingerprint({}) != turned.fingerprint({})
