"""The command line: run, report, breakdown."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import machine
from .cases import CASES
from .cases.machine import COPY, FMA_ALL
from .driver import Options, chosen, measure, progress, workers
from .libraries import DEFAULT_SIDES, SIDES, installed
from .report import comparison, markdown, save_table
from .results import Report, new_result

REPEATS, QUICK = 15, 5
BUSY = 0.1  # part of the CPUs that others may use without a warning


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The options."""
    families = list(dict.fromkeys(c.family for c in CASES.values()))
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="run", choices=["run", "report", "breakdown"],
        help="run: measure; report: table and charts of what --out holds; breakdown: where the "
        "time of the training steps goes",
    )  # fmt: skip
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN",
                        help="cases whose name fits, as in a shell; may be repeated")  # fmt: skip
    parser.add_argument("--family", action="append", default=[], choices=families)
    parser.add_argument("--sides", default=",".join(DEFAULT_SIDES),
                        help=f"separated by commas, of {', '.join(SIDES)} "
                        "(default: %(default)s, as far as installed)")  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} repeats")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for results, table and charts")
    parser.add_argument("--compare", type=Path, metavar="OLD", help="results of an older run")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    options = parser.parse_args(argv)
    unknown = set(options.sides.split(",")) - set(SIDES)
    if unknown:
        parser.error(f"--sides: no {', '.join(sorted(unknown))}; choose of {', '.join(SIDES)}")
    if options.what == "report" and options.out is None:
        parser.error("report: --out names the folder that holds the results")
    return options


def run(options: argparse.Namespace) -> Report:
    """Measure, and write after each case what there is; Ctrl-C ends it."""
    sides = tuple(s for s in options.sides.split(",") if installed(s))
    plan = Options(sides, options.threads, QUICK if options.quick else options.repeats)
    cases = chosen(options.only, options.family)
    peaks = [CASES[name] for name in (FMA_ALL, COPY)]  # every percentage needs them
    cases = peaks + [c for c in cases if c not in peaks]
    others = machine.busy()
    if others > BUSY:
        print(f"warning: others keep the CPUs {100 * others:.0f} % busy", file=sys.stderr)
    report = Report(machine.header(plan.threads, plan.repeats, others), [])
    with workers(options.threads) as group:
        try:
            for case in (bar := progress(cases)):
                bar.set_description(case.name)
                report.results.append(new_result(case.name))
                measure(case, plan, group, report.results[-1])
                report.header["versions"] |= group.versions
                if options.out is not None:
                    report.save(options.out)
        except KeyboardInterrupt:
            print("\ninterrupted: the cases so far follow", file=sys.stderr)
    report.results = [r for r in report.results if r.measured]
    return report


def main(argv: list[str] | None = None) -> int:
    """Returns 1 where a side failed or differed from pydl."""
    options = parse(argv)
    if options.list:
        print("\n".join(c.name for c in chosen(options.only, options.family)))
        return 0
    if options.what == "breakdown":
        from .breakdown import draw

        return draw(options.only, options.threads, options.out or Path("runs/benchmarks"))
    report = Report.load(options.out) if options.what == "report" else run(options)
    if options.out is None:
        print(markdown(report))
    else:
        from .chart import save_charts

        if options.what == "run":
            report.save(options.out)
        for path in (save_table(report, options.out), *save_charts(report, options.out)):
            print(path)
    if options.compare is not None:
        print(comparison(report, Report.load(options.compare)))
    return int(any(r.errors for r in report.results))


if __name__ == "__main__":
    sys.exit(main())
