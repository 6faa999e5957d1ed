// weft generate: one completion on the terminal, by the scheduler and engine that serve.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "apps/commands.h"
#include "apps/local_model.h"
#include "apps/output.h"
#include "model/template_value.h"
#include "real/cpu_cluster.h"
#include "real/wall_clock.h"

namespace weft {

namespace {

struct GenerateOptions {
  LocalModelOptions model;
  std::string prompt;
  std::string system;
  bool raw = false;
  bool ignores_end = false;
  int64_t max_tokens = 128;
  std::optional<double> temperature;
  std::optional<int32_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  uint64_t seed = 0;
};

TemplateValue message(const std::string& role, const std::string& content) {
  return TemplateValue::dict(
      {{"role", TemplateValue::text(role)}, {"content", TemplateValue::text(content)}});
}

// The prompt as the checkpoint's chat template has it; as it is with --raw or without a template.
Result<std::vector<int32_t>> prompt_tokens(const LocalModel& local,
                                           const GenerateOptions& options) {
  if (options.raw || !local.chat_template) {
    if (!options.system.empty()) {
      return bad_input("--system: found a text, expected none without a chat template");
    }
    return local.tokenizer.encode(options.prompt, true);
  }
  TemplateValue::List messages;
  if (!options.system.empty()) messages.push_back(message("system", options.system));
  messages.push_back(message("user", options.prompt));
  const auto special = [](const std::optional<std::string>& token) {
    return TemplateValue::text(token.value_or(""));
  };
  const auto context =
      TemplateValue::dict({{"messages", TemplateValue::list(std::move(messages))},
                           {"add_generation_prompt", TemplateValue::boolean(true)},
                           {"bos_token", special(local.tokenizer_config.bos_token)},
                           {"eos_token", special(local.tokenizer_config.eos_token)}});
  const auto text = local.chat_template->render(context);
  if (!text) return text.error();
  return local.tokenizer.encode(*text, false);
}

SamplingParams sampling_of(const LocalModel& local, const GenerateOptions& options) {
  SamplingParams out = local.default_sampling();
  out.temperature = options.temperature.value_or(out.temperature);
  out.top_k = options.top_k.value_or(out.top_k);
  out.top_p = options.top_p.value_or(out.top_p);
  out.min_p = options.min_p.value_or(out.min_p);
  out.repetition_penalty = options.repetition_penalty.value_or(out.repetition_penalty);
  out.seed = options.seed;
  return out;
}

// Prints tokens as they come, and remembers how it went.
class Printer {
 public:
  Printer(Loop& loop, const Tokenizer& tokenizer) : loop_(loop), text_(tokenizer, true) {}

  void hear(const TokenNews& news) {
    for (const int32_t token : news.sequence.output().last(static_cast<size_t>(news.tokens))) {
      fmt::print("{}", text_.add(token));
    }
    std::fflush(stdout);
    failed_ = failed_ || news.sequence.failed;
    if (news.record == nullptr) return;
    fmt::print("{}\n", text_.finish());
    std::fflush(stdout);
    record_ = *news.record;
    loop_.stop();
  }

  [[nodiscard]] const RequestRecord& record() const { return record_; }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  Loop& loop_;
  Detokenizer text_;
  RequestRecord record_;
  bool failed_ = false;
};

void print_figures(const LocalModel& local, const RequestRecord& record) {
  const double ttft = to_seconds(record.first_token - record.arrival);
  const double rest = to_seconds(record.last_token - record.first_token);
  fmt::print(stderr,
             "{} tokens in, {} out; loaded in {:.2f} s, first token after {:.0f} ms ({:.0f} "
             "tokens/s)",
             record.prompt, record.output, local.load_seconds, 1e3 * ttft,
             static_cast<double>(record.prompt) / ttft);
  if (record.output > 1) {
    fmt::print(stderr, ", then {:.1f} tokens/s", static_cast<double>(record.output - 1) / rest);
  }
  fmt::print(stderr, "\n");
}

Status generate(const GenerateOptions& options) {
  auto local = load_local_model(options.model);
  if (!local) return local.error();
  auto prompt = prompt_tokens(*local, options);
  if (!prompt) return prompt.error();
  if (prompt->empty()) return bad_input("--prompt: found no token, expected one at least");
  const ModelShape& shape = local->model.shape();
  const auto tokens = static_cast<int64_t>(prompt->size());
  if (tokens + options.max_tokens > shape.context) {
    return bad_input(fmt::format(
        "--prompt: found {} tokens, {} with --max-tokens; expected at most {}, the model's context",
        tokens, tokens + options.max_tokens, shape.context));
  }
  TokenSequence sequence;
  sequence.tokens = std::move(*prompt);
  sequence.max_output = options.max_tokens;
  sequence.sampling = sampling_of(*local, options);
  if (!options.ignores_end) sequence.stop_tokens = local->stop_tokens();
  if (auto fits = check_sampling(sequence.sampling, shape.vocab); !fits) return fits;

  CpuClusterConfig config;
  config.instance = local->instance_config();
  config.instance.max_tokens = std::min<int64_t>(tokens, 512);
  config.instance.max_sequences = 1;
  config.instance.blocks = ceil_div(tokens + options.max_tokens + 1 + config.instance.draft_tokens,
                                    config.instance.block_tokens) +
                           1;
  WallClock clock;
  Loop loop(clock);
  Printer printer(loop, local->tokenizer);
  CpuCluster cluster(loop, local->model, config,
                     Callback<const TokenNews&>::to<&Printer::hear>(&printer));
  cluster.submit(std::move(sequence), 1);
  loop.run(true);
  if (printer.failed()) {
    return Error{ErrorCode::kInternal, options.model.directory + ": the model gave no number"};
  }
  if (printer.record().end != RequestEnd::kCompleted) {
    return Error{ErrorCode::kInternal, "the request did not run to its end"};
  }
  print_figures(*local, printer.record());
  return {};
}

}  // namespace

void add_generate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "one completion of a checkpoint, here");
  add_model_options(*command, options->model);
  command->add_option("--prompt", options->prompt, "what the user says")->required();
  command->add_option("--system", options->system, "what the chat template puts before it");
  command->add_flag("--raw", options->raw, "the prompt as it is, without the chat template");
  command->add_option("--max-tokens", options->max_tokens, "of the answer, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--ignore-end", options->ignores_end, "goes on to --max-tokens");
  command->add_option("--temperature", options->temperature, "0: the likeliest token");
  command->add_option("--top-k", options->top_k, "of so many likeliest; 0: of all");
  command->add_option("--top-p", options->top_p, "of the likeliest that make up this share");
  command->add_option("--min-p", options->min_p, "of those with this share of the likeliest's");
  command->add_option("--repetition-penalty", options->repetition_penalty, "1: none");
  command->add_option("--seed", options->seed, "another seed, another draw")->capture_default_str();
  command->footer(
      "Example:\n  weft model init --like qwen3 --out /tmp/tiny\n"
      "  weft generate --model /tmp/tiny --prompt 'Hello there' --max-tokens 16");
  command->callback([options, &exit_code] { exit_code = report_status(generate(*options)); });
}

}  // namespace weft
