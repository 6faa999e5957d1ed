// Messages in one queue (their latency is the same for all), copies as fluid flows.
#include "sim/model_transport.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace weft {

ModelTransport::Flow::Flow(ModelTransport& transport, uint32_t at)
    : owner(transport), index(at), timer(transport.loop_, Callback<>::to<&Flow::fire>(this)) {}

void ModelTransport::Flow::fire() { owner.flow_done(*this); }

ModelTransport::ModelTransport(Loop& loop, const ModelTransportConfig& config)
    : loop_(loop),
      config_(config),
      peers_(config.places.size()),
      mail_timer_(loop, Callback<>::to<&ModelTransport::deliver_mail>(this)),
      notice_timer_(loop, Callback<>::to<&ModelTransport::deliver_notices>(this)) {
  for (const EndpointPlace& place : config_.places) {
    first_port_.push_back(ports_.size());
    const std::array<double, kPortKinds> rates{place.scale_up,  place.scale_up,  place.scale_out,
                                               place.scale_out, place.host_link, place.host_link};
    for (int rank = 0; rank < place.ranks; ++rank) {
      for (const double rate : rates) {
        ports_.emplace_back();
        ports_.back().capacity = rate;
      }
    }
  }
}

ModelTransport::~ModelTransport() = default;

void ModelTransport::attach(NodeId node, Mailbox mailbox) {
  Peer& peer = peers_[node.value()];
  CHECK(!peer.attached, "a node is attached once");
  peer.mailbox = mailbox;
  peer.attached = true;
  ++peer.starts;
  if (!peer.known) {
    peer.known = peer.reachable = true;
    return;
  }
  notices_.push_back({loop_.now() + config_.detection, node, PeerEvent::kUp, peer.starts});
  if (!notice_timer_.armed()) notice_timer_.arm(notices_.front().at);
}

// All that is on its way from or to the node is gone; copies tell their other end.
void ModelTransport::detach(NodeId node) {
  Peer& peer = peers_[node.value()];
  peer.attached = peer.reachable = false;
  std::erase_if(mail_, [node](const Mail& mail) {
    return mail.message.from == node || mail.message.to == node;
  });
  for (auto& flow : flows_) {
    if (!flow->active || (flow->from != node && flow->to != node)) continue;
    if (!flow->arrived) leave(*flow);
    flow->arrived = true;
    flow->left = -1;  // failed
    flow->timer.arm(loop_.now() + flow->latency);
  }
  notices_.push_back({loop_.now() + config_.detection, node, PeerEvent::kDown, peer.starts});
  if (!notice_timer_.armed()) notice_timer_.arm(notices_.front().at);
}

void ModelTransport::deliver_notices() {
  while (!notices_.empty() && notices_.front().at <= loop_.now()) {
    const Notice notice = notices_.front();
    notices_.pop_front();
    Peer& subject = peers_[notice.node.value()];
    if (notice.event == PeerEvent::kUp) {
      // It died again before anybody knew.
      if (!subject.attached || subject.starts != notice.start) continue;
      subject.reachable = true;
      tell_newcomer(notice.node);
    }
    for (size_t i = 0; i < peers_.size(); ++i) {
      if (peers_[i].attached && peers_[i].mailbox.peer &&
          NodeId(static_cast<uint32_t>(i)) != notice.node) {
        peers_[i].mailbox.peer(notice.node, notice.event);
      }
    }
  }
  if (!notices_.empty()) notice_timer_.arm(notices_.front().at);
}

// A node that is back takes all others to be up; which are not it hears before anyone writes to it.
void ModelTransport::tell_newcomer(NodeId node) {
  const Mailbox& mailbox = peers_[node.value()].mailbox;
  for (size_t i = 0; i < peers_.size() && mailbox.peer; ++i) {
    const bool gone = peers_[i].known && !peers_[i].reachable;
    if (gone) mailbox.peer(NodeId(static_cast<uint32_t>(i)), PeerEvent::kDown);
  }
}

void ModelTransport::send(const Message& message) {
  if (!peers_[message.to.value()].reachable) return;
  put_mail(message);
  if (!mail_timer_.armed()) mail_timer_.arm(mail_.front().at);
}

void ModelTransport::put_mail(const Message& message) {
  mail_.push_back({loop_.now() + config_.message_latency, message, {}});
  if (message.blocks.empty()) return;
  Mail& mail = mail_.back();
  if (!spare_blocks_.empty()) {
    mail.blocks = std::move(spare_blocks_.back());
    spare_blocks_.pop_back();
  }
  mail.blocks.assign(message.blocks.begin(), message.blocks.end());
  mail.message.blocks = mail.blocks;
}

void ModelTransport::deliver_mail() {
  while (!mail_.empty() && mail_.front().at <= loop_.now()) {
    Mail mail = std::move(mail_.front());
    mail_.pop_front();
    Peer& peer = peers_[mail.message.to.value()];
    if (peer.reachable) peer.mailbox.receive(mail.message);
    if (mail.blocks.capacity() > 0) spare_blocks_.push_back(std::move(mail.blocks));
  }
  if (!mail_.empty()) mail_timer_.arm(mail_.front().at);
}

uint32_t ModelTransport::port(const Endpoint& end, PortKind kind) const {
  return static_cast<uint32_t>(first_port_[end.node.value()] + end.rank * kPortKinds + kind);
}

// Which ports a copy crosses, and how fast it could go alone.
void ModelTransport::route(const Copy& copy, Flow& flow) {
  const EndpointPlace& from = config_.places[copy.from.node.value()];
  const EndpointPlace& to = config_.places[copy.to.node.value()];
  const auto cross = [&](const Endpoint& end, PortKind kind, double share) {
    const uint32_t index = port(end, kind);
    flow.ports[flow.port_count++] = index;
    flow.cap = std::min(flow.cap, ports_[index].capacity * share);
  };
  flow.port_count = 0;
  flow.cap = std::numeric_limits<double>::infinity();
  const bool same_domain = from.system == to.system && from.domain == to.domain;
  if (from.host || to.host) {
    cross(copy.from, kHostOut, 1);
    cross(copy.to, kHostIn, 1);
    flow.latency = std::max(from.host_latency, to.host_latency);
    const bool overlap = from.first_node <= to.last_node && to.first_node <= from.last_node;
    const bool local = from.system == to.system && overlap;
    if (local || (same_domain && from.host_on_fabric && to.host_on_fabric)) return;
    cross(copy.from, kOutOut, 1);
    cross(copy.to, kOutIn, 1);
    flow.latency += std::max(from.scale_out_latency, to.scale_out_latency);
    return;
  }
  const bool up = same_domain && !from.kv_over_scale_out && from.scale_up > 0;
  cross(copy.from, up ? kUpOut : kOutOut, from.shard_share);
  cross(copy.to, up ? kUpIn : kOutIn, to.shard_share);
  flow.latency =
      up ? from.scale_up_latency : std::max(from.scale_out_latency, to.scale_out_latency);
}

void ModelTransport::submit(const Copy& copy, CopyDone done) {
  if (free_flows_.empty()) {
    const auto index = static_cast<uint32_t>(flows_.size());
    flows_.push_back(std::make_unique<Flow>(*this, index));
    free_flows_.push_back(index);
  }
  Flow& flow = *flows_[free_flows_.back()];
  free_flows_.pop_back();
  ++copies_;
  bytes_copied_ += copy.bytes.as_double();
  flow.active = true;
  flow.arrived = false;
  flow.from = copy.from.node;
  flow.to = copy.to.node;
  flow.done = std::move(done);
  flow.left = copy.bytes.as_double();
  flow.since = loop_.now();
  flow.rate = 0;
  route(copy, flow);
  const bool alive = peers_[flow.from.value()].reachable && peers_[flow.to.value()].attached;
  if (!alive || !(flow.cap > 0)) {
    flow.arrived = true;
    flow.left = -1;
    flow.timer.arm(loop_.now() + flow.latency);
    return;
  }
  join(flow);
}

void ModelTransport::join(Flow& flow) {
  bool crowded = false;
  const std::span<const uint32_t> ports(flow.ports.data(), flow.port_count);
  for (const uint32_t p : ports) {
    ports_[p].flows.push_back(flow.index);
    ports_[p].wanted += flow.cap;
    crowded = crowded || ports_[p].wanted > ports_[p].room();
  }
  if (crowded) {
    recompute(ports);
  } else {
    set_rate(flow, flow.cap);
  }
}

void ModelTransport::leave(Flow& flow) {
  bool crowded = false;
  const std::span<const uint32_t> ports(flow.ports.data(), flow.port_count);
  for (const uint32_t p : ports) {
    Port& at = ports_[p];
    crowded = crowded || at.wanted > at.room();
    std::erase(at.flows, flow.index);
    at.wanted = at.flows.empty() ? 0 : at.wanted - flow.cap;
  }
  if (crowded) recompute(ports);
}

// Brings `left` up to now.
void ModelTransport::settle(Flow& flow) {
  flow.left = std::max(0.0, flow.left - flow.rate * to_seconds(loop_.now() - flow.since));
  flow.since = loop_.now();
}

void ModelTransport::set_rate(Flow& flow, double rate) {
  settle(flow);
  flow.rate = rate;
  const double ns = std::ceil(flow.left / rate * 1e9);
  flow.timer.arm(loop_.now() + nanoseconds(static_cast<int64_t>(std::min(ns, 9e18))));
}

// The flows whose rates may change: those that share a crowded port, directly or through others.
void ModelTransport::collect(std::span<const uint32_t> from_ports) {
  ++mark_;
  component_.clear();
  component_ports_.assign(from_ports.begin(), from_ports.end());
  for (const uint32_t p : from_ports) ports_[p].mark = mark_;
  for (size_t i = 0; i < component_ports_.size(); ++i) {
    for (const uint32_t f : ports_[component_ports_[i]].flows) {
      Flow& flow = *flows_[f];
      if (flow.mark == mark_) continue;
      flow.mark = mark_;
      component_.push_back(f);
      for (size_t k = 0; k < flow.port_count; ++k) {
        Port& next = ports_[flow.ports[k]];
        if (next.mark == mark_) continue;
        next.mark = mark_;
        component_ports_.push_back(flow.ports[k]);
      }
    }
  }
}

// Progressive filling: raise all rates together; whoever meets its own cap or a full port stops.
void ModelTransport::recompute(std::span<const uint32_t> from_ports) {
  collect(from_ports);
  for (const uint32_t p : component_ports_) {
    ports_[p].left = ports_[p].room();
    ports_[p].unfixed = static_cast<int64_t>(ports_[p].flows.size());
  }
  for (const uint32_t f : component_) flows_[f]->fixed = false;
  size_t open = component_.size();
  while (open > 0) {
    double level = std::numeric_limits<double>::infinity();
    for (const uint32_t p : component_ports_) {
      const Port& at = ports_[p];
      if (at.unfixed > 0) level = std::min(level, at.left / static_cast<double>(at.unfixed));
    }
    for (const uint32_t f : component_) {
      if (!flows_[f]->fixed) level = std::min(level, flows_[f]->cap);
    }
    constexpr double kSlack = 1 + 1e-12;
    // Who stops is decided for all before any port is changed.
    for (const uint32_t p : component_ports_) {
      Port& at = ports_[p];
      at.full = at.unfixed > 0 && at.left <= level * static_cast<double>(at.unfixed) * kSlack;
    }
    for (const uint32_t f : component_) {
      Flow& flow = *flows_[f];
      if (flow.fixed) continue;
      bool stops = flow.cap <= level * kSlack;
      for (size_t k = 0; k < flow.port_count; ++k) stops |= ports_[flow.ports[k]].full;
      if (!stops) continue;
      flow.fixed = true;
      --open;
      for (size_t k = 0; k < flow.port_count; ++k) {
        Port& at = ports_[flow.ports[k]];
        at.left = std::max(0.0, at.left - level);
        --at.unfixed;
      }
      set_rate(flow, std::max(level, 1.0));
    }
  }
}

// First when the last byte has left, then again when it has arrived.
void ModelTransport::flow_done(Flow& flow) {
  if (!flow.arrived) {
    flow.arrived = true;
    flow.left = 0;
    leave(flow);
    flow.timer.arm(loop_.now() + flow.latency);
    return;
  }
  const bool ok = flow.left >= 0;
  const CopyDone done = std::move(flow.done);
  flow.active = false;
  free_flows_.push_back(flow.index);
  done(ok);
}

void ModelTransport::set_link_share(NodeId node, double share) {
  CHECK(share > 0, "a slow link still moves");
  const EndpointPlace& place = config_.places[node.value()];
  std::vector<uint32_t> touched;
  for (size_t i = 0; i < static_cast<size_t>(place.ranks) * kPortKinds; ++i) {
    const auto p = static_cast<uint32_t>(first_port_[node.value()] + i);
    ports_[p].share = share;
    if (!ports_[p].flows.empty()) touched.push_back(p);
  }
  if (!touched.empty()) recompute(touched);
}

void ModelTransport::check_integrity() const {
  for (const Port& port : ports_) {
    double rate = 0;
    for (const uint32_t f : port.flows) {
      const Flow& flow = *flows_[f];
      CHECK(flow.active && !flow.arrived, "a port lists flows that move");
      CHECK(flow.rate > 0 && flow.rate <= flow.cap * (1 + 1e-9), "a flow keeps to its cap");
      rate += flow.rate;
    }
    CHECK(rate <= port.room() * (1 + 1e-9) + static_cast<double>(port.flows.size()),
          "a port carries no more than it can");
  }
}

}  // namespace weft
