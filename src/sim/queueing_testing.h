// For tests alone: a queue in front of a few instances, made of the real router, instances and
// scheduler, with a device that takes a given time. One request at a time per instance and the rest
// wait at the router, which is the first-come first-served queue of the textbooks.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "node/cluster.h"
#include "runtime/loop.h"
#include "sim/model_transport.h"
#include "sim/virtual_clock.h"

namespace weft {

// Service time of the n-th request, from 0.
using ServiceTimes = std::function<Duration(uint64_t n)>;

class TimedDevice final : public Device {
 public:
  // Request ids begin with the number of the request; see QueueWorld.
  TimedDevice(Loop& loop, const ServiceTimes& service)
      : loop_(loop), service_(service), timer_(loop, Callback<>::to<&TimedDevice::fire>(this)) {}

  void submit(const Batch& batch, StepDone done) override {
    CHECK(batch.work.size() == 1 && batch.work.front().samples, "one whole request at a time");
    took_ = service_((batch.work.front().request.value() >> 24) - 1);
    done_ = std::move(done);
    timer_.arm(loop_.now() + took_);
  }

 private:
  void fire() {
    const SequenceOutput output{1, false};
    done_({{&output, 1}, took_});
  }

  Loop& loop_;
  const ServiceTimes& service_;
  Duration took_;
  StepDone done_;
  Timer timer_;
};

// `servers` instances; requests arrive after the given gaps.
class QueueWorld {
 public:
  QueueWorld(int servers, Duration message_latency, std::vector<Duration> gaps,
             ServiceTimes service)
      : latency_(message_latency),
        gaps_(std::move(gaps)),
        service_(std::move(service)),
        waits_(gaps_.size()),
        loop_(clock_),
        transport_(loop_, places(servers, message_latency)),
        timer_(loop_, Callback<>::to<&QueueWorld::arrive>(this)) {
    ClusterParts parts;
    parts.device = [this](size_t) { return std::make_unique<TimedDevice>(loop_, service_); };
    cluster_ =
        std::make_unique<Cluster>(loop_, transport_, config(servers), std::move(parts),
                                  Callback<const RequestRecord&>::to<&QueueWorld::ended>(this));
  }

  // From arrival until a server starts on it, of every request in order of arrival.
  const std::vector<Duration>& run() {
    timer_.arm(Instant{} + gaps_.front());
    loop_.run();
    CHECK(ended_ == gaps_.size(), "every request ends");
    return waits_;
  }

 private:
  static ModelTransportConfig places(int servers, Duration latency) {
    ModelTransportConfig config;
    config.places.resize(static_cast<size_t>(servers) + 1);
    config.message_latency = latency;
    return config;
  }
  static ClusterConfig config(int servers) {
    ClusterConfig config;
    config.router.policy = "round_robin";
    config.router.max_pending = int64_t{1} << 40;
    for (int i = 1; i <= servers; ++i) {
      InstanceConfig instance;
      instance.id = NodeId(static_cast<uint32_t>(i));
      instance.scheduler.blocks_per_rank = 4;
      instance.scheduler.max_sequences_per_rank = 1;
      config.router.peers.push_back({instance.id, Role::kUnified, 1, 1});
      config.instances.push_back(instance);
    }
    return config;
  }

  void arrive() {
    NewRequest request;
    request.prompt = request.max_output = Tokens(1);
    request.tag = next_;
    if (++next_ < gaps_.size()) timer_.arm(loop_.now() + gaps_[next_]);
    cluster_->router().submit(request);
  }
  void ended(const RequestRecord& record) {
    ++ended_;
    waits_[record.tag] = record.first_token - record.arrival - service_(record.tag) - latency_;
  }

  Duration latency_;
  std::vector<Duration> gaps_;
  ServiceTimes service_;
  std::vector<Duration> waits_;
  size_t next_ = 0;
  size_t ended_ = 0;
  VirtualClock clock_;
  Loop loop_;
  ModelTransport transport_;
  Timer timer_;
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace weft
