// ModelShape: everything about a transformer that its speed and memory depend on, read from a
// Hugging Face config.json or from catalog/models. Sizes are in values, not bytes.
#pragma once

#include <string>
#include <vector>

#include "base/quantity.h"
#include "base/result.h"
#include "model/format.h"

namespace weft {

enum class AttentionKind {
  kGqa,         // grouped-query: one K and one V row of head_dim per KV head and token
  kMla,         // DeepSeek-V2 latent attention: one row of kv_lora + rope per token
  kCompressed,  // DeepSeek-V4: one shared KV row of head_dim per `compression` tokens, and a window
};

// Layers that attend alike. The groups' layers add up to ModelShape::layers.
struct AttentionGroup {
  int layers = 0;
  int window = 0;             // 0: the whole context; else at most this many last tokens
  int compression = 1;        // tokens per KV entry (V4: 4 or 128); 0: no entries but the window's
  int top_k = 0;              // 0: dense; else entries the indexer selects per query
  bool stores_kv = true;      // false: reads another layer's KV
  bool runs_indexer = false;  // computes index scores (V3.2: every layer; some models share them)
                              // and keeps an index key beside each KV entry

  bool operator==(const AttentionGroup&) const = default;
};

struct ModelShape {
  std::string name;
  std::string architecture;  // config.json "architectures"[0], or empty
  int hidden = 0;
  int layers = 0;  // without MTP layers
  int vocab = 0;
  int context = 0;  // longest sequence
  bool tied_embeddings = false;

  AttentionKind attention = AttentionKind::kGqa;
  int heads = 0;
  int kv_heads = 0;  // kGqa
  int head_dim = 0;  // kGqa, kCompressed: width of a Q/K row
  int q_lora = 0;    // kMla, kCompressed; 0: queries are projected directly
  int kv_lora = 0;   // kMla
  int nope_dim = 0;  // kMla
  int rope_dim = 0;  // kMla, kCompressed
  int v_dim = 0;     // kMla: width of a V row per head
  int o_lora = 0;    // kCompressed: rank of the grouped output projection
  int o_groups = 0;  // kCompressed
  bool qkv_bias = false;
  bool qk_norm = false;
  std::vector<AttentionGroup> attention_groups;
  int index_heads = 0;  // sparse indexer (V3.2, V4, GLM-5); 0: none
  int index_dim = 0;

  int dense_layers = 0;  // layers with a dense FFN
  int dense_ffn = 0;
  int experts = 0;  // routed experts per MoE layer; 0: a dense model
  int experts_per_token = 0;
  int expert_ffn = 0;
  int shared_experts = 0;           // each of expert_ffn width
  int expert_groups = 1;            // the router first picks groups of experts (V3: 8) ...
  int expert_groups_per_token = 1;  // ... then experts inside this many of them (V3: 4)
  int mtp_layers = 0;
  int residual_streams = 1;  // parallel residual streams (V4's hyper-connections: 4)

  Format native_weights = Format::kBf16;  // as published
  Format native_experts = Format::kBf16;

  [[nodiscard]] int moe_layers() const { return layers - dense_layers; }
  [[nodiscard]] bool is_moe() const { return experts > 0; }

  // Parameters, counted from the shape (without MTP layers unless said).
  // Weight matrices alone: norms, biases and sinks are below 0.1 %.
  [[nodiscard]] double attention_parameters(const AttentionGroup& group) const;  // one layer
  [[nodiscard]] double attention_parameters_per_layer() const;  // mean over layers, with indexer
  [[nodiscard]] double expert_parameters() const;               // one routed expert: 3 hidden ffn
  [[nodiscard]] double dense_ffn_parameters() const;            // one dense FFN layer
  [[nodiscard]] double router_parameters_per_layer() const;
  [[nodiscard]] double embedding_parameters() const;  // one vocab x hidden table
  [[nodiscard]] double total_parameters() const;
  [[nodiscard]] double active_parameters() const;  // used by one token; both embedding tables
  // All MTP modules: each is one more layer like the model's last and a 2 hidden x hidden
  // projection (DeepSeek-V3, section 2.2); embedding and head are shared with the model.
  [[nodiscard]] double mtp_parameters() const;

  // Bytes of one KV entry of one layer that stores KV, and of the index key beside it. `kv` as
  // below.
  [[nodiscard]] double kv_entry_bytes(Format kv) const;
  [[nodiscard]] double index_entry_bytes(Format kv) const;
  // Bytes of KV that one more token of context adds, all layers, with index keys. `kv` BF16: two
  // bytes a value. FP8 MLA rows are kv_lora FP8 + 4 FP32 scales + rope BF16 (FlashMLA's 656 B row)
  // and index rows index_dim FP8 + one FP32 scale; FP8 rows of V4 are 448 FP8 + 64 BF16 + 8 scales
  // (584 B). INT8 MLA rows have an INT8 kv_lora part and a BF16 rope part, without scales (640 B).
  [[nodiscard]] double kv_bytes_per_token(Format kv) const;
  // Bytes that a sequence holds whatever its length (windows of layers that keep only a window).
  [[nodiscard]] double kv_bytes_per_sequence(Format kv) const;
};

// Reads a Hugging Face config.json (text), as published. `name` is used in messages.
Result<ModelShape> shape_from_config_json(std::string_view json, const std::string& name);

}  // namespace weft
