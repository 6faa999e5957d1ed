"""Helpers of the communication fits: tables, the C++ formulas, reports and the catalog's files."""

import ctypes
import pathlib
import subprocess

import numpy
import pandas

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read_table(path):
    """A .csv or .csv.gz as a frame."""
    return pandas.read_csv(path)


def build(name, sources):
    """Compiles the formulas with their C entry points and loads them."""
    folder = ROOT / "build" / "fit"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"lib{name}.so"
    command = ["g++", "-O2", "-std=c++20", "-shared", "-fPIC", "-Isrc", *sources]
    subprocess.run([*command, "-o", str(library)], cwd=ROOT, check=True)
    return ctypes.CDLL(str(library))


def doubles(values):
    """A contiguous array of doubles, to hand to C."""
    return numpy.ascontiguousarray(values, dtype=numpy.float64)


def integers(values):
    """A contiguous array of ints, to hand to C."""
    return numpy.ascontiguousarray(values, dtype=numpy.int32)


def pointer(array):
    """The address of an array."""
    return array.ctypes.data_as(ctypes.c_void_p)


def errors_of(predicted, measured):
    """Median, mean and 90th percentile of the error's size, and its median with sign, in %."""
    error = 100 * (numpy.asarray(predicted) / numpy.asarray(measured) - 1)
    size = numpy.abs(error)
    return (
        float(numpy.median(size)),
        float(size.mean()),
        float(numpy.percentile(size, 90)),
        float(numpy.median(error)),
    )


def print_report(rows):
    """Prints (chip, table, count, errors) rows; returns how many medians are above 10 %.

    Tables named "(check)" were measured with other software, and only shown.
    """
    print(f"{'chip':14} {'table':54} {'rows':>6} {'median':>7} {'mean':>6} {'p90':>6} {'bias':>6}")
    for chip, table, count, errors in rows:
        figures = " ".join(f"{value:6.1f}" for value in errors)
        print(f"{chip:14} {table:54} {count:6}  {figures}")
    return sum(errors[0] > 10 for _, name, _, errors in rows if "(check)" not in name)


def toml_table(name, fields):
    """One table of a TOML file; numbers to four digits."""
    lines = [f"[{name}]"]
    for key, value in fields.items():
        if isinstance(value, str):
            lines.append(f'{key} = "{value}"')
        elif isinstance(value, (list, tuple)):
            lines.append(f"{key} = [{', '.join(f'{item:.10g}' for item in value)}]")
        else:
            value = 0 if abs(value) < 1e-6 else value
            lines.append(f"{key} = {value:.4g}" if value < 1e5 else f"{key} = {value:.10g}")
    return "\n".join(lines)
