"""Runs cases that mostly wait, several at once, telling of each as it ends: those named as arguments, or all."""
import concurrent.futures
import sys
import time
import traceback

SKIPPED = 77  # what ctest knows as SKIP_RETURN_CODE


class Skip(Exception):
    """The case can't be tried on this machine; its text says why."""


def run_case(case):
    begun = time.monotonic()
    try:
        case()
        verdict, text = "ok", ""
    except Skip as why:
        verdict, text = "skipped", f": {why}"
    except Exception:  # every fault of a case is that case's
        verdict, text = "FAILED", "\n" + traceback.format_exc()
    print(f"{verdict:7} {case.__name__} ({time.monotonic() - begun:.1f} s){text}", flush=True)
    return verdict


def main(cases, at_once):
    wanted = [case for case in cases if case.__name__ in sys.argv[1:]] if sys.argv[1:] else cases
    if not wanted:
        sys.exit(f"no such case; there are {', '.join(case.__name__ for case in cases)}")
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        verdicts = list(pool.map(run_case, wanted))
    print(", ".join(f"{verdicts.count(kind)} {kind}" for kind in ("ok", "skipped", "FAILED")))
    if "FAILED" in verdicts:
        sys.exit(1)
    sys.exit(0 if "ok" in verdicts else SKIPPED)
