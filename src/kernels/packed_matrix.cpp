// Conversion of weights, a panel at a time: 32 rows of W are read as floats, each is converted, and
// its pieces are put where the kernels read them. And the file header around the result.
#include "kernels/packed_matrix.h"

#include <fmt/format.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/block_kernels.h"

namespace weft {
namespace {

constexpr int64_t kHeaderBytes = 64;
constexpr int64_t kColumns = PackedMatrix::kPanelColumns;
constexpr uint32_t kLayoutVersion = 1;
constexpr char kMagic[8] = {'w', 'e', 'f', 't', 'p', 'a', 'c', 'k'};
static_assert(std::endian::native == std::endian::little);

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t format;
  int64_t n;
  int64_t k;
};

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

bool is_integer(WeightFormat format) {
  return format == WeightFormat::kInt8 || format == WeightFormat::kInt4;
}

// k of a step, or of a chunk for INT4, and its bytes in a panel.
int64_t step_k(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return 16;
    case WeightFormat::kBf16:
      return 32;
    case WeightFormat::kInt8:
      return 64;
    case WeightFormat::kInt4:
      return kInt4Chunk;
  }
  return 0;
}

int64_t step_bytes(WeightFormat format) {
  return format == WeightFormat::kInt4 ? kInt4ChunkBytes : kPanelStepBytes;
}

size_t total_bytes(WeightFormat format, int64_t n, int64_t k) {
  const int64_t panels = (n + kColumns - 1) / kColumns;
  const int64_t per_column = is_integer(format) ? 8 : 0;
  return static_cast<size_t>(kHeaderBytes +
                             panels * (panel_bytes(format, k) + kColumns * per_column));
}

// Line `line` of a column's row of bytes goes to the column's four bytes in that line of the panel.
void place_column(const std::byte* row, int64_t steps, int64_t column, std::byte* panel) {
  std::byte* to = panel + column / 16 * 1024 + column % 16 * 4;
  for (int64_t step = 0; step < steps; ++step, to += kPanelStepBytes) {
    for (int64_t line = 0; line < 16; ++line, row += 4) std::memcpy(to + line * 64, row, 4);
  }
}

// Codes of two neighbouring lines share bytes: the first in the lower halves.
void place_int4_column(const uint8_t* codes, const uint8_t* scales, int64_t chunks, int64_t column,
                       std::byte* panel) {
  for (int64_t chunk = 0; chunk < chunks; ++chunk, panel += kInt4ChunkBytes, scales += 4) {
    for (int64_t group = 0; group < 4; ++group) {
      panel[group * 32 + column] = static_cast<std::byte>(scales[group]);
    }
    for (int64_t step = 0; step < 2; ++step) {
      std::byte* to = panel + 128 + (step * 2 + column / 16) * 512 + column % 16 * 4;
      for (int64_t pair = 0; pair < 8; ++pair, codes += 8) {
        uint32_t low = 0, high = 0;
        std::memcpy(&low, codes, 4);
        std::memcpy(&high, codes + 4, 4);
        const uint32_t both = low | high << 4;
        std::memcpy(to + pair * 64, &both, 4);
      }
    }
  }
}

struct Int4Row {
  std::vector<uint8_t> codes, scales;

  // Integers' sum, each value times its group's scale.
  [[nodiscard]] int32_t sum() const {
    int32_t total = 0;
    for (size_t group = 0; group < scales.size(); ++group) {
      int32_t of_group = 0;
      for (size_t i = 0; i < 32; ++i) of_group += codes[group * 32 + i] - 8;
      total += of_group * scales[group];
    }
    return total;
  }
};

}  // namespace

std::string_view format_name(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return "f32";
    case WeightFormat::kBf16:
      return "bf16";
    case WeightFormat::kInt8:
      return "int8";
    case WeightFormat::kInt4:
      return "int4";
  }
  return "unknown";
}

int64_t panel_bytes(WeightFormat format, int64_t k) {
  return round_up(k, step_k(format)) / step_k(format) * step_bytes(format);
}

PackedMatrix::PackedMatrix(WeightFormat format, int64_t n, int64_t k)
    : format_(format),
      n_(n),
      k_(k),
      panel_bytes_(weft::panel_bytes(format, k)),
      memory_(total_bytes(format, n, k)) {
  Header header = {{}, kLayoutVersion, static_cast<uint32_t>(format), n, k};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  std::memcpy(memory_.data(), &header, sizeof(header));
}

const std::byte* PackedMatrix::panel(int64_t index) const {
  return memory_.data() + kHeaderBytes + index * panel_bytes_;
}

const float* PackedMatrix::scales(int64_t panel) const {
  const std::byte* all = memory_.data() + kHeaderBytes + panels() * panel_bytes_;
  return reinterpret_cast<const float*>(all) + panel * kColumns;
}

const int32_t* PackedMatrix::offsets(int64_t panel) const {
  return reinterpret_cast<const int32_t*>(scales(panels())) + panel * kColumns;
}

// `rows`: the panel's rows, each padded with zeros to whole steps.
void PackedMatrix::pack_panel(Isa isa, int64_t index, float* rows) {
  const RowKernels& kernels = row_kernels(isa);
  const int64_t padded = round_up(k_, step_k(format_));
  const int64_t steps = padded / step_k(format_);
  std::byte* to = memory_.data() + (panel(index) - memory_.data());
  float* scale_of = const_cast<float*>(scales(index));
  int32_t* offset_of = const_cast<int32_t*>(offsets(index));
  std::vector<std::byte> bytes(static_cast<size_t>(steps * 64));
  Int4Row int4;
  int4.codes.resize(static_cast<size_t>(padded));
  int4.scales.resize(static_cast<size_t>(padded / 32));
  for (int64_t column = 0; column < std::min(kColumns, n_ - index * kColumns); ++column) {
    const float* row = rows + column * padded;
    const float largest = kernels.largest(row, k_);
    if (!std::isfinite(largest)) std::atomic_ref(finite_).store(false, std::memory_order_relaxed);
    const bool zero = !(largest > 1e-30F);
    if (format_ == WeightFormat::kF32) {
      place_column(reinterpret_cast<const std::byte*>(row), steps, column, to);
    } else if (format_ == WeightFormat::kBf16) {
      kernels.to_bf16(row, k_, bytes.data(), 64);
      place_column(bytes.data(), steps, column, to);
    } else if (format_ == WeightFormat::kInt8) {
      scale_of[column] = zero ? 0 : largest / 127;
      kernels.to_int8(row, k_, zero ? 0 : 127 / largest, 0, bytes.data(), 64);
      place_column(bytes.data(), steps, column, to);
      int32_t sum = 0;
      for (std::byte value : bytes) sum += static_cast<int8_t>(value);
      offset_of[column] = static_cast<int32_t>(static_cast<uint32_t>(sum) * uint32_t(-128));
    } else {
      scale_of[column] = zero ? 0 : largest / 105;
      kernels.to_int4(row, padded / 32, scale_of[column], int4.codes.data(), int4.scales.data());
      place_int4_column(int4.codes.data(), int4.scales.data(), steps, column, to);
      offset_of[column] = static_cast<int32_t>(static_cast<uint32_t>(int4.sum()) * uint32_t(-128));
    }
  }
}

void PackedMatrix::read_row(int64_t index, float* out) const {
  CHECK(index >= 0 && index < n_);
  const int64_t column = index % kColumns;
  const std::byte* from = panel(index / kColumns) + column / 16 * 1024 + column % 16 * 4;
  std::byte expanded[2 * kPanelStepBytes];
  for (int64_t p = 0; p < k_; ++p) {
    // Bytes of this k in the column's row of bytes: four to a line, 16 lines to a step.
    const int64_t size = format_ == WeightFormat::kF32 ? 4 : format_ == WeightFormat::kBf16 ? 2 : 1;
    int64_t at = p * size;
    const std::byte* tiles = from;
    if (format_ == WeightFormat::kInt4) {
      if (p % kInt4Chunk == 0) {
        const std::byte* chunk = panel(index / kColumns) + p / kInt4Chunk * kInt4ChunkBytes;
        block_kernels(Isa::kPortable).expand_int4(chunk, 1, expanded);
      }
      tiles = expanded + (from - panel(index / kColumns));
      at = p % kInt4Chunk;
    }
    const std::byte* value = tiles + at / 64 * kPanelStepBytes + at % 64 / 4 * 64 + at % 4;
    if (format_ == WeightFormat::kF32) {
      std::memcpy(out + p, value, 4);
    } else if (format_ == WeightFormat::kBf16) {
      uint16_t half = 0;
      std::memcpy(&half, value, 2);
      out[p] = std::bit_cast<float>(uint32_t{half} << 16);
    } else {
      out[p] = scales(index / kColumns)[column] * static_cast<float>(static_cast<int8_t>(*value));
    }
  }
}

PackedMatrix PackedMatrix::pack(WeightFormat format, Isa isa, int64_t n, int64_t k,
                                const RowReader& read, Workers& workers) {
  CHECK(n > 0 && n < int64_t{1} << 31 && k > 0 && k <= kLargestK);
  PackedMatrix matrix(format, n, k);
  const int64_t padded = round_up(k, step_k(format));
  workers.run([&](int thread) {
    std::vector<float> read_rows(static_cast<size_t>(kColumns * k));
    std::vector<float> rows(static_cast<size_t>(kColumns * padded));
    const Range range = split(matrix.panels(), 1, thread, workers.threads());
    for (int64_t index = range.begin; index < range.end; ++index) {
      const int64_t count = std::min(kColumns, n - index * kColumns);
      read(index * kColumns, count, padded == k ? rows.data() : read_rows.data());
      for (int64_t row = 0; row < count && padded != k; ++row) {
        std::memcpy(rows.data() + row * padded, read_rows.data() + row * k,
                    static_cast<size_t>(k) * sizeof(float));
      }
      matrix.pack_panel(isa, index, rows.data());
    }
  });
  return matrix;
}

Result<PackedMatrix> PackedMatrix::from_bytes(std::span<const std::byte> bytes) {
  Header header = {};
  if (bytes.size() < kHeaderBytes) {
    return bad_input(fmt::format("packed matrix: {} bytes, expected a header of {}", bytes.size(),
                                 kHeaderBytes));
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return bad_input("packed matrix: does not begin with \"weftpack\"");
  }
  if (header.version != kLayoutVersion) {
    return bad_input(fmt::format("packed matrix: layout version {}, expected {}", header.version,
                                 kLayoutVersion));
  }
  if (header.format > static_cast<uint32_t>(WeightFormat::kInt4)) {
    return bad_input(fmt::format("packed matrix: format {}, expected 0 to 3", header.format));
  }
  if (header.n <= 0 || header.n >= int64_t{1} << 31 || header.k <= 0 || header.k > kLargestK) {
    return bad_input(fmt::format("packed matrix: {} x {}, expected 1 to 2^31 - 1 by 1 to {}",
                                 header.n, header.k, kLargestK));
  }
  const auto format = static_cast<WeightFormat>(header.format);
  const size_t expected = total_bytes(format, header.n, header.k);
  if (bytes.size() != expected) {
    return bad_input(fmt::format("packed matrix: {} bytes, expected {} for {} x {} in {}",
                                 bytes.size(), expected, header.n, header.k, format_name(format)));
  }
  PackedMatrix matrix(format, header.n, header.k);
  std::memcpy(matrix.memory_.data() + kHeaderBytes, bytes.data() + kHeaderBytes,
              bytes.size() - kHeaderBytes);
  return matrix;
}

}  // namespace weft
