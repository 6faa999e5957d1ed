// What is asked of a server before it is put under load: is it an OpenAI API, which models has it,
// which of our request's fields does it know, and how many tokens does it make of words.
#pragma once

#include <string>
#include <vector>

#include "apps/load_prompts.h"
#include "base/result.h"
#include "real/load_client.h"

namespace weft {

struct ProbedServer {
  LoadPrompts prompts;             // ready to make bodies
  std::vector<std::string> notes;  // what a person should know of it, one line each
};

// Finds the model where `config` names none, sends a small request and measures words. Adapts
// `config` where the server refuses ignore_eos or stream_options. kUnavailable: no connection, or
// the server failed; kBadInput: no OpenAI API, or it refuses the request; the message has the URL.
Result<ProbedServer> probe_server(LoadClient& client, const std::string& url,
                                  LoadPromptsConfig config);

}  // namespace weft
