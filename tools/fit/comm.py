#!/usr/bin/env python3
"""Fits the constants of collectives and expert exchange.

Usage: comm.py --measurements FOLDER [--check]

Writes catalog/kernels/collectives.toml and exchange.toml; with --check it only prints the errors of
what is there, and exits with 1 when a median is above 10 %.
"""

import argparse
import pathlib
import sys
import tomllib

import comm_data
import comm_files
import comm_model
import numpy

import tables


def fit_collectives(data):
    """Constants of each generation: the library's from its tables, then the kernels beside it."""
    out = {}
    for own, chips in comm_data.GENERATIONS.items():
        model = comm_model.Collectives()
        mine = [table for table in data if table.chip in chips]
        model.fit([t for t in mine if t.kind == "ring"], comm_model.RING)
        model.fit([t for t in mine if t.kind == "pair"], comm_model.PAIR)
        model.fit([t for t in mine if t.kind == "send"], comm_model.SEND)
        model.fit([t for t in mine if t.kind == "out"], comm_model.OUT)
        model.fit([t for t in mine if t.kind == "custom"], comm_model.peer("custom"))
        model.fit([t for t in mine if t.kind == "trtllm"], comm_model.peer("trtllm"))
        out[own] = model
    out["b200"].take(out["h100"], comm_model.TAKEN)
    return out


def fit_exchange(data):
    """Constants by chip, software and direction. Between nodes: with what is inside held fixed."""
    out = {}
    data = [table for table in data if table.is_fitted]
    for key in sorted({table.key for table in data}):
        model = comm_model.Exchange()
        mine = [table for table in data if table.key == key]
        base = comm_model.BASE.get((key[0], key[1]))
        if base is not None:
            model.values = out[(base, *key[1:])].values.copy()
        inside = [table for table in mine if not table.is_out]
        if inside:
            model.fit(inside, comm_model.free(key, is_out=False))
        outside = [table for table in mine if table.is_out]
        if outside:
            model.fit(outside, comm_model.free(key, is_out=True))
        out[key] = model
    for (chip, software, direction), model in out.items():
        if chip in ("b200", "gb200") and software.startswith("deepep"):
            model.take(
                out[("h100", software, direction)],
                comm_model.OUT_NAMES,
            )
    return out


def report(collectives, exchange, data):
    """Chip, name and predicted over measured of every table; "(check)": other software, only shown."""
    rows = []
    for table in data:
        model = exchange[table.key] if table.is_exchange else collectives[table.own]
        name = table.name if table.is_fitted else table.name + " (check)"
        rows.append((table.chip, name, model.predict(table) / numpy.asarray(table.seconds)))
    return rows


def main():
    """Fits or checks, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measurements", type=pathlib.Path, required=True)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    kernels = arguments.measurements / "kernels"
    collective_data = comm_data.collectives(kernels)
    exchange_data = comm_data.exchange(kernels)
    folder = tables.ROOT / "catalog" / "kernels"
    if not arguments.check:
        numpy.random.seed(1)
        collectives = fit_collectives(collective_data)
        exchange = fit_exchange(exchange_data)
        rows = report(collectives, exchange, collective_data + exchange_data)
        comm_files.write(folder, collectives, exchange, rows, collective_data, exchange_data)
    collectives = comm_model.load_collectives(
        tomllib.loads((folder / "collectives.toml").read_text())
    )
    exchange = comm_model.load_exchange(tomllib.loads((folder / "exchange.toml").read_text()))
    rows = report(collectives, exchange, collective_data + exchange_data)
    print(tables.REPORT_HEAD)
    for chip, name, ratio in rows:
        print(tables.report_row(f"{chip}, {name}"[:57], ratio))
    medians = [numpy.median(numpy.abs(r - 1)) for _, name, r in rows if "(check)" not in name]
    return 1 if max(medians) > tables.WORST_MEDIAN else 0


if __name__ == "__main__":
    sys.exit(main())
