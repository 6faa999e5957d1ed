"""Writes catalog/kernels/collectives.toml and exchange.toml from fitted models."""

import comm_data
import comm_model
import numpy

COLLECTIVES_HEAD = """\
# Constants of collectives by chip; written by tools/fit/comm.py, used by
# src/cost/collective_cost.h. A chip's table: like = the chip whose constants it takes (its own
# tables replace some), grade (fitted, U: assumed), source, and the range of bytes and dies that the
# fit has seen.
# [CHIP.library]: NCCL and its like. Shares are of the link's rate on the wire, one way.
#   start_us            a kernel with nothing to send
#   step_us             one step of a ring inside a domain
#   gather_*, reduce_*  all-gather and reduce-scatter; all-reduce
#     low_share         reached by the low-latency protocols, which start at once
#     bulk_start_us     what the bulk protocol starts later
#     bulk_share        and reaches
#     narrow            shares times (1 - narrow / dies): rings over few peers have fewer channels
#   switch_*            all-reduce in the switch (NVLS): share, start over the low protocol's, and
#                       the smallest group it is used for; share 0: no such switch
#   pair_*              grouped sends (all-to-all): start, low protocol's share to one peer, bulk
#                       protocol's later start, share to many peers
#   send_*              one send: low protocol's share, bulk protocol's later start and share
#   out_*               between domains: start above the link's latency, share of the scale-out link
# [CHIP.custom] SGLang's and vLLM's, [CHIP.trtllm] TensorRT-LLM's own all-reduce:
#   start_us, per_peer_us        kernel and flags of one peer
#   one_shot_share               each die reads every tensor
#   two_shot_start_us, _share    reduce own part, then gather: second barrier, and share
#   limit_bytes                  larger tensors go to the library
"""

EXCHANGE_HEAD = """\
# Constants of expert exchange by chip; written by tools/fit/comm.py, used by
# src/cost/exchange_cost.h. A chip's table: like = the chip whose constants it takes (its own tables
# replace some), grade (fitted, U: assumed), source, ranges that the fit has seen, cores (SMs, AIVs)
# and those that normal kernels take. Shares are of the link's rate on the wire, one way.
# [CHIP.SOFTWARE_dispatch], [CHIP.SOFTWARE_combine]:
#   start_us            kernel, barriers
#   per_expert_us       flags and counts of one expert
#   per_doubling_us     with each doubling of the dies
#   out_start_us        with more than one domain, out_per_doubling_us: each doubling of the domains
#   share               of the scale-up link that transfers reach; peer_share: to one peer
#   out_share           of the scale-out link
#   copy_us_per_kib     one core's time for 1,024 bytes of copies; its rate is not the link's
#   row_us_per_kib      the same of a token's own row; token_us: of a token
#   fill_us_per_kib     of a group's first row, which passes one core alone
#   out_copy_us_per_kib of copies to each domain, where normal kernels forward them
#   exposed             what of the shorter of work and transfer the longer does not hide
"""

SAME_LINK = "no tables; same generation of link and library, another rate"
NO_SWITCH = {"library": {"switch_share": 0}}
UB = "no tables of its collectives; memory-semantic link, H100's shares and starts"
COLLECTIVE_LIKE = {
    "h200": ("h100", "fitted", "fitted together with h100", {}),
    "b300": ("b200", "fitted", "fitted together with b200", {}),
    "gb200": ("b200", "fitted", "fitted together with b200; tables of one tray of 4", {}),
    "gb300": ("b200", "fitted", "fitted together with b200; tables of one tray of 4", {}),
    "h800": ("h100", "U", SAME_LINK, {}),
    "h20": ("h100", "U", SAME_LINK, {}),
    "a100": ("h100", "U", "no tables; its switch does not reduce", NO_SWITCH),
    "mi300x": ("h100", "U", "no tables; full mesh without a switch", NO_SWITCH),
    "mi355x": ("h100", "U", "no tables; full mesh without a switch", NO_SWITCH),
    "rtx-4090": ("h100", "U", "no tables; PCIe", NO_SWITCH),
    "rtx-pro-6000": ("b200", "U", "no tables; PCIe", NO_SWITCH),
    **{
        f"ascend-{name}": ("h100", "U", UB, NO_SWITCH)
        for name in ("910b2", "910b3", "910b4", "910c", "950dt", "950pr", "960", "970")
    },
}
LIKE_910C = "no tables; FusedDispatch and FusedCombine as on CloudMatrix384"
EXCHANGE_LIKE = {
    "h200": ("h100", "fitted", "fitted together with h100", {}),
    "b300": ("b200", "fitted", "fitted together with b200", {}),
    "gb300": ("gb200", "fitted", "fitted together with gb200; TensorRT-LLM's as on gb200", {}),
    "h20": ("h100", "U", SAME_LINK, {"cores": 78}),
    "a100": ("h100", "U", "no tables; DeepEP as on H100", {"cores": 108}),
    "mi300x": ("h100", "U", "no tables; DeepEP's port as on H100", {"cores": 304}),
    "mi355x": ("h100", "U", "no tables; DeepEP's port as on H100", {"cores": 256}),
    "rtx-4090": ("h100", "U", "no tables; PCIe", {"cores": 128}),
    "rtx-pro-6000": ("b200", "U", "no tables; PCIe", {"cores": 188}),
    "ascend-910b2": ("ascend-910c", "U", LIKE_910C, {}),
    "ascend-910b3": ("ascend-910c", "U", LIKE_910C, {"cores": 40}),
    "ascend-910b4": ("ascend-910c", "U", LIKE_910C, {"cores": 40}),
    **{
        f"ascend-{name}": ("ascend-910c", "U", LIKE_910C, {})
        for name in ("950dt", "950pr", "960", "970")
    },
}


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


def source(rows, chips):
    """What a chip's constants stand on, and how well they do."""
    mine = [row for row in rows if row[0] in chips]
    count = sum(len(ratio) for _, _, ratio in mine)
    medians = sorted(100 * numpy.median(numpy.abs(ratio - 1)) for _, _, ratio in mine)
    middle = medians[len(medians) // 2]
    worst = medians[-1]
    return (
        f"fitted on {len(mine)} tables of {', '.join(sorted(chips))}, {count} rows; median error "
        f"of a table {middle:.1f} %, of the worst {worst:.1f} %"
    )


def span(tables, column):
    """Smallest and largest of a column."""
    values = [value for table in tables for value in table.frame[column]]
    return [min(values), max(values)]


def like_tables(likes):
    """Chips that stand on another's constants."""
    out = []
    for chip, (base, grade, reason, own) in sorted(likes.items()):
        scalars = {key: value for key, value in own.items() if not isinstance(value, dict)}
        fields = {"like": base, "grade": grade, "source": reason, **scalars}
        out.append(toml_table(chip, fields))
        out += [toml_table(f"{chip}.{k}", v) for k, v in own.items() if isinstance(v, dict)]
    return out


def collectives_text(models, rows, data):
    """The whole file."""
    out = [COLLECTIVES_HEAD]
    for own, model in models.items():
        chips = comm_data.GENERATIONS[own]
        tables = [table for table in data if table.chip in chips and table.is_fitted]
        mine = [row for row in rows if any(row[:2] == (t.chip, t.name) for t in tables)]
        fields = {
            "grade": "fitted",
            "source": source(mine, {table.chip for table in tables}),
            "range_bytes": span(tables, "bytes"),
            "range_dies": span(tables, "dies"),
        }
        out.append(toml_table(own, fields))
        library = {name: model.get(name) for name in comm_model.LIBRARY_NAMES}
        out.append(toml_table(f"{own}.library", library))
        for kind in ("custom", "trtllm"):
            kernel = {name: model.get(f"{kind}.{name}") for name in comm_model.PEER_NAMES}
            out.append(toml_table(f"{own}.{kind}", kernel))
    return "\n\n".join(out + like_tables(COLLECTIVE_LIKE)) + "\n"


def kernel_tables(chip, models, source_chip):
    """A chip's software."""
    return [
        toml_table(f"{chip}.{key[1]}_{key[2]}", dict(zip(model.names, model.values)))
        for key, model in models.items()
        if key[0] == source_chip
    ]


def exchange_text(models, rows, data):
    """The whole file."""
    out = [EXCHANGE_HEAD]
    for own, (cores, normal) in comm_data.CORES.items():
        tables = [table for table in data if table.key[0] == own and table.is_fitted]
        chips = {table.chip for table in tables}
        mine = [row for row in rows if any(row[:2] == (t.chip, t.name) for t in tables)]
        fields = {
            "grade": "fitted",
            "source": source(mine, chips),
            "range_tokens": span(tables, "tokens"),
            "range_dies": span(tables, "dies"),
            "range_experts": span(tables, "experts"),
            "range_hidden": comm_data.HIDDEN[own],
            "cores": cores,
            "normal_cores": normal,
        }
        if own == "h800":
            fields["like"] = "h100"
        out.append(toml_table(own, fields))
        out += kernel_tables(own, models, own)
        if own == "b200":
            trtllm = {key: model for key, model in models.items() if key[1].startswith("trtllm")}
            out += kernel_tables(own, trtllm, "gb200")
    return "\n\n".join(out + like_tables(EXCHANGE_LIKE)) + "\n"


def write(folder, collectives, exchange, rows, collective_data, exchange_data):
    """Both files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "collectives.toml").write_text(collectives_text(collectives, rows, collective_data))
    (folder / "exchange.toml").write_text(exchange_text(exchange, rows, exchange_data))
