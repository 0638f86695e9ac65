"""The benchmarks work: every case builds and runs, and what is made of the numbers is right.

No times are judged here. torch is not needed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from test_stub import kernel_signatures

import pydl

# Last, so that where pydl is installed the tests go on with that one.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks import __main__ as command
from benchmarks import breakdown, driver
from benchmarks.case import Case, Run
from benchmarks.cases import CASES, FAMILIES, process
from benchmarks.chart import save_charts
from benchmarks.driver import Options
from benchmarks.libraries import SIDES, environment, library
from benchmarks.machine import busy, header
from benchmarks.recorder import category, recording
from benchmarks.report import amount, comparison, markdown, save_table
from benchmarks.results import Report, Result, Spread, geometric_mean, new_result
from benchmarks.worker import Server

SMALL_STEPS = ("mlp", "dqn", "lenet", "rnn", "gru", "lstm")


def is_small(case: Case) -> bool:
    """Whether it takes a fraction of a second and little memory."""
    if case.family == "steps":
        return case.name.startswith(tuple(f"steps/{s}" for s in SMALL_STEPS))
    return case.family != "process" and case.flops < 3e8 and case.bytes < 3e7


def run_once(case: Case) -> None:
    ours = library("pydl", pydl.num_threads())
    run = case.build(ours)
    if run.grad:
        run.call()
        outputs = run.check()
    else:
        with pydl.no_grad():
            run.call()
            outputs = run.check()
    assert all(np.isfinite(a).all() for a in outputs)


@pytest.mark.parametrize("name", [c.name for c in CASES.values() if is_small(c)])
def test_small_case_runs(name: str) -> None:
    run_once(CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [c.name for c in CASES.values() if not is_small(c)])
def test_large_case_runs(name: str) -> None:
    run_once(CASES[name])


def test_names_are_unique_and_begin_with_the_family() -> None:
    names = [case.name for family in FAMILIES for case in family.cases()]
    assert len(set(names)) == len(names) == len(CASES)
    for case in CASES.values():
        assert case.name.startswith(f"{case.family}/")
        assert set(case.sides) <= set(SIDES)
        assert case.sides[0] == "pydl"


def test_exact_steps_repeat_bit_for_bit() -> None:
    case = CASES["steps/dqn-mlp-b128"]
    (first,), (second,) = (case.build(library("pydl", 2)).check() for _ in range(2))
    assert first.shape == (3,)
    assert (first == second).all()
    (numpy,) = case.build(library("pydl-numpy", 2)).check()
    np.testing.assert_allclose(numpy, first, rtol=1e-4)


def test_fma_peak_counts_its_operations() -> None:
    assert pydl._native.fma_peak(3, 5) == 2 * 3 * 5 * 192
    with pytest.raises(ValueError, match="rounds >= 1"):
        pydl._native.fma_peak(1, 0)


# ---- a run


@pytest.fixture(scope="module")
def report() -> Report:
    """Made by two real workers."""
    plan = Options(("pydl", "numpy"), threads=1, repeats=3)
    results = []
    with driver.workers(1) as group:
        for name in ("machine/fma/1-thread", "gemm/32x32x32/tn", "process/installed"):
            results.append(new_result(name))
            driver.measure(CASES[name], plan, group, results[-1])
        versions = group.versions
    made = Report(header(1, 3, 0.0), results)
    made.header["versions"] |= versions
    return made


def test_workers_take_turns(report: Report) -> None:
    gemm = report.results[1]
    assert not gemm.errors
    assert {side: len(v) for side, v in gemm.values.items()} == {"pydl": 3, "numpy": 3}
    assert gemm.calls["pydl"] > 100  # a repeat lasts 20 ms
    assert gemm.rival == "numpy"
    assert gemm.flops == 2 * 32**3
    assert report.header["versions"]["pydl"] == f"{pydl.__version__} {pydl._native.isa()}"
    size = report.results[2].spread("pydl")
    assert size is not None
    assert 1 < size.median < 50  # MB


def test_save_and_load(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path)
    lines = [json.loads(x) for x in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [x["kind"] for x in lines] == ["header", "case", "case", "case"]
    assert lines[2]["ratio"][1] == pytest.approx(report.results[1].ratio("numpy").median)
    again = Report.load(tmp_path)
    assert markdown(again) == markdown(report)


def test_failure_of_one_side_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "gemm/x", CASES["gemm/32x32x32/nn"])
    result = new_result("gemm/x")
    with driver.workers(1) as group:  # the worker has no such case
        driver.measure(
            Case("gemm/x", "gemm", CASES["gemm/x"].build, ("numpy",)),
            Options(("numpy",), 1, 1), group, result,
        )  # fmt: skip
    assert result.errors == {"numpy": "KeyError: 'gemm/x'"}
    assert not any(result.values.values())


def test_server_calibrates_and_counts() -> None:
    server = Server("pydl", pydl.num_threads())
    ready = server.build("steps/mlp-b128")
    assert ready.calls >= 1
    products = 128 * (784 * 512 + 512 * 256 + 256 * 10)
    # forward, weight gradients, and input gradients but for the first layer's
    assert ready.flops == 2 * (3 * products - 128 * 784 * 512)
    assert server.repeat() > 0
    server.drop()


def test_difference() -> None:
    case = Case("gemm/x", "gemm", lambda library: Run(int, list), ("pydl",), tolerance=1e-3)
    a = [np.array([1.0, 2.0])]
    assert driver.difference(case, a, [np.array([1.0, 2.001])]) is None
    assert "differ by" in (driver.difference(case, a, [np.array([1.0, 2.1])]) or "")
    assert "differ by" in (driver.difference(case, a, [np.array([1.0, np.nan])]) or "")
    assert "shapes" in (driver.difference(case, a, [np.zeros(3)]) or "")


def test_worker_inherits_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDL_ISA", "scalar")
    with driver.workers(1) as group:
        group.of("pydl")
        assert group.versions["pydl"].endswith("scalar")


def test_environment_leaves_out_what_disguises_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = environment(3)
    assert "OPENBLAS_CORETYPE" not in found
    assert found["OPENBLAS_NUM_THREADS"] == found["PYDL_NUM_THREADS"] == "3"


def test_peak_memory_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    monkeypatch.setenv("PYDL_NUM_THREADS", str(pydl.num_threads()))
    assert 10 < process.peak_of_step("pydl", "dqn-mlp-b128") < 100_000


# ---- what is made of the numbers


def synthetic(scale: float = 1.0) -> Report:
    """Two peaks; a case that wins, one that loses, one that failed."""
    fma = Result("machine/fma/all-threads", "machine", flops=1e9, values={"pydl": [0.01, 0.02]})
    copy = Result("machine/copy", "machine", bytes=1e9, values={"pydl": [0.1], "numpy": [0.05]})
    rivals = ("torch", "torch-channels-last")
    wins = Result(
        "conv/wins", "conv", flops=1e9, rivals=rivals,
        values={
            "pydl": [scale * t for t in (0.1, 0.1, 0.1, 0.11)],
            "torch": [0.4] * 4,
            "torch-channels-last": [0.2, 0.2, 0.2, 0.22],
        },
    )  # fmt: skip
    loses = Result(
        "conv/loses", "conv", bytes=1e8, rivals=rivals, values={"pydl": [0.02], "torch": [0.01]}
    )
    failed = Result("conv/failed", "conv", rivals=rivals, errors={"torch": "RuntimeError: no"})
    return Report(header(2, 4, 0.5), [fma, copy, wins, loses, failed])


def test_ratio_is_that_of_the_fastest_rival() -> None:
    _, _, wins, loses, failed = synthetic().results
    assert wins.rival == "torch-channels-last"
    assert wins.ratio(wins.rival) == pytest.approx((2, 2, 2))
    assert loses.ratio(loses.rival) == pytest.approx((0.5, 0.5, 0.5))
    assert failed.ratio(failed.rival) is None


def test_percent_of_the_peak() -> None:
    report = synthetic()
    assert report.peaks == (1e11, 2e10)  # of the fastest repeat, on any side
    assert report.percent(report.results[2]) == pytest.approx(10)
    assert report.percent(report.results[3]) == pytest.approx(25)


def test_table() -> None:
    text = markdown(synthetic())
    assert "| wins | 100 ms ± 3 % | 400 ms ± 0 % | 200 ms ± 3 % | 2.00 (2.00 to 2.00) |" in text
    assert "**0.50 (0.50 to 0.50)**" in text
    assert "Geometric mean, the fastest of the others / pydl: 1.00 (of 2)" in text
    assert "- conv/failed: torch: RuntimeError: no" in text
    assert "do not publish" in text


def test_comparison_marks_what_is_beyond_the_spread() -> None:
    rows = {x.split(" | ")[0]: x for x in comparison(synthetic(0.5), synthetic()).splitlines()}
    assert "| 0.50 | + |" in rows["| conv/wins"]
    assert rows["| conv/wins"].endswith("4.00 (4.00 to 4.00) | + |")
    assert "| 1.00 |  |" in rows["| conv/loses"]
    assert "- old: " in comparison(synthetic(), synthetic())
    slower = comparison(synthetic(), synthetic(0.5))
    assert "| 2.00 | - |" in slower


def test_charts(tmp_path: Path) -> None:
    paths = [save_table(synthetic(), tmp_path), *save_charts(synthetic(), tmp_path)]
    assert [p.name for p in paths] == ["table.md", "ratio-conv.png"]
    assert all(p.stat().st_size > 500 for p in paths)


def test_numbers_for_people() -> None:
    assert amount(Spread(1.0, 1.0, 1.1), "s") == "1 s ± 10 %"
    assert amount(Spread(2e-6, 2e-6, 2e-6), "s") == "2 µs ± 0 %"
    assert amount(Spread(3e-8, 3e-8, 3e-8), "s") == "30 ns ± 0 %"
    assert amount(Spread(250.0, 250.0, 250.0), "MB") == "250 MB ± 0 %"
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1)
    assert geometric_mean([]) is None
    assert 0 <= busy(0.02) <= 1


# ---- where the time goes


def test_categories() -> None:
    wanted = {
        "gemm": "gemm", "conv2d_grad_input": "conv", "lstm_backward": "recurrent",
        "adaptive_avg_pool": "pool", "batch_norm": "norm", "cross_entropy": "loss",
        "adam": "optim", "dropout": "random", "reduce_sum": "reduce", "copy": "movement",
        "relu": "elementwise", "relu_backward": "elementwise", "add": "elementwise",
    }  # fmt: skip
    assert {kernel: category(kernel) for kernel in wanted} == wanted
    elementwise = {k.removesuffix("_backward") for k in kernel_signatures()} & {
        k for k in kernel_signatures() if category(k) == "elementwise"
    }
    assert elementwise <= {*pydl._native.unary_ops(), *pydl._native.binary_ops()}


def test_recording_puts_the_kernels_back() -> None:
    device = pydl.device("cpu")
    before = device.kernels
    x = pydl.ones(4, 4)
    with recording(device) as seen:
        x @ x
    assert device.kernels is before
    assert seen.flops == 2 * 4**3
    assert set(seen.seconds) == {"gemm", "movement"}


def test_breakdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdown, "SECONDS", 0.0)
    assert breakdown.draw(["steps/dqn*"], pydl.num_threads(), tmp_path) == 0
    found = json.loads((tmp_path / "breakdown.json").read_text())["dqn-mlp-b128"]
    assert found["gemm"] > 0
    assert found["Python"] > 0
    assert found["conv"] == 0
    assert (tmp_path / "breakdown.png").stat().st_size > 500
    assert breakdown.draw(["none"], 1, tmp_path) == 1


# ---- the command


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list", "--family", "gemm", "--only", "*/4096*"]) == 0
    names = capsys.readouterr().out.split()
    assert names == [f"gemm/4096x4096x4096/{kind}" for kind in ("nn", "nt", "tn")]


def test_report_draws_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic().save(tmp_path)
    arguments = ["report", "--out", str(tmp_path), "--compare", str(tmp_path)]
    assert command.main(arguments) == 1  # a side had failed
    assert "ratio-conv.png" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--sides", "caffe"], ["report"], ["--family", "none"]])
def test_wrong_options_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert "error" in capsys.readouterr().err
