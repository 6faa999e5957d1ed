// The tables of the HTML page: latency against its bounds, pools, memory, cache.
#pragma once

#include <string>

#include "report/html_report.h"

namespace weft {

void append_latency_table(std::string& out, const HtmlInput& input);
void append_pool_table(std::string& out, const HtmlInput& input);
void append_memory_table(std::string& out, const HtmlInput& input);
// Nothing when there is no cache behind the instances.
void append_cache_table(std::string& out, const HtmlInput& input);

}  // namespace weft
