"""Mistakes on the command line: one line that says which argument, what was expected and what came."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("compare", "missing.png", "reference.png"),
            "missing.png: expected an existing picture file, got no such file",
        ),
        (("compare", "a.jpg", "weights.safetensors"), "weights.safetensors: expected a readable JPEG"),
        (("compare", "a.jpg", "reference.png", "--out", "c.gif"), "--out: expected a file name ending in .png"),
        (("compare", "a.jpg", "reference.png", "--device", "quantum"), "--device: expected auto, cpu, cuda"),
        (("compare", "a.jpg", "reference.png", "--weights", "a.jpg"), "weights"),
        (("distort", "reference.png", "--family", "sepia"), "--family: expected one of blur, noise"),
        (("distort", "reference.png", "--kind", "sepia"), "--kind: expected one of gaussian_blur"),
        (
            ("distort", "reference.png", "--family", "noise", "--kind", "jpeg"),
            "--kind: expected a kind of noise (white_noise",
        ),
        (("distort", "reference.png", "--family", "blur", "--amount", "-0.5"), "--amount: expected a number in [0, 1]"),
        (
            ("distort", "reference.png", "--family", "blur", "--field", "sepia"),
            "--field: expected one of global, perlin, gradient, halfplane, blob, blocks, got 'sepia'.",
        ),
        (
            ("distort", "reference.png", "--field", "perlin", "--scale", "4"),
            "--scale: expected a number of pixels above 4, got 4.",
        ),
        (
            ("distort", "reference.png", "--field", "gradient", "--scale", "9"),
            "--scale: expected a field that has it (perlin, halfplane, blob, blocks), got --field gradient.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--coverage", "0.5"),
            "--coverage: expected a field that has it (perlin, gradient, halfplane, blob, blocks), got --field global.",
        ),
        (
            ("distort", "reference.png", "--coverage", "1.5"),
            "--coverage: expected a share of the picture above 0, at most 1, got 1.5.",
        ),
        (
            ("distort", "reference.png", "--amount", "0.5"),
            "--amount: expected a --family or a --kind beside it, got a sheet of many.",
        ),
        (
            ("distort", "reference.png", "--kinds", "--family", "blur", "--truth", "t.npy"),
            "--truth: expected a --family or a --kind beside it, got a sheet of many.",
        ),
        (
            ("distort", "reference.png", "--kinds", "--kind", "jpeg"),
            "--kinds: expected at most a --family beside it, got --kind jpeg. Leave one of them out.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--truth", "t.csv"),
            "--truth: expected a file name ending in .npy, .npz, got 't.csv'.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--out", "d.svg"),
            "--out: expected a file name ending in .png, .tif, .tiff, .webp, .jpg, .jpeg, got 'd.svg'.",
        ),
        (("distort", "reference.png", "--kadis", "sepia"), "--kadis: expected one of gaussian_blur, lens_blur"),
        (
            ("distort", "reference.png", "--kadis", "jpeg", "--level", "6"),
            "--level: expected a whole number from 1 to 5, got 6.",
        ),
        (
            ("distort", "reference.png", "--family", "blur", "--level", "3"),
            "--level: expected a --kadis type beside it, got --level 3 alone.",
        ),
        (
            ("distort", "reference.png", "--kadis", "jpeg", "--kinds", "--amount", "0", "--truth", "t.npy"),
            "got --kinds, --amount, --truth. A level is of the whole picture and has no amounts.",
        ),
        (("distort", "reference.png", "--out", "d.html"), "--out: expected a file name ending in .png"),
        (("train", "nowhere.yaml"), "config: expected a YAML file, or a shipped name"),
    ],
)
def test_mistakes_are_one_line_and_code_two(run, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert message in result.err
    assert len(result.err.splitlines()) == 1
