// The loop's side of the API: answers from their submission to their end.
#include "base/check.h"
#include "real/api_server.h"

namespace weft {

// From a server's thread to the loop. A client may hang up at any time: then the loop hears of it
// after the answer.
void ApiServer::take(std::unique_ptr<ApiAnswer> answer) {
  auto holder = std::make_shared<std::unique_ptr<ApiAnswer>>(std::move(answer));
  loop_.inbox().post(
      {.owner = {},
       .run =
           [this, holder] {
             const uint64_t id = next_answer_++;
             auto open = std::make_unique<Open>();
             open->answer = std::move(*holder);
             ApiAnswer& taken = *open->answer;
             for (size_t i = 0; i < taken.jobs().size(); ++i) {
               const uint64_t tag = next_tag_++;
               open->tags.push_back(tag);
               places_.insert(tag, Place{id, i});
             }
             const std::vector<uint64_t> tags = open->tags;
             std::vector<ApiJob> jobs = std::move(taken.jobs());
             answers_.insert(id, std::move(open));
             for (size_t i = 0; i < tags.size(); ++i) {
               // An earlier choice may have been rejected, and the answer with it.
               if (answers_.find(id) == nullptr) break;
               metrics_.submitted();
               backend_.submit(std::move(jobs[i].sequence), tags[i], jobs[i].priority);
             }
             if (answers_.find(id) == nullptr) return;
             taken.exchange().on_close([this, id] {
               loop_.inbox().post(
                   {.owner = {}, .run = [this, id] { close(id); }, .is_unowned = true});
             });
           },
       .is_unowned = true});
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
