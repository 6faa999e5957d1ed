// The modelled network: messages in order and late, copies over shared ports, deaths and returns.
#include "sim/model_transport.h"

#include <gtest/gtest.h>

#include "sim/model_transport_testing.h"

namespace weft {
namespace {

constexpr double kGb = 1e9;

EndpointPlace place(double scale_up, int domain = 0) {
  EndpointPlace p;
  p.domain = domain;
  p.scale_up = scale_up;
  p.scale_out = scale_up / 8;
  p.host_link = scale_up / 2;
  p.scale_up_latency = microseconds(2);
  p.scale_out_latency = microseconds(5);
  p.host_latency = microseconds(1);
  return p;
}

EndpointPlace host(int node) {
  EndpointPlace p;
  p.host = true;
  p.first_node = p.last_node = node;
  p.host_link = 40 * kGb;
  p.scale_out = 10 * kGb;
  p.scale_out_latency = microseconds(5);
  p.host_latency = microseconds(1);
  return p;
}

ModelTransportConfig nodes(std::vector<EndpointPlace> places) {
  return {std::move(places), microseconds(20), milliseconds(10)};
}

constexpr int64_t us(int64_t n) { return n * 1000; }

TEST(ModelTransport, MessagesArriveInOrderAfterTheirLatency) {
  Network net(nodes({place(kGb), place(kGb)}));
  const std::vector<BlockHash> blocks{BlockHash(7), BlockHash(8)};
  net.nodes[0]->send(1, 1, blocks);
  net.nodes[0]->send(1, 2);
  EXPECT_TRUE(net.nodes[1]->heard.empty());
  net.run_until(microseconds(5));
  net.nodes[0]->send(1, 3);
  net.nodes[1]->send(0, 4);
  net.run();
  EXPECT_EQ(net.nodes[1]->heard, (std::vector<Heard>{{us(20), 1}, {us(20), 2}, {us(25), 3}}));
  EXPECT_EQ(net.nodes[1]->blocks.front(), blocks);
  EXPECT_TRUE(net.nodes[1]->blocks.back().empty());
  EXPECT_EQ(net.nodes[0]->heard, (std::vector<Heard>{{us(25), 4}}));
}

TEST(ModelTransport, ACopyTakesItsBytesOverTheNarrowerEndAndTheLatency) {
  Network net(nodes({place(8 * kGb), place(2 * kGb)}));
  net.copy(0, 1, 2'000'000);
  EXPECT_TRUE(net.ended.empty());
  net.run();
  EXPECT_EQ(net.ended, (std::vector<EndedCopy>{{us(1'002), 0, true}}));
  EXPECT_EQ(net.transport.copies(), 1);
  EXPECT_EQ(net.transport.bytes_copied(), 2e6);
}

TEST(ModelTransport, TwoCopiesShareAPortAndTheSecondSpeedsUpAlone) {
  Network net(nodes({place(kGb), place(kGb), place(kGb)}));
  net.copy(0, 1, 1'000'000, 1);
  net.copy(0, 2, 3'000'000, 2);
  net.run();
  // Half a GB/s each until the first has its megabyte at 2 ms; then 2 MB alone.
  EXPECT_EQ(net.ended, (std::vector<EndedCopy>{{us(2'002), 1, true}, {us(4'002), 2, true}}));
}

TEST(ModelTransport, DirectionsAndRanksHavePortsOfTheirOwn) {
  auto wide = place(kGb);
  wide.ranks = 2;
  Network net(nodes({wide, place(kGb), place(kGb)}));
  net.copy(0, 1, 1'000'000, 1);
  net.copy(1, 0, 1'000'000, 2);
  net.copy(0, 2, 1'000'000, 3, 1);
  net.run();
  for (const EndedCopy& copy : net.ended) EXPECT_EQ(copy.at_ns, us(1'002)) << copy.tag;
}

TEST(ModelTransport, ACopyIsNoFasterThanItsShards) {
  auto half = place(kGb);
  half.shard_share = 0.5;
  Network net(nodes({half, place(kGb), place(kGb)}));
  net.copy(0, 1, 1'000'000, 1);
  net.copy(0, 2, 1'000'000, 2);  // the two halves of the port
  net.run();
  for (const EndedCopy& copy : net.ended) EXPECT_EQ(copy.at_ns, us(2'002)) << copy.tag;
}

TEST(ModelTransport, OtherDomainsAreReachedOverTheScaleOutNetwork) {
  auto apart = place(8 * kGb);
  apart.kv_over_scale_out = true;
  Network net(nodes({place(8 * kGb, 0), place(8 * kGb, 1), apart}));
  net.copy(0, 1, 1'000'000, 1);
  net.run();
  EXPECT_EQ(net.ended, (std::vector<EndedCopy>{{us(1'005), 1, true}}));
  const int64_t start = net.loop.now().ns();
  net.copy(2, 0, 1'000'000, 2);  // the same domain, but KV keeps off its fabric
  net.run();
  EXPECT_EQ(net.ended.back(), (EndedCopy{start + us(1'005), 2, true}));
}

TEST(ModelTransport, HostMemoryIsNearOnItsNodeAndFarOnAnother) {
  Network net(nodes({place(16 * kGb), host(0), host(1)}));
  net.copy(1, 0, 8'000'000, 1);  // 8 GB/s of the instance's link
  net.run();
  EXPECT_EQ(net.ended, (std::vector<EndedCopy>{{us(1'001), 1, true}}));
  const int64_t start = net.loop.now().ns();
  net.copy(2, 0, 8'000'000, 2);  // 2 GB/s of its scale-out network
  net.run();
  EXPECT_EQ(net.ended.back(), (EndedCopy{start + us(4'006), 2, true}));
}

TEST(ModelTransport, HostMemoryOnTheFabricIsNearEverywhere) {
  auto instance = place(16 * kGb);
  auto far = host(1);
  instance.host_on_fabric = far.host_on_fabric = true;
  Network net(nodes({instance, far}));
  net.copy(1, 0, 8'000'000, 1);
  net.run();
  EXPECT_EQ(net.ended, (std::vector<EndedCopy>{{us(1'001), 1, true}}));
}

TEST(ModelTransport, ASlowLinkSlowsWhatIsUnderWayAndIsHealed) {
  Network net(nodes({place(kGb), place(kGb)}));
  net.copy(0, 1, 3'000'000);
  net.run_until(milliseconds(1));
  net.transport.set_link_share(NodeId(1), 0.25);  // a megabyte in 4 ms
  net.run_until(milliseconds(5));
  net.transport.set_link_share(NodeId(1), 1);
  net.run();
  EXPECT_EQ(net.ended, (std::vector<EndedCopy>{{us(6'002), 0, true}}));
}

TEST(ModelTransport, WhatIsOnItsWayFromOrToADeadNodeIsLost) {
  Network net(nodes({place(kGb), place(kGb), place(kGb)}));
  net.nodes[0]->send(1, 1);
  net.nodes[1]->send(0, 2);
  net.nodes[2]->send(0, 3);
  net.copy(0, 1, 1'000'000, 1);
  net.copy(2, 0, 1'000'000, 2);
  net.copy(1, 2, 1'000'000, 3);
  net.run_until(microseconds(10));
  net.stop(1);
  net.run();
  EXPECT_EQ(net.nodes[0]->heard, (std::vector<Heard>{{us(20), 3}}));
  ASSERT_EQ(net.ended.size(), 3u);
  EXPECT_EQ(net.ended[0], (EndedCopy{us(12), 1, false}));
  EXPECT_EQ(net.ended[1], (EndedCopy{us(12), 3, false}));
  EXPECT_TRUE(net.ended[2].ok);  // from 2 to 0, alone on its ports
  EXPECT_EQ(net.ended[2].at_ns, us(1'002));
}

TEST(ModelTransport, ACopyToADeadNodeFailsLater) {
  Network net(nodes({place(kGb), place(kGb)}));
  net.stop(1);
  net.copy(0, 1, 1'000'000);
  EXPECT_TRUE(net.ended.empty());
  net.run();
  ASSERT_EQ(net.ended.size(), 1u);
  EXPECT_FALSE(net.ended[0].ok);
}

TEST(ModelTransport, PeersLearnOfDeathAndReturnAfterDetection) {
  Network net(nodes({place(kGb), place(kGb)}));
  net.run_until(milliseconds(1));
  net.stop(1);
  net.run_until(milliseconds(3));
  net.start(1);
  net.nodes[0]->send(1, 1);  // nobody knows the new one yet
  net.run();
  EXPECT_EQ(net.nodes[0]->peers, (std::vector<HeardPeer>{{us(11'000), 1, PeerEvent::kDown},
                                                         {us(13'000), 1, PeerEvent::kUp}}));
  EXPECT_TRUE(net.nodes[1]->heard.empty());
  net.nodes[0]->send(1, 2);
  net.run();
  EXPECT_EQ(net.nodes[1]->heard, (std::vector<Heard>{{us(13'020), 2}}));
}

// Down, up, down and up again before the first death was noticed: each notice is about its own
// life.
TEST(ModelTransport, AReturnThatDidNotLastIsNotAnnounced) {
  Network net(nodes({place(kGb), place(kGb)}));
  for (const int start : {0, 2}) {
    net.run_until(milliseconds(start + 1));
    net.stop(1);
    net.run_until(milliseconds(start + 2));
    net.start(1);
  }
  net.run();
  EXPECT_EQ(net.nodes[0]->peers, (std::vector<HeardPeer>{{us(11'000), 1, PeerEvent::kDown},
                                                         {us(13'000), 1, PeerEvent::kDown},
                                                         {us(14'000), 1, PeerEvent::kUp}}));
}

TEST(ModelTransport, ANodeThatComesBackHearsWhoIsGone) {
  Network net(nodes({place(kGb), place(kGb), place(kGb)}));
  net.stop(2);
  net.run_until(milliseconds(50));
  net.stop(1);
  net.start(1);
  net.run();
  EXPECT_EQ(net.nodes[1]->peers, (std::vector<HeardPeer>{{us(60'000), 2, PeerEvent::kDown}}));
}

}  // namespace
}  // namespace weft
