"""The communication tables as arrays: who measured what, on which chip, with which software."""

import dataclasses

import numpy
import pandas

GENERATIONS = {"h100": ("h100", "h200", "h100-old"), "b200": ("b200", "b300", "gb200", "gb300")}
OPERATIONS = {"all_reduce": 0, "all_gather": 1, "reduce_scatter": 2, "alltoall": 3, "sendrecv": 4}
SYSTEMS = {
    "h100": "h100_sxm",
    "h200": "h200_sxm",
    "b200": "b200_sxm",
    "b300": "b300_sxm",
    "gb200": "gb200",
    "gb300": "gb300",
}
# Ranks of one node, as the tables of a server or of a tray were measured.
RANKS = {"gb200": 4, "gb300": 4}
EXCHANGE_OWN = {"h200": "h100", "b300": "b200", "gb300": "gb200"}
SOFTWARE = {
    "deepep_low_latency": 0,
    "deepep_normal": 1,
    "trtllm_one_sided": 2,
    "trtllm_two_sided": 3,
    "cloudmatrix": 4,
}


def link_of(chip, node=8):
    """{wire, out, near us, far us, out us, packages of a node, of a domain, dies}, per die."""
    if chip == "ascend-910c":
        return [196e9, 25e9, 1.2, 1.9, 6, 8, 384, 2]
    wire = {"h100": 450e9, "h200": 450e9, "h800": 200e9}.get(chip.split("-old")[0], 900e9)
    return [wire, 50e9, 1, 1, 5, node, node, 1]


@dataclasses.dataclass
class Table:
    """Rows of one file; `frame` holds the shape in the order of the C entry point."""

    chip: str
    name: str
    kind: str
    frame: pandas.DataFrame
    seconds: numpy.ndarray
    link: list
    key: tuple = ()
    cores: tuple = (132, 20)
    is_fitted: bool = True
    is_out: bool = False

    @property
    def is_exchange(self):
        """Expert exchange, not a collective."""
        return bool(self.key)

    @property
    def own(self):
        """The chip that the generation's constants are filed under."""
        return next(own for own, chips in GENERATIONS.items() if self.chip in chips)


def collective(chip, name, kind, frame, link=None, is_fitted=True):
    """Columns operation, dies, bytes, seconds."""
    frame = frame.reset_index(drop=True)
    return Table(
        chip,
        name,
        kind,
        frame,
        frame.seconds.to_numpy(),
        link or link_of(chip),
        is_fitted=is_fitted,
    )


def nccl_tables(folder, chip):
    """message_size counts elements of the whole tensor."""
    rows = pandas.read_csv(folder / f"{SYSTEMS[chip]}__comm__nccl__2.29.2__nccl_perf.csv.gz")
    frame = pandas.DataFrame(
        {
            "operation": rows.op_name.map(OPERATIONS),
            "dies": rows.num_gpus,
            "bytes": rows.message_size * rows.nccl_dtype.map({"half": 2, "int8": 1}),
            "seconds": rows.latency * 1e-3,
        }
    )
    for operation, code in OPERATIONS.items():
        part = frame[frame.operation == code]
        if len(part):
            kind = "pair" if operation == "alltoall" else "ring"
            yield collective(chip, f"nccl 2.29 {operation}", kind, part)


def custom_tables(folder, chip):
    """SGLang's in CUDA graphs, TensorRT-LLM's two versions. Eager runs measure the host."""
    for engine, version, code in (
        ("sglang", "0.5.14", 5),
        ("trtllm", "1.3.0rc10", 6),
        ("trtllm", "1.3.0rc20", 6),
    ):
        file = f"{SYSTEMS[chip]}__comm__{engine}__{version}__custom_allreduce_perf.csv.gz"
        rows = pandas.read_csv(folder / file)
        if engine == "sglang":
            rows = rows[rows.backend == "sglang_graph"]
        frame = pandas.DataFrame(
            {
                "operation": code,
                "dies": rows.num_gpus,
                "bytes": rows.message_size * 2,
                "seconds": rows.latency * 1e-3,
            }
        )
        kind = "custom" if engine == "sglang" else "trtllm"
        yield collective(chip, f"{engine} {version} all_reduce", kind, frame)


def apex_tables(folder):
    """Times in whole microseconds of an older library: a check, but for send."""
    for chip, name in (("h100", "H100-SXM-80GB"), ("h200", "H200-SXM-141GB")):
        for operation, code in OPERATIONS.items():
            rows = pandas.read_csv(folder / name / f"{operation}.csv")
            frame = pandas.DataFrame(
                {
                    "operation": code,
                    "dies": rows["num_gpus_per_node"],
                    "bytes": rows["size(kb)"] * 1024,
                    "seconds": rows["time(us)"] * 1e-6,
                }
            )
            is_send = operation == "sendrecv"
            kind = "send" if is_send else "check"
            yield collective(chip, f"apex {operation}", kind, frame, is_fitted=is_send)


def frontier_tables(folder):
    """H100 DGX in eager PyTorch: the larger sizes, where the host is not what is measured."""
    for operation, code in (("all_reduce", 0), ("send_recv", 4)):
        rows = pandas.read_csv(folder / f"network_h100_dgx__{operation}.csv.gz")
        rows = rows[rows["size"] >= 4 << 20].iloc[::5]
        frame = pandas.DataFrame(
            {
                "operation": code,
                "dies": rows.num_workers,
                "bytes": rows["size"],
                "seconds": rows[f"time_stats.{operation}.median"] * 1e-3,
            }
        )
        is_out = rows.devices_per_node == 1
        inside = frame[~is_out]
        yield collective("h100", f"frontier {operation} in node", "check", inside, is_fitted=False)
        if is_out.any():
            outside = frame[is_out]
            yield collective(
                "h100", f"frontier {operation} across", "out", outside, link_of("h100", node=1)
            )


def collectives(kernels):
    """All tables of collectives."""
    folder = kernels / "aiconfigurator"
    out = []
    for chip in SYSTEMS:
        out += nccl_tables(folder, chip)
        out += custom_tables(folder, chip)
    out += apex_tables(kernels / "apex_comm")
    out += frontier_tables(kernels / "frontier")
    return out


SHAPE = ("software", "dies", "experts", "copies", "even", "limit", "cores", "out_only")


def exchange_table(chip, software, direction, name, columns, is_out=False, link=None):
    """`columns`: of SHAPE, and row, tokens, seconds; those left out are 0."""
    filled = {"even": 0, "limit": 1e9, "cores": 0, "out_only": 0, **columns}
    filled["software"] = SOFTWARE[software]
    frame = pandas.DataFrame(filled).reset_index(drop=True)
    own = EXCHANGE_OWN.get(chip, chip)
    return Table(
        chip,
        f"{name} {direction}",
        software,
        frame,
        frame.seconds.to_numpy(),
        link or link_of(chip, RANKS.get(chip, 8)),
        (own, software, direction),
        CORES[own],
        True,
        is_out,
    )


CORES = {
    "h100": (132, 20),
    "h800": (132, 20),
    "b200": (148, 24),
    "gb200": (148, 24),
    "ascend-910c": (48, 48),
}
# Hidden sizes of the tables.
HIDDEN = {
    "h100": (2048, 7168),
    "h800": (7168, 7168),
    "b200": (2048, 7168),
    "gb200": (2048, 7168),
    "ascend-910c": (7168, 7168),
}


def deepep_tables(folder, chip, version):
    """Inside one node, and of the older version across 2 to 8 nodes of H100."""
    for software, short in (("deepep_low_latency", "ll"), ("deepep_normal", "normal")):
        file = f"{SYSTEMS[chip]}__comm__sglang__{version}__wideep_deepep_{short}_perf.csv.gz"
        every = pandas.read_csv(folder / file)
        for nodes in sorted(every.node_num.unique()):
            # Normal kernels over 8 nodes reached 22 of 50 GB/s there at any number of SMs, where
            # the low-latency ones reached 48: that cluster's congestion, not the kernel.
            if short == "normal" and nodes > 4:
                continue
            rows = every[every.node_num == nodes]
            for direction in ("dispatch", "combine"):
                yield deepep_table(chip, software, direction, rows, nodes, version)


def deepep_table(chip, software, direction, rows, nodes, version):
    """Dispatch in FP8 with a scale per 128 values, combine in BF16."""
    is_normal = software == "deepep_normal"
    row = 2 * rows.hidden_size
    if direction == "dispatch":
        row = rows.hidden_size * (1 + 4 / 128) + (0 if is_normal else 16)
    if is_normal:
        time = rows[f"{direction}_transmit_us"] + rows[f"{direction}_notify_us"]
    else:
        time = rows[f"{direction}_avg_t_us"]
    columns = {
        "dies": nodes * RANKS.get(chip, 8),
        "experts": rows.num_experts,
        "copies": rows.num_topk,
        "cores": rows[f"{direction}_sms"] if is_normal else 0,
        "row": row,
        "tokens": rows.num_token,
        "seconds": time * 1e-6,
    }
    name = f"{software} sglang {version} x{nodes}"
    return exchange_table(chip, software, direction, name, columns, nodes > 1)


def trtllm_tables(folder):
    """NVLink all-to-all of TensorRT-LLM; two-sided dispatch with its prepare step."""
    file = "gb200__comm__trtllm__1.3.0rc10__trtllm_alltoall_perf.csv.gz"
    rows = pandas.read_csv(folder / file)
    width = rows.moe_dtype.map({"bfloat16": 2, "fp8": 1, "nvfp4": 0.5 + 1 / 16})
    rows = rows.assign(row=rows.hidden_size * width)
    case = ["moe_dtype", "moe_ep_size", "num_tokens"]
    prepare = rows[rows.op_name == "alltoall_prepare"].set_index(case).latency.to_dict()
    is_second = (rows.kernel_source == "NVLinkTwoSided") & (rows.op_name == "alltoall_dispatch")
    before = numpy.array([prepare.get(key, 0) for key in zip(*(rows[name] for name in case))])
    rows = rows.assign(latency=rows.latency + is_second * before)
    for source, software in (
        ("NVLinkOneSided", "trtllm_one_sided"),
        ("NVLinkTwoSided", "trtllm_two_sided"),
    ):
        for direction in ("dispatch", "combine"):
            is_this = (rows.kernel_source == source) & (rows.op_name == f"alltoall_{direction}")
            part = rows[is_this]
            columns = {
                "dies": part.moe_ep_size,
                "experts": part.num_experts,
                "copies": part.topk,
                "even": 1,
                "row": part.row if direction == "dispatch" else 2 * part.hidden_size,
                "tokens": part.num_tokens,
                "seconds": part.latency * 1e-3,
            }
            link = link_of("gb200", 72)
            yield exchange_table("gb200", software, direction, software, columns, link=link)


# Microseconds over 8, 16, ... 256 ranks of 128 tokens; DeepEP on H800 before and after it used
# NVLink (CM Table 7; DeepEP docs/legacy.md), CloudMatrix384 (CM Table 7).
PUBLISHED = {
    ("h800", "CM Table 7, RDMA only", "dispatch"): [163, 173, 182, 186, 192, 194],
    ("h800", "CM Table 7, RDMA only", "combine"): [318, 329, 350, 353, 369, 360],
    ("h800", "DeepEP README", "dispatch"): [77, 118, 155, 173, 192, 194],
    ("h800", "DeepEP README", "combine"): [114, 195, 273, 314, 369, 360],
    ("ascend-910c", "CM Table 7", "dispatch"): [116, 131, 133, 141, 152, 152],
    ("ascend-910c", "CM Table 7", "combine"): [118, 132, 146, 150, 150, 149],
}


def published_tables():
    """A row of INT8 takes 7.5 KiB and goes to the shared expert too (CM section 4.2.1)."""
    for (chip, name, direction), microseconds in PUBLISHED.items():
        is_ascend = chip == "ascend-910c"
        software = "cloudmatrix" if is_ascend else "deepep_low_latency"
        dispatch = 7680 if is_ascend else 7168 * (1 + 4 / 128) + 16
        columns = {
            "dies": [8, 16, 32, 64, 128, 256],
            "experts": 256,
            "copies": 9 if is_ascend else 8,
            "out_only": int("RDMA only" in name),
            "row": dispatch if direction == "dispatch" else 14336,
            "tokens": 128,
            "seconds": numpy.array(microseconds) * 1e-6,
        }
        yield exchange_table(chip, software, direction, name, columns)


# GB/s of normal kernels on H800 with 24 SMs and 4,096 tokens, groups limited to 4 nodes: of all
# copies over NVLink inside a node, else of those to each node over RDMA (DeepEP docs/legacy.md).
NORMAL_H800 = {"dispatch": (153, 43, 58, 51), "combine": (158, 43, 57, 50)}


def normal_h800_tables():
    """A check of what H100's constants say of another link."""
    for direction, rates in NORMAL_H800.items():
        row = 7168 * (1 + 4 / 128) if direction == "dispatch" else 14336
        for dies, rate in zip((8, 16, 32, 64), rates):
            targets = dies if dies == 8 else dies // 8
            copies = min(targets * (1 - (1 - 1 / targets) ** 8), 4 if dies > 8 else 8)
            columns = {
                "dies": [dies],
                "experts": 256,
                "copies": 8,
                "limit": 4,
                "cores": 24,
                "row": row,
                "tokens": 4096,
                "seconds": 4096 * copies * row / (rate * 1e9),
            }
            table = exchange_table(
                "h800", "deepep_normal", direction, f"DeepEP README x{dies // 8} normal", columns
            )
            table.key = ("h100", *table.key[1:])
            table.is_fitted = False
            yield table


def exchange(kernels):
    """All tables of expert exchange."""
    folder = kernels / "aiconfigurator"
    out = []
    for chip in SYSTEMS:
        out += deepep_tables(folder, chip, "0.5.12")
    out += [t for t in deepep_tables(folder, "h100", "0.5.6.post2") if t.is_out]
    out += trtllm_tables(folder)
    out += published_tables()
    out += normal_h800_tables()
    return out
