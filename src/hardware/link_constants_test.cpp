// Constants of communication kernels: what the catalog's files hold, and what is refused.
#include "hardware/link_constants.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "hardware/catalog.h"

namespace weft {
namespace {

std::string kernel_file(const std::string& name) {
  return Catalog::open_default()->folder() + "/kernels/" + name;
}

std::vector<std::string> chips() {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::directory_iterator(Catalog::open_default()->folder() + "/chips")) {
    out.push_back(entry.path().stem().string());
  }
  return out;
}

TEST(LinkConstants, EveryChipHasCollectives) {
  auto file = ConfigFile::load(kernel_file("collectives.toml"));
  ASSERT_TRUE(file.ok());
  const auto all = read_collective_constants(*file);
  ASSERT_TRUE(all.ok()) << all.error().message;
  for (const std::string& chip : chips()) {
    ASSERT_TRUE(all->contains(chip)) << chip;
    EXPECT_FALSE(all->at(chip).source.empty()) << chip;
    EXPECT_GT(all->at(chip).start, 1e-6) << chip;
    EXPECT_TRUE(all->at(chip).range_dies.holds(8)) << chip;
  }
  EXPECT_EQ(all->at("h200").like, "h100");
  EXPECT_EQ(all->at("a100").switch_share, 0);
  EXPECT_GT(all->at("h100").switch_share, 0);
}

TEST(LinkConstants, EveryChipHasExpertExchange) {
  auto file = ConfigFile::load(kernel_file("exchange.toml"));
  ASSERT_TRUE(file.ok());
  const auto all = read_exchange_constants(*file);
  ASSERT_TRUE(all.ok()) << all.error().message;
  for (const std::string& chip : chips()) {
    ASSERT_TRUE(all->contains(chip)) << chip;
    const ExchangeConstants& constants = all->at(chip);
    EXPECT_TRUE(constants.has(constants.nearest(ExchangeSoftware::kDeepEpNormal))) << chip;
  }
  EXPECT_TRUE(all->at("b200").has(ExchangeSoftware::kTrtllmOneSided));
  EXPECT_FALSE(all->at("h100").has(ExchangeSoftware::kCloudMatrix));
  EXPECT_EQ(all->at("ascend-910c").nearest(ExchangeSoftware::kDeepEpNormal),
            ExchangeSoftware::kCloudMatrix);
  // H800 replaces what H100 has of the low-latency kernels, and keeps the rest.
  EXPECT_NE(all->at("h800").of(ExchangeSoftware::kDeepEpLowLatency).dispatch.out_start,
            all->at("h100").of(ExchangeSoftware::kDeepEpLowLatency).dispatch.out_start);
  EXPECT_EQ(all->at("h800").of(ExchangeSoftware::kDeepEpNormal).combine.share,
            all->at("h100").of(ExchangeSoftware::kDeepEpNormal).combine.share);
}

std::string error_of(const std::string& text) {
  auto file = ConfigFile::parse(text, "x.toml");
  const auto all = read_exchange_constants(*file);
  return all.ok() ? "" : all.error().message;
}

TEST(LinkConstants, ErrorsNameFileAndKey) {
  const std::string head = "[a]\ngrade = \"U\"\nsource = \"s\"\n";
  EXPECT_NE(error_of(head + "like = \"b\"\n").find("x.toml:4: a.like"), std::string::npos)
      << error_of(head + "like = \"b\"\n");
  EXPECT_NE(error_of(head).find("a.cores"), std::string::npos) << error_of(head);
  const std::string cores = head + "cores = 8\nnormal_cores = 4\n";
  EXPECT_NE(error_of(cores).find("no software"), std::string::npos) << error_of(cores);
  EXPECT_NE(error_of(cores + "[a.cloudmatrix_dispatch]\nshare = 1\n").find("start_us: missing"),
            std::string::npos);
  EXPECT_NE(error_of(cores + "[a.cloudmatrix_dispatch]\nstart_us = -1\n").find("start_us"),
            std::string::npos);
  EXPECT_NE(error_of(cores + "range_tokens = [3, 1]\n").find("range_tokens"), std::string::npos);
}

}  // namespace
}  // namespace weft
