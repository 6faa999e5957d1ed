// Copies get max-min fair rates: over random networks, loads and slow links every copy ends when
// the textbook's algorithm, recomputed from nothing at every change, says (Bertsekas and Gallager,
// Data Networks, 6.5.2).
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "sim/model_transport_testing.h"

namespace weft {
namespace {

struct Operation {
  int64_t at_us = 0;
  std::optional<double> share;  // else a copy
  uint32_t from = 0;
  uint32_t to = 0;
  int64_t bytes = 0;
};

struct RandomNetwork {
  std::vector<EndpointPlace> places;
  std::vector<Operation> operations;
};

EndpointPlace random_place() {
  EndpointPlace p;
  p.host = *rc::gen::inRange(0, 4) == 0;
  p.domain = *rc::gen::inRange(0, 2);
  p.first_node = p.last_node = *rc::gen::inRange(0, 3);
  p.scale_up = *rc::gen::element(1e9, 2e9, 5e9);
  p.scale_out = *rc::gen::element(0.5e9, 1e9, 3e9);
  p.host_link = *rc::gen::element(1e9, 4e9);
  p.shard_share = *rc::gen::element(0.25, 0.5, 1.0);
  return p;
}

RandomNetwork random_network() {
  RandomNetwork net;
  const auto count = *rc::gen::inRange<uint32_t>(2, 8);
  for (uint32_t i = 0; i < count; ++i) net.places.push_back(random_place());
  const int operations = *rc::gen::inRange(1, 30);
  int64_t at = 0;
  for (int i = 0; i < operations; ++i) {
    Operation op;
    op.at_us = at += *rc::gen::inRange<int64_t>(0, 400);
    op.from = *rc::gen::inRange<uint32_t>(0, count);
    op.to = (op.from + 1 + *rc::gen::inRange<uint32_t>(0, count - 1)) % count;
    op.bytes = *rc::gen::inRange<int64_t>(0, 2'000'000);
    if (*rc::gen::inRange(0, 8) == 0) op.share = *rc::gen::element(0.1, 0.5, 1.0);
    net.operations.push_back(op);
  }
  return net;
}

// The reference: ports by name, rates from nothing.
struct Reference {
  using Port = std::pair<uint32_t, char>;  // node; u/U scale-up, o/O scale-out, h/H host: out, in
  struct Flow {
    std::vector<Port> ports;
    double cap = 0;
    double left = 0;
    double rate = 0;
    double ended_s = -1;
    bool moving = false;
  };
  const RandomNetwork& net;
  std::vector<double> share;
  std::vector<Flow> flows;

  explicit Reference(const RandomNetwork& n) : net(n), share(n.places.size(), 1.0) {}

  [[nodiscard]] double capacity(const Port& port) const {
    const EndpointPlace& p = net.places[port.first];
    switch (port.second | 0x20) {
      case 'u':
        return p.scale_up;
      case 'o':
        return p.scale_out;
      default:
        return p.host_link;
    }
  }

  Flow route(const Operation& op) const {
    const EndpointPlace& from = net.places[op.from];
    const EndpointPlace& to = net.places[op.to];
    Flow flow;
    flow.left = static_cast<double>(op.bytes);
    const auto add = [&](char kind, double from_share, double to_share) {
      flow.ports.emplace_back(op.from, kind);
      flow.ports.emplace_back(op.to, static_cast<char>(kind - 0x20));
      const double slower = std::min(capacity(flow.ports[flow.ports.size() - 2]) * from_share,
                                     capacity(flow.ports.back()) * to_share);
      flow.cap = flow.cap > 0 ? std::min(flow.cap, slower) : slower;
    };
    if (from.host || to.host) {
      add('h', 1, 1);
      if (from.first_node != to.first_node) add('o', 1, 1);
    } else {
      add(from.domain == to.domain ? 'u' : 'o', from.shard_share, to.shard_share);
    }
    return flow;
  }

  void set_rates() {
    std::map<Port, double> room;
    std::map<Port, int> open;
    std::vector<Flow*> unfixed;
    for (Flow& flow : flows) {
      if (!flow.moving) continue;
      unfixed.push_back(&flow);
      for (const Port& port : flow.ports) {
        room[port] = capacity(port) * share[port.first];
        ++open[port];
      }
    }
    while (!unfixed.empty()) {
      Flow* next = nullptr;
      double least = std::numeric_limits<double>::infinity();
      for (Flow* flow : unfixed) {
        double could = flow->cap;
        for (const Port& port : flow->ports) could = std::min(could, room[port] / open[port]);
        if (could < least) least = could, next = flow;
      }
      next->rate = least;
      for (const Port& port : next->ports) room[port] -= least, --open[port];
      std::erase(unfixed, next);
    }
  }

  void advance(double from_s, double to_s) {
    while (from_s < to_s) {
      set_rates();
      double step = to_s - from_s;
      for (const Flow& flow : flows) {
        if (flow.moving) step = std::min(step, flow.left / flow.rate);
      }
      from_s += step;
      for (Flow& flow : flows) {
        if (!flow.moving) continue;
        flow.left -= flow.rate * step;
        if (flow.left > 1e-6 * flow.rate * 1e-3) continue;
        flow.moving = false;
        flow.ended_s = from_s;
      }
      const bool any = std::any_of(flows.begin(), flows.end(), [](auto& f) { return f.moving; });
      if (!any) return;
    }
  }

  void run() {
    double now = 0;
    for (const Operation& op : net.operations) {
      advance(now, static_cast<double>(op.at_us) * 1e-6);
      now = static_cast<double>(op.at_us) * 1e-6;
      if (op.share) {
        share[op.from] = *op.share;
        continue;
      }
      flows.push_back(route(op));
      flows.back().moving = flows.back().left > 0;
      if (!flows.back().moving) flows.back().ended_s = now;
    }
    advance(now, 1e9);
  }
};

TEST(ModelTransportFair, CopiesEndWhenMaxMinFairnessSays) {
  const bool passed = rc::check("copies end as the reference says", [] {
    const RandomNetwork random = random_network();
    Reference reference(random);
    reference.run();
    Network net({random.places, {}, {}});
    uint64_t copies = 0;
    for (const Operation& op : random.operations) {
      net.run_until(microseconds(op.at_us));
      if (op.share) {
        net.transport.set_link_share(NodeId(op.from), *op.share);
      } else {
        net.copy(op.from, op.to, op.bytes, copies++);
      }
    }
    net.run();
    RC_ASSERT(net.ended.size() == reference.flows.size());
    for (const EndedCopy& copy : net.ended) {
      RC_ASSERT(copy.ok);
      const double expected = reference.flows[copy.tag].ended_s;
      const double found = static_cast<double>(copy.at_ns) * 1e-9;
      // Instants are whole nanoseconds: one more per change on the way.
      RC_ASSERT(std::abs(found - expected) < 200e-9);
    }
  });
  EXPECT_TRUE(passed);
}

}  // namespace
}  // namespace weft
