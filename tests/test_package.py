"""The package itself: what it says of itself, and what a newcomer types."""

import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import pydl
import pydl.config

ROOT = Path(__file__).resolve().parents[1]


def test_show_config(capsys):
    pydl.show_config()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["pydl"] == pydl.__version__
    assert lines["isa"].split(",")[0].split()[0] in ("scalar", "avx2", "avx512", "avx512_bf16")
    assert re.fullmatch(r"\d+ of \d+ usable CPUs", lines["threads"])
    assert lines["cuda"].startswith("not built")


@pytest.mark.parametrize("isa", ["scalar", "avx2", "avx512"])
def test_show_config_says_that_the_isa_is_forced(isa):
    code = "import pydl; pydl.show_config()"
    if isa not in pydl.config._native.available_isas():
        out = _python(code, PYDL_ISA=isa)
        assert out.returncode != 0
        assert f"PYDL_ISA={isa}: not available here" in out.stderr
    else:
        out = _python(code, PYDL_ISA=isa)
        assert f"{isa} (forced by PYDL_ISA)" in out.stdout


def test_the_astronomy_library_in_our_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "pydlutils").mkdir()
    (tmp_path / "goddard").mkdir()
    monkeypatch.setattr(pydl.config, "__file__", str(tmp_path / "config.py"))
    with pytest.warns(RuntimeWarning, match=r"goddard, pydlutils: the astronomy library `pydl`"):
        pydl.config.warn_about_astronomy()


def test_no_warning_where_only_pydl_is():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pydl.config.warn_about_astronomy()


def test_import_loads_neither_demos_nor_heavy_modules():
    code = (
        "import sys; import pydl; "
        "print([m for m in ('pydl.nn', 'pydl.data', 'safetensors', 'urllib.request', 'ssl', "
        "'matplotlib', 'tqdm', 'sklearn', 'PIL') if m in sys.modules])"
    )
    assert _python(code).stdout.strip() == "[]"


def test_readme_example_prints_what_the_readme_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code, output = re.search(r"```python\n(.*?)```\s*```\n(.*?)```", text, re.S).groups()
    out = _python(code)
    assert out.stderr == ""
    assert out.stdout == output


@pytest.mark.newcomer
def test_both_commands_of_the_readme_in_a_fresh_clone(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^make mnist ", text, re.M)
    assert re.search(r"^make test ", text, re.M)
    clone = tmp_path / "pydl"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env["MAKEFLAGS"] = ""
    demo = "ARGS=--data digits --epochs 3 --check"
    subprocess.run(["make", "mnist", demo], cwd=clone, env=env, check=True)
    names = {p.suffix for p in (clone / "runs" / "mnist").iterdir()}
    assert {".png", ".safetensors"} <= names
    subprocess.run(["make", "test", "ARGS=tests/test_package.py"], cwd=clone, env=env, check=True)
    shutil.rmtree(clone)


def _python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
