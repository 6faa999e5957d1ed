// The loop's side of the API: answers from their submission to their end.
#include "base/check.h"
#include "real/api_server.h"

namespace weft {

// From a server's thread to the loop.
void ApiServer::take(std::unique_ptr<ApiAnswer> answer) {
  auto holder = std::make_shared<std::unique_ptr<ApiAnswer>>(std::move(answer));
  const auto run = [this, holder] { begin(std::move(*holder)); };
  loop_.inbox().post({.owner = {}, .run = run, .is_unowned = true});
}

// A client may hang up at any time: the loop hears of it after the answer has begun.
void ApiServer::begin(std::unique_ptr<ApiAnswer> answer) {
  const uint64_t id = next_answer_++;
  ApiAnswer& taken = *answer;
  std::vector<ApiJob> jobs = std::move(taken.jobs());
  std::vector<uint64_t> tags;
  for (size_t i = 0; i < jobs.size(); ++i) {
    tags.push_back(next_tag_++);
    places_.insert(tags[i], Place{id, i});
  }
  answers_.insert(id, std::make_unique<Open>(Open{std::move(answer), tags}));
  for (size_t i = 0; i < jobs.size(); ++i) {
    // An earlier choice may have been rejected, and the answer with it.
    if (answers_.find(id) == nullptr) return;
    metrics_.submitted();
    backend_.submit(std::move(jobs[i].sequence), tags[i], jobs[i].priority);
  }
  if (answers_.find(id) == nullptr) return;
  taken.exchange().on_close([this, id] {
    loop_.inbox().post({.owner = {}, .run = [this, id] { close(id); }, .is_unowned = true});
  });
}

void ApiServer::hear(const TokenNews& news) {
  metrics_.hear(news, loop_.now());
  const Place* place = places_.find(news.tag);
  if (place == nullptr) return;  // its answer is over
  const auto [id, choice] = *place;
  ApiAnswer& answer = *(*answers_.find(id))->answer;
  const bool enough = answer.hear(choice, news);
  if (news.record != nullptr) places_.erase(news.tag);
  if (answer.is_over()) return end(id);
  if (enough) backend_.cancel(news.tag);
}

// The client is gone.
void ApiServer::close(uint64_t id) {
  if (answers_.find(id) == nullptr) return;
  metrics_.hung_up();
  end(id);
}

// What still runs for it is for nobody.
void ApiServer::end(uint64_t id) {
  std::unique_ptr<Open> open = std::move(*answers_.find(id));
  answers_.erase(id);
  for (const uint64_t tag : open->tags) {
    if (places_.find(tag) == nullptr) continue;
    places_.erase(tag);
    backend_.cancel(tag);
  }
}

}  // namespace weft
