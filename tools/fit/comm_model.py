"""The C++ formulas with named constants, and which of them each fit may move."""

import comm_data
import numpy
from scipy.optimize import least_squares

import tables

LIBRARY = tables.library("comm_abi", "cost/collective_cost.cpp", "cost/exchange_cost.cpp")


def doubles(values):
    """A contiguous array of doubles, to hand to C."""
    return numpy.ascontiguousarray(values, dtype=numpy.float64)


def integers(values):
    """A contiguous array of ints, to hand to C."""
    return numpy.ascontiguousarray(values, dtype=numpy.int32)


RING_NAMES = ("low_share", "bulk_start_us", "bulk_share", "narrow")
PEER_NAMES = (
    "start_us",
    "per_peer_us",
    "one_shot_share",
    "two_shot_start_us",
    "two_shot_share",
    "limit_bytes",
)
LIBRARY_NAMES = (
    "start_us",
    "step_us",
    *(f"gather_{name}" for name in RING_NAMES),
    *(f"reduce_{name}" for name in RING_NAMES),
    "switch_share",
    "switch_start_us",
    "switch_dies",
    "pair_start_us",
    "pair_low_share",
    "pair_bulk_start_us",
    "pair_share",
    "send_low_share",
    "send_bulk_start_us",
    "send_share",
    "out_start_us",
    "out_share",
)
COLLECTIVE_NAMES = (
    *LIBRARY_NAMES,
    *(f"custom.{name}" for name in PEER_NAMES),
    *(f"trtllm.{name}" for name in PEER_NAMES),
)
EXCHANGE_NAMES = (
    "start_us",
    "per_expert_us",
    "per_doubling_us",
    "out_start_us",
    "out_per_doubling_us",
    "share",
    "peer_share",
    "out_share",
    "copy_us_per_kib",
    "row_us_per_kib",
    "token_us",
    "fill_us_per_kib",
    "out_copy_us_per_kib",
    "exposed",
)

# What a fit moves, between which bounds.
RING = {
    "start_us": (1, 15),
    "step_us": (0.1, 3),
    **{
        f"{kind}_{name}": bounds
        for kind in ("gather", "reduce")
        for name, bounds in zip(RING_NAMES, ((0.05, 0.6), (0, 60), (0.4, 0.95), (0, 0.9)))
    },
    "switch_share": (0.3, 0.95),
    "switch_start_us": (0, 150),
}
PAIR = {
    "pair_start_us": (1, 15),
    "pair_low_share": (0.001, 0.2),
    "pair_bulk_start_us": (0, 30),
    "pair_share": (0.4, 0.95),
}
SEND = {
    "send_low_share": (0.05, 0.95),
    "send_bulk_start_us": (0, 30),
    "send_share": (0.4, 0.95),
}
OUT = {"out_start_us": (2, 60), "out_share": (0.3, 0.98)}
# The software's own limits: SGLang's buffers hold 16 MiB, TensorRT-LLM's twice that.
LIMITS = {"custom": float(1 << 24), "trtllm": float(1 << 25)}


def peer(kind):
    """Peer kernels of one software."""
    bounds = ((1, 10), (0, 2), (0.2, 0.95), (0, 30), (0.2, 0.95))
    return {f"{kind}.{name}": bound for name, bound in zip(PEER_NAMES, bounds)}


# Whose constants a chip's own start from; the fit then moves only what differs.
BASE = {("h800", "deepep_low_latency"): "h100"}
# What only Hopper's tables hold.
TAKEN = ("send_low_share", "send_bulk_start", "send_share", "out_start", "out_share")
OUT_NAMES = ("out_start", "out_per_doubling", "out_share", "out_copy_us_per_kib")
OUT_FREE = {"out_start_us": (0, 60), "out_per_doubling_us": (0, 60), "out_share": (0.5, 0.98)}


def free(key, is_out):
    """What the fit of one chip, software and direction moves."""
    chip, software, direction = key
    if is_out and software == "deepep_normal":
        return {**OUT_FREE, "out_copy_us_per_kib": (0, 0.5)}
    if is_out:
        return OUT_FREE
    if chip == "h800":
        return {"share": (0.3, 0.8), **OUT_FREE}
    if software == "cloudmatrix":
        # Dispatch quantises and goes in rows of 7.5 KiB; combine writes at the rate of CM Table 1.
        # Six rows of 128 tokens do not tell a start from a rate. xDeepServe (arXiv 2508.02520, Fig. 6,
        # read off) has 20 to 30 us at 4 tokens over 128 dies: flags and barriers take no more.
        share = {"share": (0.2, 0.699)}
        return {"start_us": (3, 25), "per_doubling_us": (0, 3), **share}
    if software.startswith("trtllm"):
        return {
            "start_us": (3, 25),
            "per_doubling_us": (0, 5),
            "share": (0.2, 0.95),
            "peer_share": (0.1, 0.95),
            **({"token_us": (0, 0.1), "exposed": (0, 1)} if direction == "dispatch" else {}),
            **({"token_us": (0, 0.1)} if key[1:] == ("trtllm_two_sided", "combine") else {}),
        }
    cores = {"row_us_per_kib": (0, 2), "token_us": (0, 4), "exposed": (0, 1)}
    if software == "deepep_low_latency":
        return {"start_us": (1, 25), "per_expert_us": (0, 0.05), "share": (0.2, 0.95), **cores}
    fill = {"fill_us_per_kib": (0, 4), "copy_us_per_kib": (0.01, 0.3)}
    return {"start_us": (10, 60), "share": (0.2, 0.95), **cores, **fill}


def unit(name):
    """The catalog's unit of a constant, in seconds, seconds per byte or as it is."""
    if name.endswith("_us_per_kib"):
        return 1e-6 / 1024
    return 1e-6 if name.endswith("_us") else 1


class Model:
    """Named constants and least squares on log(predicted / measured)."""

    names = ()

    def __init__(self):
        self.values = numpy.zeros(len(self.names))
        self.fitted = []

    def set(self, name, value):
        """Sets one constant, in the catalog's unit."""
        self.values[self.names.index(name)] = value

    def take(self, other, names):
        """Copies constants of another model."""
        for name in names:
            self.set(name if name in self.names else name + "_us", other.get(name))

    def get(self, name):
        """One constant, in the catalog's unit."""
        name = name if name in self.names else name + "_us"
        return self.values[self.names.index(name)]

    def scaled(self):
        """In the formulas' unit: seconds."""
        scale = [unit(name) for name in self.names]
        return doubles(self.values * scale)

    def fit(self, tables, bounds, tries=6):
        """From several starts; tables above 20,000 rows do not occur."""
        if not tables:
            return
        places = [self.names.index(name) for name in bounds]
        low, high = (numpy.array(side, float) for side in zip(*bounds.values()))
        random = numpy.random.default_rng(1)

        def residuals(x):
            self.values[places] = x
            return numpy.concatenate([numpy.log(self.predict(t) / t.seconds) for t in tables])

        best = None
        for attempt in range(tries):
            share = 0.5 if attempt == 0 else random.uniform(0.1, 0.9, len(places))
            start = low + (high - low) * share
            result = least_squares(
                residuals,
                start,
                bounds=(low, high),
                x_scale=high - low,
                loss="soft_l1",
                f_scale=0.1,
                diff_step=1e-4,
            )
            if best is None or result.cost < best.cost:
                best = result
        self.values[places] = best.x


class Collectives(Model):
    """Collectives of one generation."""

    names = COLLECTIVE_NAMES

    def __init__(self):
        super().__init__()
        for name in self.names:
            if name.endswith("share"):
                self.set(name, 0.5)
        self.set("switch_dies", 8)
        for kind, limit in LIMITS.items():
            self.set(f"{kind}.limit_bytes", limit)

    def predict(self, table):
        """Seconds of each row."""
        frame = table.frame
        out = numpy.zeros(len(frame))
        arrays = [
            doubles(table.link),
            self.scaled(),
            integers(frame.operation),
            integers(frame.dies),
            doubles(frame.bytes),
        ]
        LIBRARY.weft_collective(*map(tables.pointer, arrays), len(frame), tables.pointer(out))
        return out


class Exchange(Model):
    """One chip's, software's and direction's expert exchange."""

    names = EXCHANGE_NAMES

    def __init__(self):
        super().__init__()
        self.set("share", 0.5)
        self.set("peer_share", 1)
        self.set("out_share", 0.9)

    def predict(self, table):
        """Seconds of each row."""
        frame = table.frame
        out = numpy.zeros(len(frame))
        arrays = [
            doubles(table.link),
            doubles(table.cores),
            self.scaled(),
            doubles(frame[list(comm_data.SHAPE)].to_numpy(float)),
            doubles(frame.row),
            doubles(frame.tokens),
        ]
        LIBRARY.weft_exchange(*map(tables.pointer, arrays), len(frame), tables.pointer(out))
        return out


def load_collectives(document):
    """Models of the chips with constants of their own."""
    out = {}
    for own in comm_data.GENERATIONS:
        model = Collectives()
        for name in LIBRARY_NAMES:
            model.set(name, document[own]["library"][name])
        for kind in ("custom", "trtllm"):
            for name in PEER_NAMES:
                model.set(f"{kind}.{name}", document[own][kind][name])
        out[own] = model
    return out


def load_exchange(document):
    """Models by chip, software and direction."""
    out = {}
    for chip, tables in document.items():
        base = document.get(tables.get("like"), {})
        for software in comm_data.SOFTWARE:
            for direction in ("dispatch", "combine"):
                table = f"{software}_{direction}"
                fields = {**base.get(table, {}), **tables.get(table, {})}
                if not fields:
                    continue
                model = Exchange()
                for name in EXCHANGE_NAMES:
                    model.set(name, fields[name])
                out[(chip, software, direction)] = model
    return out
