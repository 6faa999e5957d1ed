"""What the fit scripts share: the C++ formulas as a library, chips' peaks, reports and TOML."""

import ctypes
import pathlib
import subprocess
import tomllib
import zlib
from dataclasses import dataclass, field

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FITTED_ROWS = 6000  # of a table, drawn once
WORST_MEDIAN = 0.10
RATES = {"bf16": "bf16_tflops", "fp8": "fp8_tflops", "int8": "int8_tops", "fp4": "fp4_tflops"}


def library(name, *sources):
    """tools/fit/NAME.cpp and sources of src, as a library."""
    out = ROOT / "build" / "fit" / f"{name}.so"
    out.parent.mkdir(parents=True, exist_ok=True)
    files = [ROOT / "tools/fit" / f"{name}.cpp"] + [ROOT / "src" / s for s in sources]
    command = ["g++", "-O2", "-std=c++20", "-shared", "-fPIC", "-ffp-contract=off"]
    subprocess.run([*command, f"-I{ROOT / 'src'}", *map(str, files), "-o", str(out)], check=True)
    return ctypes.CDLL(str(out))


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def peaks(chip, rate):
    """Operations per second, bytes per second and cores of one die."""
    facts = tomllib.loads((ROOT / f"catalog/chips/{chip}.toml").read_text())
    value = lambda key: facts[key]["value"]
    dies = value("dies")
    key = RATES[rate] if RATES[rate] in facts else "bf16_tflops"
    return np.array([value(key) * 1e12, value("memory_tb_per_s") * 1e12, value("cores")]) / dies


def chips():
    return sorted(p.stem for p in (ROOT / "catalog/chips").glob("*.toml"))


REPORT_HEAD = f"{'table':<58}{'rows':>7}" + "".join(
    f"{word:>9}" for word in ("median", "mean", "p90", "bias")
)


def report_row(name, ratio):
    error = np.abs(ratio - 1)
    return (
        f"{name:<58}{len(ratio):>7}{np.median(error):>9.1%}{error.mean():>9.1%}"
        f"{np.quantile(error, 0.9):>9.1%}{np.median(ratio) - 1:>+9.1%}"
    )


@dataclass
class Table:
    """Measured products of one chip and kind; the columns of `shapes` are gemm_abi.cpp's."""

    chip: str
    kind: str
    source: str
    shapes: np.ndarray
    us: np.ndarray
    fixed: dict = field(default_factory=dict)  # constants that are known otherwise

    @property
    def name(self):
        return f"{self.chip}.{self.kind}"

    def drawn(self, rows):
        """Of the rows, those that a fit looks at: shapes and microseconds."""
        if len(rows) > FITTED_ROWS:
            seed = zlib.crc32(self.name.encode())
            rows = np.random.default_rng(seed).choice(rows, FITTED_ROWS, replace=False)
        return np.ascontiguousarray(self.shapes[rows]), self.us[rows]


def report(fitted, ratios):
    """Prints each table's errors; returns 1 if a median is over WORST_MEDIAN."""
    print(REPORT_HEAD)
    bad = 0
    for table, ratio in zip(fitted, ratios):
        print(report_row(f"{table.name}, {table.source}", ratio))
        bad += np.median(np.abs(ratio - 1)) > WORST_MEDIAN
    return 1 if bad else 0


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def toml_table(name, values):
    return f"[{name}]\n" + "".join(f"{k} = {toml_value(v)}\n" for k, v in values.items())
