// Handles of requests: everything is the channel's, under its lock.
#include "real/http_exchange.h"

#include "real/http_channel.h"
#include "real/http_text.h"

namespace weft {

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

HttpExchange::HttpExchange(HttpRequest request, std::shared_ptr<HttpChannel> channel)
    : request_(std::move(request)), channel_(std::move(channel)) {}

HttpExchange::~HttpExchange() { channel_->release(*this); }

bool HttpExchange::respond(int status, std::string_view content_type, std::string_view body,
                           const HttpHeaders& extra) {
  return channel_->respond(*this, status, content_type, body, extra);
}

bool HttpExchange::begin_stream(int status, std::string_view content_type,
                                const HttpHeaders& extra) {
  return channel_->begin_stream(*this, status, content_type, extra);
}

bool HttpExchange::write(std::string_view part) { return channel_->write(*this, part); }
bool HttpExchange::finish() { return channel_->finish(*this); }
void HttpExchange::abort() { channel_->abort(*this); }
bool HttpExchange::closed() const { return channel_->closed(*this); }
size_t HttpExchange::queued_bytes() const { return channel_->queued_bytes(); }

void HttpExchange::on_close(std::function<void()> callback) {
  channel_->on_close(*this, std::move(callback));
}

}  // namespace weft
