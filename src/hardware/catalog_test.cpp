// Every entry of the catalog loads, every figure has grade and source, names resolve, and wrong
// files and names are one clear line.
#include "hardware/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "hardware/catalog_files.h"
#include "hardware/figures.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

Catalog catalog() {
  auto opened = Catalog::open("catalog");
  CHECK(opened.ok(), "tests run in the root of the source tree");
  return opened.value();
}

System system_named(const std::string& name) {
  auto found = catalog().system(name);
  EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().message);
  return found.ok() ? found.value() : System{};
}

std::string system_error(const std::string& name) {
  auto found = catalog().system(name);
  EXPECT_FALSE(found.ok()) << name;
  if (found.ok()) return "";
  EXPECT_EQ(found.error().message.find('\n'), std::string::npos);
  return found.error().message;
}

// A file of its own in a folder that goes away with it.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& text) {
    std::string folder = (fs::temp_directory_path() / "weft-catalog-XXXXXX").string();
    CHECK(mkdtemp(folder.data()) != nullptr);
    folder_ = folder;
    path_ = (folder_ / name).string();
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() {
    std::error_code error;
    fs::remove_all(folder_, error);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string folder() const { return folder_.string(); }

 private:
  fs::path folder_;
  std::string path_;
};

TEST(Catalog, EveryEntryLoadsAndEveryFigureIsGraded) {
  const Catalog all = catalog();
  const auto listed = all.list();
  ASSERT_GT(listed.size(), 80u);
  const std::set<std::string> grades(figure_grades().begin(), figure_grades().end());
  for (const CatalogEntry& one : listed) {
    const auto entry = all.entry(one.name);
    ASSERT_TRUE(entry.ok()) << entry.error().message;
    EXPECT_EQ(entry->kind, one.kind) << one.name;
    EXPECT_FALSE(entry->title.empty()) << one.name;
    EXPECT_FALSE(entry->figures.empty()) << one.name;
    for (const Figure& figure : entry->figures) {
      EXPECT_TRUE(grades.contains(figure.grade)) << one.name << " " << figure.key;
      EXPECT_GT(figure.source.size(), 4u) << one.name << " " << figure.key;
    }
  }
}

TEST(Catalog, ListIsSortedByKindThenNameAndNamesAreUnique) {
  const auto listed = catalog().list();
  std::set<std::string> names;
  for (size_t i = 0; i < listed.size(); ++i) {
    EXPECT_TRUE(names.insert(listed[i].name).second) << listed[i].name;
    if (i == 0) continue;
    EXPECT_LT(std::tie(listed[i - 1].kind, listed[i - 1].name),
              std::tie(listed[i].kind, listed[i].name));
  }
}

TEST(Catalog, HoldsTheSystemsThatScriptsName) {
  const struct {
    const char* name;
    int packages;
    int dies;
    int nodes;
  } kSystems[] = {
      {"cloudmatrix384", 384, 768, 48},
      {"a3-node", 8, 16, 1},
      {"910b-8", 8, 8, 1},
      {"atlas-950-superpod", 8192, 8192, 1024},
      {"gb200-nvl72", 72, 72, 18},
      {"atlas-960-superpod", 15488, 15488, 1936},
      {"gb300-nvl72", 72, 72, 18},
      {"a100-8", 8, 8, 1},
      {"h800-8", 8, 8, 1},
      {"h100-8", 8, 8, 1},
      {"h200-8", 8, 8, 1},
      {"h20-8", 8, 8, 1},
      {"b200-8", 8, 8, 1},
      {"b300-8", 8, 8, 1},
      {"mi300x-8", 8, 8, 1},
      {"mi355x-8", 8, 8, 1},
      {"rtx-pro-6000-2", 2, 2, 1},
      {"rtx-4090-1", 1, 1, 1},
  };
  for (const auto& expected : kSystems) {
    const System system = system_named(expected.name);
    EXPECT_EQ(system.name, expected.name);
    EXPECT_EQ(system.packages, expected.packages) << expected.name;
    EXPECT_EQ(system.dies(), expected.dies) << expected.name;
    EXPECT_EQ(system.nodes(), expected.nodes) << expected.name;
    EXPECT_EQ(system.scale_up_packages, expected.packages) << expected.name;
    for (const Link* link : {&system.scale_up, &system.scale_out, &system.host}) {
      EXPECT_GT(link->bandwidth, 1e9) << expected.name;
      EXPECT_GT(link->write_bandwidth, 1e9) << expected.name;
      EXPECT_LE(link->write_bandwidth, link->bandwidth) << expected.name;
      EXPECT_GT(link->latency.count(), 0) << expected.name;
      EXPECT_GE(link->latency_far, link->latency) << expected.name;
    }
    EXPECT_GT(system.host_memory_bytes, 1e11) << expected.name;
    EXPECT_GT(system.host_port_bandwidth, 1e10) << expected.name;
  }
}

TEST(Catalog, CloudMatrixIsAsMeasured) {
  const System system = system_named("cloudmatrix384");
  EXPECT_NEAR(system.scale_up.bandwidth / 1e9, 164, 0.5);
  EXPECT_NEAR(system.scale_up.write_bandwidth / 1e9, 135, 0.5);
  EXPECT_EQ(system.scale_up.latency, nanoseconds(1200));
  EXPECT_EQ(system.scale_up.latency_far, nanoseconds(1900));
  EXPECT_NEAR(system.host.bandwidth / 1e9, 147, 0.5);
  EXPECT_NEAR(system.host.write_bandwidth / 1e9, 107, 0.5);
  EXPECT_EQ(system.host_port_bandwidth, 640e9);
  EXPECT_TRUE(system.kv_over_scale_out);
  EXPECT_NEAR(system.system_power_w, 1456, 1);
}

TEST(Catalog, RatesArePerDie) {
  const auto chip = catalog().chip("ascend-910c");
  ASSERT_TRUE(chip.ok());
  EXPECT_EQ(chip->dies, 2);
  EXPECT_EQ(chip->ops(Format::kBf16), 376e12);
  EXPECT_EQ(chip->ops(Format::kInt8), 752e12);
  EXPECT_EQ(chip->ops(Format::kFp8), 0);
  EXPECT_EQ(chip->formats_text(), "bf16 and int8");
  EXPECT_EQ(chip->memory_bandwidth, 1.6e12);
  EXPECT_EQ(chip->memory_bytes, 64.0 * (1 << 30));
}

TEST(Catalog, ChipsThatLackAFormatSayWhatTheyHave) {
  const Catalog all = catalog();
  EXPECT_GT(all.chip("b300")->ops(Format::kInt8), 0);  // weak, but there
  EXPECT_LT(all.chip("b300")->ops(Format::kInt8), all.chip("b300")->ops(Format::kBf16));
  EXPECT_EQ(all.chip("a100")->formats_text(), "bf16 and int8");
  EXPECT_EQ(all.chip("ascend-950pr")->formats_text(), "bf16, fp8 and fp4");
}

TEST(Catalog, ChipsArePlausible) {
  for (const std::string& name : CatalogFiles("catalog").names("chip")) {
    const auto chip = catalog().chip(name);
    ASSERT_TRUE(chip.ok()) << chip.error().message;
    EXPECT_GT(chip->ops(Format::kBf16), 1e14) << name;
    EXPECT_GT(chip->memory_bytes, 2e10) << name;
    EXPECT_GT(chip->memory_bandwidth, 5e11) << name;
    EXPECT_GT(chip->cores, 1) << name;
    EXPECT_GT(chip->kernels.gemm.of(GemmKind::kBf16).constants.compute_share, 0.4) << name;
  }
}

TEST(Catalog, ShortChipNamesFindAscends) {
  EXPECT_EQ(catalog().chip("910c")->name, "ascend-910c");
  EXPECT_EQ(catalog().entry("910b2")->kind, "chip");
}

TEST(Catalog, ServersOfFewerPackagesAreDerived) {
  const System four = system_named("h100-4");
  EXPECT_EQ(four.name, "h100-4");
  EXPECT_EQ(four.packages, 4);
  EXPECT_EQ(four.packages_per_node, 4);
  EXPECT_EQ(four.scale_up_packages, 4);
  EXPECT_EQ(four.host_port_bandwidth, system_named("h100-8").host_port_bandwidth);
  EXPECT_EQ(system_named("a100-1").packages, 1);
  EXPECT_EQ(system_named("rtx-4090-4").packages, 4);
  EXPECT_EQ(system_named("gb200-16").nodes(), 4);
  EXPECT_EQ(system_named("910c-4").dies(), 8);
}

TEST(Catalog, DerivedServersTakeTheNamedChip) {
  const System other = system_named("910b4-8");
  EXPECT_EQ(other.chip.name, "ascend-910b4");
  EXPECT_EQ(other.scale_up.bandwidth, system_named("910b-8").scale_up.bandwidth);
  EXPECT_EQ(system_named("950pr-8").chip.name, "ascend-950pr");
  const auto entry = catalog().entry("910b4-8");
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->kind, "system");
}

TEST(Catalog, ClustersJoinServers) {
  const System cluster = system_named("16xh800-8");
  EXPECT_EQ(cluster.name, "16xh800-8");
  EXPECT_EQ(cluster.packages, 128);
  EXPECT_EQ(cluster.nodes(), 16);
  EXPECT_EQ(cluster.scale_up_packages, 8);
  EXPECT_NEAR(cluster.scale_out.bandwidth / 1e9, 45, 0.1);
  const System slower = system_named("16xh800-8@rdma-200g");
  EXPECT_NEAR(slower.scale_out.bandwidth / 1e9, 22.5, 0.1);
  EXPECT_EQ(system_named("4xgb200-nvl72").scale_up_packages, 72);
  EXPECT_EQ(system_named("2xh100-4").packages, 8);
}

TEST(Catalog, ANodesPortIsSharedByItsDies) {
  const System cluster = system_named("2xa3-node@ethernet-100g");
  EXPECT_NEAR(cluster.scale_out.bandwidth * 16, 12.5e9 * 0.8, 1);
  EXPECT_EQ(cluster.scale_out.name, "ethernet");
}

TEST(Catalog, UnknownNamesListWhatIsNear) {
  EXPECT_EQ(system_error("h101-8").find("system \"h101-8\" is not in the catalog; near it: "), 0u);
  EXPECT_NE(system_error("h101-8").find("h100-8"), std::string::npos);
  EXPECT_NE(system_error("cloudmatrix").find("cloudmatrix384"), std::string::npos);
  EXPECT_NE(system_error("zzzzzzzz").find("expected 910b-8, "), std::string::npos);
  EXPECT_NE(system_error("h100-0").find("not in the catalog"), std::string::npos);
  EXPECT_NE(system_error("16xh900-9").find("not in the catalog"), std::string::npos);
  EXPECT_NE(system_error("2xh100-8@rdma-7g").find("network \"rdma-7g\""), std::string::npos);
  EXPECT_NE(system_error("h100-16").find("at most the 8 of h100-8; a cluster is written"),
            std::string::npos);
  const auto model = catalog().model("deepseek-r2");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
  EXPECT_NE(model.error().message.find("deepseek-r1"), std::string::npos);
  EXPECT_FALSE(catalog().entry("nothing-like-it-at-all").ok());
  EXPECT_FALSE(catalog().entry("").ok());
}

TEST(Catalog, NearNamesAreNearestFirst) {
  const std::vector<std::string> names = {"h100-8", "h200-8", "h800-8", "qwen3-8b"};
  EXPECT_EQ(near_names("h100-9", names), (std::vector<std::string>{"h100-8", "h200-8", "h800-8"}));
  EXPECT_EQ(near_names("qwen3", names), std::vector<std::string>{"qwen3-8b"});
  EXPECT_TRUE(near_names("elephant", names).empty());
}

TEST(Catalog, AFileMayStandOnASystem) {
  const TemporaryFile file("mine.toml", R"(
title = "Ours"
like = "h100-8"
host_speed = { value = 0.5, grade = "U", source = "old processors" }
price_usd_per_hour = { value = 2.2, grade = "C", source = "our contract" }
[scale_out]
network = "rdma-200g"
)");
  const System system = system_named(file.path());
  EXPECT_EQ(system.title, "Ours");
  EXPECT_EQ(system.packages, 8);
  EXPECT_EQ(system.price_per_hour, 2.2);
  EXPECT_EQ(system.host_speed, 0.5);
  EXPECT_NEAR(system.scale_out.bandwidth / 1e9, 22.5, 0.1);
  const auto entry = catalog().entry(file.path());
  ASSERT_TRUE(entry.ok()) << entry.error().message;
  EXPECT_EQ(entry->kind, "system");
  EXPECT_EQ(entry->path, file.path());
}

TEST(Catalog, AFileMayBeACluster) {
  const TemporaryFile file("fleet.toml", R"(
title = "Eighteen nodes"
cluster = { of = "h800-8", count = 18, network = "rdma-400g" }
)");
  const System system = system_named(file.path());
  EXPECT_EQ(system.packages, 144);
  EXPECT_EQ(system.scale_up_packages, 8);
  EXPECT_EQ(system_named("2x" + file.path()).packages, 288);
}

TEST(Catalog, WrongFilesNameLineAndKey) {
  const struct {
    const char* text;
    const char* expected;
  } kCases[] = {
      {"title = \"x\"\nlike = \"h100-9\"\n", "bad.toml:2: like: system \"h100-9\": 9 packages"},
      {"title = \"x\"\nlike = \"h100-8\"\nspeed = 3\n", "bad.toml:3: speed: unknown key"},
      {"like = \"h100-8\"\n", "title: missing"},
      {"title = \"x\"\n", "chip: missing"},
      {"title = \"x\"\nlike = \"h100-8\"\nchip = \"h900\"\n", "bad.toml:3: chip: chip \"h900\""},
      {"title = 3\nlike = \"h100-8\"\n", "bad.toml:1: title: found 3, expected a string"},
      {"title = \"x\"\ncluster = { of = \"h100-8\", count = 0 }\n", "cluster.count: found 0"},
      {"title = \"x\"\ncluster = { of = \"h100-8\", count = 4000000 }\n", "4000000 times h100-8"},
      {"title = \"x\"\nlike = \"h100-8\"\npackages = { value = 4, grade = \"U\", source = "
       "\"s\" }\n",
       "found 8, expected at most the 4 packages"},
      {"title = \n", "bad.toml:1: not TOML"},
  };
  for (const auto& wrong : kCases) {
    const TemporaryFile file("bad.toml", wrong.text);
    const std::string error = system_error(file.path());
    EXPECT_NE(error.find(wrong.expected), std::string::npos) << error;
  }
}

TEST(Catalog, ASystemThatStandsOnItselfIsRefused) {
  TemporaryFile file("loop.toml", "");
  std::ofstream(file.path()) << "title = \"x\"\nlike = \"" << file.path() << "\"\n";
  EXPECT_NE(system_error(file.path()).find("stands on itself"), std::string::npos);
}

TEST(Catalog, ModelsAreReadFromConfigJsonAndFolders) {
  const TemporaryFile file("config.json", R"({"architectures": ["LlamaForCausalLM"],
      "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4,
      "num_hidden_layers": 2, "vocab_size": 256, "max_position_embeddings": 512})");
  for (const std::string& path : {file.path(), file.folder()}) {
    const auto model = catalog().model(path);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->hidden, 64);
    EXPECT_EQ(catalog().entry(path)->kind, "model");
  }
  const auto missing = catalog().model(file.folder() + "/none/config.json");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST(Catalog, WrongModelFilesNameLineAndKey) {
  const struct {
    const char* text;
    const char* expected;
  } kCases[] = {
      {"title = \"x\"\n[[config]]\ngrade = \"C\"\nsource = \"s\"\nhiden_size = 3\n",
       "bad.toml:5: config[0].hiden_size: unknown key"},
      {"title = \"x\"\n[[config]]\nsource = \"s\"\nhidden_size = 3\n", "config[0].grade"},
      {"title = \"x\"\n[[config]]\ngrade = \"C\"\nsource = \"s\"\nhidden_size = \"a\"\n",
       "bad.toml:5: config[0].hidden_size: found \"a\", expected a whole number"},
      {"title = \"x\"\n[[config]]\ngrade = \"C\"\nsource = \"s\"\nhidden_size = 3\n[[config]]\n"
       "grade = \"C\"\nsource = \"s\"\nhidden_size = 3\n",
       "bad.toml:9: config[1].hidden_size: given twice"},
      {"title = \"x\"\n", "architectures: missing"},
  };
  for (const auto& wrong : kCases) {
    const TemporaryFile file("bad.toml", wrong.text);
    const auto model = catalog().model(file.path());
    ASSERT_FALSE(model.ok());
    EXPECT_NE(model.error().message.find(wrong.expected), std::string::npos)
        << model.error().message;
  }
}

TEST(Catalog, DisksAndNetworksLoad) {
  const auto disk = catalog().disk("oceandisk-1800");
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(disk->capacity_bytes, 122.88e12);
  EXPECT_GT(disk->read_bandwidth, 0);
  EXPECT_GT(disk->latency.count(), 0);
  const auto network = catalog().network("rdma-400g");
  ASSERT_TRUE(network.ok());
  EXPECT_NEAR(network->port_bandwidth, 45e9, 1);
  EXPECT_FALSE(catalog().disk("floppy").ok());
}

TEST(Catalog, AFolderWithoutACatalogIsRefused) {
  const auto opened = Catalog::open("/nonexistent");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(Catalog::open_default().ok());
}

}  // namespace
}  // namespace weft
