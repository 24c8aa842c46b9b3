"""Lanes: tasks side by side, in the caller's modes, and nothing left behind; and helpers that code JPEG 2000."""

import io
import threading
import time

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions import kadis_coder, kadis_processes
from pyiqa_pixelperfect.distortions.kadis_lanes import in_lane, run_in_lanes
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)  # the fixture of all tests here sets it back


def test_tasks_run_side_by_side(two_threads):
    meeting = threading.Barrier(2)
    run_in_lanes([lambda: meeting.wait(60)] * 4)  # the first alone would wait in vain
    assert meeting.n_waiting == 0


def test_with_one_thread_tasks_run_in_turn_right_here():
    seen = []
    run_in_lanes([lambda number=number: seen.append((number, threading.get_ident(), in_lane())) for number in range(4)])
    assert seen == [(number, threading.get_ident(), False) for number in range(4)]


def test_lanes_within_a_lane_run_in_it(two_threads):
    seen = []

    def outer():
        here = threading.get_ident()
        run_in_lanes([lambda: seen.append(here == threading.get_ident())] * 2)

    run_in_lanes([outer, outer])
    assert seen == [True] * 4


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_lanes_have_the_modes_of_the_caller_and_one_thread(two_threads, mode):
    def state():
        return torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    seen = []
    with mode():
        run_in_lanes([lambda: seen.append((*state(), in_lane(), torch.get_num_threads()))] * 3)
        assert seen == [(*state(), True, 1)] * 3


def test_lanes_share_the_threads():
    torch.set_num_threads(5)
    seen = []
    run_in_lanes([lambda: seen.append(torch.get_num_threads())] * 2)
    assert seen == [2, 2]


def test_threads_are_as_before(two_threads):
    run_in_lanes([lambda: None] * 3)
    seen = [torch.get_num_threads()]
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [2, 2]
    assert not in_lane()


def test_an_error_in_a_lane_is_raised(two_threads):
    def fail():
        raise ValueError("in a lane")

    with pytest.raises(ValueError, match="in a lane"):
        run_in_lanes([fail, lambda: None])
    assert torch.get_num_threads() == 2


def test_tasks_after_an_error_are_not_run(two_threads):
    ran, failed = [], threading.Event()

    def fail():
        failed.set()
        raise ValueError("in a lane")

    def note():
        failed.wait(60)
        time.sleep(0.01)
        ran.append(1)

    with pytest.raises(ValueError, match="in a lane"):
        run_in_lanes([fail] + [note] * 100)
    assert len(ran) < 50


def test_lanes_begin_at_both_ends(two_threads):
    meeting, seen = threading.Barrier(2), []

    def end():
        meeting.wait(60)
        seen.append("end")

    run_in_lanes([end, *[lambda: seen.append("between")] * 5, end])
    assert seen[0] == "end"
    assert sorted(seen) == ["between"] * 5 + ["end"] * 2


@pytest.fixture
def helpers(monkeypatch, two_threads):
    """Helpers of this test alone, from the first picture on."""
    fresh = kadis_processes._Helpers()
    monkeypatch.setattr(kadis_processes, "_helpers", fresh)
    monkeypatch.setattr(kadis_processes, "PATIENCE", 0)
    yield fresh
    fresh.close()


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(6, 3, 40, 50, generator=torch.Generator().manual_seed(0))


def coded(pictures):
    return apply_kadis(pictures, "jpeg2000", 2, torch.zeros(len(pictures), dtype=torch.int64))


@pytest.fixture(scope="module")
def alone(pictures):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    done = coded(pictures)
    torch.set_num_threads(threads)
    return done


def test_helpers_code_to_the_same_bits(helpers, pictures, alone):
    assert torch.equal(coded(pictures), alone)
    assert 1 <= len(helpers.every) <= 2
    assert len(helpers.idle) == len(helpers.every)
    assert helpers.coded == 6
    before = list(helpers.every)
    assert torch.equal(coded(pictures), alone)
    assert helpers.every[: len(before)] == before  # used again
    assert len(helpers.every) <= 2
    helpers.close()
    assert all(helper.returncode is not None for helper in helpers.every)


def test_few_pictures_and_single_threads_start_no_helper(helpers, pictures, monkeypatch):
    torch.set_num_threads(1)
    coded(pictures)
    assert helpers.coded == 0
    torch.set_num_threads(2)
    monkeypatch.setattr(kadis_processes, "PATIENCE", 6)
    coded(pictures)
    assert (helpers.coded, helpers.every) == (6, [])
    coded(pictures)
    assert helpers.every


def test_a_dead_helper_is_replaced_by_this_process(helpers, pictures, alone):
    coded(pictures)
    for helper in helpers.every:
        helper.kill()
        helper.wait()
    assert torch.equal(coded(pictures), alone)
    assert not helpers.works
    started = len(helpers.every)
    assert torch.equal(coded(pictures), alone)
    assert len(helpers.every) == started


def test_without_a_python_to_start_this_process_codes(helpers, pictures, alone, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert torch.equal(coded(pictures), alone)
    assert not helpers.works
    assert helpers.every == []


def test_a_forked_process_has_no_helpers(helpers, pictures):
    coded(pictures)
    kadis_processes._forget()
    assert kadis_processes._helpers is not helpers
    assert kadis_processes._helpers.every == []
    assert all(helper.poll() is None for helper in helpers.every)  # the parent's go on


def test_the_program_codes_until_requests_end():
    pixels = np.random.default_rng(0).integers(0, 256, (33, 40, 3), np.uint8).tobytes()
    request = kadis_coder.HEADER.pack(40, 33, 20.0) + pixels
    replies = io.BytesIO()
    kadis_coder.serve(io.BytesIO(request * 2), replies)
    assert replies.getvalue() == kadis_coder.code(pixels, 40, 33, 20.0) * 2
    assert len(replies.getvalue()) == 2 * len(pixels)
