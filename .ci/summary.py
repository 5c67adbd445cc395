"""Adds up one run of ``.ci/run``: the JUnit files of pytest, the logs of cargo test, and the other stages as one test each."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)


def main(folder: Path, seconds: str, failed_stages: list[str]) -> int:
    """Prints the summary line; 0 when nothing failed."""
    count: Counter[str] = Counter()
    for report in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag: child for child in case}
            if "failure" in kinds or "error" in kinds:
                count["failed"] += 1
                print(f"FAILED {report.stem}: {case.get('classname')}::{case.get('name')}")
            elif "skipped" in kinds:
                count["xfailed" if kinds["skipped"].get("type") == "pytest.xfail" else "skipped"] += 1
            else:
                count["passed"] += 1
    for log in sorted(folder.glob("*.log")):
        stage = log.stem
        for passed, failed, ignored in CARGO.findall(log.read_text(errors="replace")):
            count.update(passed=int(passed), failed=int(failed), skipped=int(ignored))
        counted = (folder / f"{stage}.xml").exists()
        if stage in failed_stages:
            print(f"FAILED stage {stage}")
            count["failed"] += 0 if counted and count["failed"] else 1
        elif not counted:
            count["passed"] += 1
    order = ("failed", "passed", "skipped", "xfailed")
    line = ", ".join(f"{count[kind]} {kind}" for kind in order if count[kind]) + f" in {seconds}s"
    print(f"{' ' + line + ' ':=^100}")
    return 1 if failed_stages or count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
