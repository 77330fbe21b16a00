"""Statistics, relations between rows, and the table of `siammaskpp bench`."""

import re

from siammaskpp_core.bench.report import relate, statistics, text


def test_statistics_by_hand():
    result = statistics({"search": [4.0, 5.0, 6.0], "refine": [2.0, 2.0, 2.0], "total": [10.0, 20.0, 30.0]})
    # The 95th percentile lies 0.9 of the way from the second to the third value.
    assert result["stages"]["total"] == {"median_ms": 20.0, "p95_ms": 29.0}
    assert result["stages"]["overhead"]["median_ms"] == 13.0
    assert result["fps"] == 50.0


def row(engine: str, total: float, **others):
    stages = {"search": 100.0, "refine": 100.0, "total": total}
    return {
        "model": "m",
        "backbone": "resnet50",
        "engine": engine,
        "precision": "fp32",
        "size": [640, 480],
        "targets": 1,
        "stages": {name: {"median_ms": value, "p95_ms": value} for name, value in stages.items()},
        "fps": 1e3 / total,
        **others,
    }


def test_what_follows_from_other_rows():
    rows = [
        row("onnxruntime", 250.0, gflop={"search": 15.0, "refine": 5.0}, peak_gflops=200.0),
        row("onnxruntime", 600.0, targets=3),
        row("reference", 1000.0),
        row("onnxruntime", 125.0, model="int8"),
        row("onnxruntime", 10.0, backbone="efficientnet_lite0"),
    ]
    relate(rows, "reference")
    assert rows[0]["fraction_of_peak"] == 0.5  # 20 GFLOP in 0.2 s
    assert [r.get("times_faster") for r in rows] == [4.0, None, None, 8.0, None]
    assert [r.get("times_one_target") for r in rows] == [None, 2.4, None, None, None]


def test_the_table_has_every_case():
    rows = [row("onnxruntime", 250.0), row("reference", 1000.0)]
    relate(rows, "reference")
    lines = text({"frames": 3, "steps": rows, "peak_rss_mb": 1.0, "machine": {"cores": 2}}).splitlines()
    names, *cases = ([cell.strip() for cell in re.split("  +", line.strip())] for line in lines[1:4])
    table = [dict(zip(names, case, strict=True)) for case in cases]
    assert [case["engine"] for case in table] == ["onnxruntime", "reference"]
    assert [case["total"] for case in table] == ["250.00", "1000.00"]
    assert [case["fps"] for case in table] == ["4.0", "1.0"]
    assert [case["x reference"] for case in table] == ["4.00", "-"]
    assert len({len(line) for line in lines[1:4]}) == 1, "aligned"
