// Constants of communication kernels: collectives (catalog/kernels/collectives.toml) and expert
// exchange (catalog/kernels/exchange.toml). Shares are of the link's rate on the wire, so that a
// chip without tables can stand on another one's; times are seconds (microseconds in the files).
#pragma once

#include <map>
#include <string>

#include "base/config.h"
#include "base/result.h"

namespace weft {

// What the fit has seen of one dimension; all 0: nothing.
struct FittedRange {
  double min = 0;
  double max = 0;

  [[nodiscard]] bool holds(double value) const { return value >= min && value <= max; }
};

// Two protocols of one ring algorithm, as NCCL has them: LL and LL128 start at once and carry flags
// with the data; Simple has fences and reaches the rate. `narrow`: with few peers a ring has fewer
// channels; the share reached is multiplied by (1 - narrow / dies).
struct RingConstants {
  double low_share = 0;
  double bulk_start = 0;  // seconds above the low protocol's
  double bulk_share = 0;
  double narrow = 0;
};

// Kernels that read or write their peers' buffers without a library: SGLang's and vLLM's custom
// all-reduce, TensorRT-LLM's. One-shot: each die reads all tensors; two-shot: reduces its part,
// then gathers.
struct PeerKernelConstants {
  double start = 0;
  double per_peer = 0;  // flags of one peer
  double one_shot_share = 0;
  double two_shot_start = 0;  // second barrier
  double two_shot_share = 0;  // 0: the software has no such kernel
  double limit_bytes = 0;     // larger tensors go to the library
};

struct CollectiveConstants {
  std::string like;  // the chip whose constants these are; empty: its own
  std::string grade;
  std::string source;
  FittedRange range_bytes;
  FittedRange range_dies;
  double start = 0;           // a library's kernel
  double step = 0;            // one step of a ring, inside a domain
  RingConstants gather;       // all-gather, reduce-scatter
  RingConstants reduce;       // all-reduce
  double switch_share = 0;    // all-reduce in the switch (NVLS); 0: none
  double switch_start = 0;    // seconds above the low protocol's
  int switch_dies = 0;        // smallest group that the library gives to the switch
  double pair_start = 0;      // grouped sends: all-to-all, send
  double pair_low_share = 0;  // low protocol, one peer
  double pair_bulk_start = 0;
  double pair_share = 0;      // many peers
  double send_low_share = 0;  // one large send: low protocol
  double send_bulk_start = 0;
  double send_share = 0;
  double out_start = 0;  // between domains, above the link's latency
  double out_share = 0;  // of the scale-out link
  PeerKernelConstants custom;
  PeerKernelConstants trtllm;
};

// One direction (dispatch or combine) of one software's expert exchange.
struct ExchangeKernelConstants {
  double start = 0;
  double per_expert = 0;        // flags and counts of one expert
  double per_doubling = 0;      // of the dies
  double out_start = 0;         // with more than one domain
  double out_per_doubling = 0;  // of the domains
  double share = 0;             // of the scale-up link
  double peer_share = 1;        // of the same, to one peer
  double out_share = 0;         // of the scale-out link
  // A core's work. Its rate is its own and not the link's: H100, H800 and B200 are near each other.
  double copy = 0;      // seconds per byte of the copies
  double row = 0;       // seconds per byte of a token's own row
  double token = 0;     // seconds per token
  double fill = 0;      // seconds per byte of a group's first row, which passes one core alone
  double out_copy = 0;  // as copy, of those to each domain, where a forwarder takes them
  double exposed = 0;   // what of the shorter of work and transfer is not hidden by the longer
};

enum class ExchangeSoftware {
  kDeepEpLowLatency,
  kDeepEpNormal,
  kTrtllmOneSided,
  kTrtllmTwoSided,
  kCloudMatrix,
};
inline constexpr int kExchangeSoftwares = 5;
const char* exchange_software_name(ExchangeSoftware software);

struct ExchangePair {
  ExchangeKernelConstants dispatch;
  ExchangeKernelConstants combine;
};

struct ExchangeConstants {
  std::string like;
  std::string grade;
  std::string source;
  FittedRange range_tokens;
  FittedRange range_dies;
  FittedRange range_experts;
  FittedRange range_hidden;
  double cores = 0;         // cores (SMs, AIVs) of a die
  double normal_cores = 0;  // that normal kernels take by default
  ExchangePair software[kExchangeSoftwares];

  [[nodiscard]] const ExchangePair& of(ExchangeSoftware kind) const {
    return software[static_cast<int>(kind)];
  }
  [[nodiscard]] bool has(ExchangeSoftware kind) const { return of(kind).dispatch.share > 0; }
  // The wanted one, else the first that the chip has constants of.
  [[nodiscard]] ExchangeSoftware nearest(ExchangeSoftware wanted) const;
};

// By chip name. A chip that says `like` has the other's constants, and may replace some tables.
Result<std::map<std::string, CollectiveConstants>> read_collective_constants(ConfigFile& file);
Result<std::map<std::string, ExchangeConstants>> read_exchange_constants(ConfigFile& file);

}  // namespace weft
