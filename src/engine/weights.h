// ModelWeights: a checkpoint's weights packed for this machine, layer by layer, in the shapes that
// the forward pass multiplies. Nothing here knows an architecture by name: what differs between
// them is which parts are there.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "kernels/packed_matrix.h"
#include "model/architecture_config.h"
#include "model/weight_rows.h"

namespace weft {

// y = x W^T + bias. `bias` is empty or n values.
struct Linear {
  PackedMatrix matrix;
  std::vector<float> bias;
};

// Grouped-query attention. Rows of qkv: every query head, every key head, every value head.
struct GqaWeights {
  Linear qkv;                 // (heads + 2 kv_heads) head_dim x hidden
  Linear output;              // hidden x heads head_dim
  std::vector<float> q_norm;  // head_dim values, or empty
  std::vector<float> k_norm;
};

// Multi-head latent attention, absorbed: queries go to the latent space and results come back from
// it, one matrix a head.
struct MlaWeights {
  // With a query latent (q_lora > 0): rows q_lora, then kv_lora + rope; q_up makes the queries.
  // Without: rows heads (nope + rope), then kv_lora + rope.
  Linear down;
  std::vector<float> q_norm;  // q_lora values, or empty
  Linear q_up;                // heads (nope + rope) x q_lora; empty without a query latent
  std::vector<float> kv_norm;
  std::vector<PackedMatrix> k_up;  // a head: kv_lora x nope, transposed
  std::vector<PackedMatrix> v_up;  // a head: v x kv_lora
  Linear output;                   // hidden x heads v
};

// SwiGLU. Rows of gate_up lie as Epilogue::kSiluMul takes them, zeros after the last gate and up.
struct FfnWeights {
  Linear gate_up;  // 2 inner_width() x hidden
  Linear down;     // hidden x ffn

  // Floats of a row between the two products: ffn in whole panels.
  [[nodiscard]] int64_t inner_width() const { return gate_up.matrix.n() / 2; }
};

struct MoeWeights {
  PackedMatrix router;             // experts x hidden, F32
  std::vector<float> router_bias;  // experts values, or empty
  std::vector<FfnWeights> experts;
  std::optional<FfnWeights> shared;
};

struct LayerWeights {
  std::vector<float> attention_norm;
  std::variant<GqaWeights, MlaWeights> attention;
  std::vector<float> ffn_norm;
  std::variant<FfnWeights, MoeWeights> ffn;
};

// DeepSeek-V3, section 2.2: the module's input is a projection of the norms of the next token's
// embedding and of the hidden state, in this order; embedding and head are the model's.
struct MtpWeights {
  std::vector<float> embedding_norm;
  std::vector<float> hidden_norm;
  Linear projection;  // hidden x 2 hidden
  LayerWeights layer;
  std::vector<float> final_norm;
};

struct ModelWeights {
  std::vector<LayerWeights> layers;
  std::vector<MtpWeights> mtp;
  std::vector<float> final_norm;
  PackedMatrix head;                    // vocab x hidden
  std::optional<WeightRows> embedding;  // vocab rows, where the checkpoint has them
};

// Formats that a model runs in. Norms, routers and the latent attention's heads keep higher
// precision whatever `weights` is (F32; F32; BF16, or F32 with F32).
struct EngineFormat {
  WeightFormat weights = WeightFormat::kBf16;
  bool loads_mtp = false;  // the MTP module, where the checkpoint has one
};

}  // namespace weft
