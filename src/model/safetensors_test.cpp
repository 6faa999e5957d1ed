// Headers of safetensors files: good ones give their tensors, and each kind of bad one is one line
// that names the file, the tensor, what was found and what was expected.
#include "model/safetensors.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/safetensors_testing.h"

namespace weft {
namespace {

Result<TensorMap> read(const std::string& file) { return read_safetensors(bytes_of(file), "a.st"); }

// The header alone is bad; `message` is part of the line.
void expect_refused(const std::string& file, const std::string& message) {
  const auto tensors = read(file);
  ASSERT_FALSE(tensors.ok()) << message;
  EXPECT_EQ(tensors.error().code, ErrorCode::kBadInput);
  EXPECT_TRUE(tensors.error().message.starts_with("a.st: ")) << tensors.error().message;
  EXPECT_NE(tensors.error().message.find(message), std::string::npos) << tensors.error().message;
  EXPECT_EQ(tensors.error().message.find('\n'), std::string::npos);
}

void expect_header_refused(std::string_view header, const std::string& message) {
  expect_refused(make_safetensors(header, "01234567"), message);
}

TEST(Safetensors, ReadsTensorsInPlace) {
  const std::string file = make_safetensors(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("none":{"dtype":"I64","shape":[0,3],"data_offsets":[4,4]}}   )",
      "01234567");
  const auto tensors = read(file);
  ASSERT_TRUE(tensors.ok()) << tensors.error().message;
  ASSERT_EQ(tensors->size(), 3u);
  const TensorView& b = tensors->at("b");
  EXPECT_EQ(b.type, TensorType::kBf16);
  EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(b.values(), 2);
  ASSERT_EQ(b.bytes.size(), 4u);
  EXPECT_EQ(static_cast<char>(b.bytes[0]), '4');
  EXPECT_EQ(tensors->at("a").values(), 1);
  EXPECT_EQ(static_cast<char>(tensors->at("a").bytes[3]), '3');
  EXPECT_TRUE(tensors->at("none").bytes.empty());
}

TEST(Safetensors, EveryTypeHasItsNameAndSize) {
  for (const auto& [name, bytes] : std::vector<std::pair<std::string, int>>{{"BOOL", 1},
                                                                            {"U8", 1},
                                                                            {"I8", 1},
                                                                            {"U16", 2},
                                                                            {"I16", 2},
                                                                            {"F16", 2},
                                                                            {"BF16", 2},
                                                                            {"U32", 4},
                                                                            {"I32", 4},
                                                                            {"F32", 4},
                                                                            {"U64", 8},
                                                                            {"I64", 8},
                                                                            {"F64", 8},
                                                                            {"F8_E4M3", 1},
                                                                            {"F8_E5M2", 1}}) {
    const auto header = R"({"t":{"dtype":")" + name + R"(","shape":[3],"data_offsets":[0,)" +
                        std::to_string(3 * bytes) + "]}}";
    const auto file = make_safetensors(header, std::string(static_cast<size_t>(3 * bytes), 'x'));
    const auto tensors = read(file);
    ASSERT_TRUE(tensors.ok()) << tensors.error().message;
    EXPECT_EQ(tensor_type_name(tensors->at("t").type), name);
    EXPECT_EQ(tensor_type_bytes(tensors->at("t").type), bytes);
  }
}

TEST(Safetensors, TruncatedFilesAreRefused) {
  expect_refused("", "found 0 bytes");
  expect_refused("1234567", "found 7 bytes");
  const std::string whole =
      make_safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "01234567");
  ASSERT_TRUE(read(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto tensors = read(whole.substr(0, size));
    ASSERT_FALSE(tensors.ok()) << size;
  }
}

TEST(Safetensors, HostileLengthsAreRefused) {
  expect_refused(std::string(8, '\xff') + "{}", "header of 18446744073709551615 bytes");
  expect_refused(std::string("\x64\x00\x00\x00\x00\x00\x00\x00{}", 10), "expected a whole file");
}

TEST(Safetensors, HeadersThatAreNoObjectAreRefused) {
  expect_header_refused("", "JSON object");
  expect_header_refused("[]", "JSON object");
  expect_header_refused(R"( {"a":1})", "JSON object");
  expect_header_refused(R"({"a")", "not JSON");
  expect_header_refused(R"({"a":3})", "expected an object with dtype");
  expect_header_refused(R"({"__metadata__":[]})", "__metadata__");
  expect_header_refused(R"({"__metadata__":{"format":1}})", "__metadata__");
}

TEST(Safetensors, BadFieldsAreRefused) {
  expect_header_refused(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})",
                        "tensor \"a\": dtype: found \"F31\", expected ");
  expect_header_refused(R"({"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})", "dtype");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "shape");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", "shape");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", "shape");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "data_offsets");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})",
                        "data_offsets");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})",
                        "data_offsets");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2]}})", "each once");
  expect_header_refused(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                        "each once");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})",
                        "found \"x\"");
}

TEST(Safetensors, OffsetsThatLeaveTheFileAreRefused) {
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
                        "found 8 to 16, expected a range in the file's 8 bytes");
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "8 to 0");
  expect_header_refused(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})",
      "0 to 18446744073709551615");
}

TEST(Safetensors, SizesThatDoNotFitTheShapeAreRefused) {
  expect_header_refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
                        "found 8 bytes by data_offsets, expected 12 by shape [3] of F32");
  // The product overflows to what the offsets say.
  expect_header_refused(
      R"({"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})", "far more");
  expect_header_refused(
      R"({"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}})", "far more");
}

TEST(Safetensors, OverlapsGapsAndLeftoversAreRefused) {
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},)"
                        R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                        "tensors overlap");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                        R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                        "tensors leave a gap");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[7],"data_offsets":[0,7]}})",
                        "found 1 bytes after the last tensor");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[7],"data_offsets":[1,8]}})", "leave a gap");
}

TEST(Safetensors, NamesStandOnce) {
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                        R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                        "tensor \"a\": named twice");
  expect_header_refused(R"({"a\nb":{"dtype":"U8","shape":[4],"data_offsets":[0,9]}})", "a?b");
}

// Whatever one byte of a good file becomes, views stay inside it.
RC_GTEST_PROP(Safetensors, AChangedByteNeverLeavesTheFile, ()) {
  std::string file = make_safetensors(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                                      R"("b":{"dtype":"I8","shape":[8],"data_offsets":[8,16]}})",
                                      "0123456789abcdef");
  file[*rc::gen::inRange<size_t>(0, file.size())] = *rc::gen::arbitrary<char>();
  const auto tensors = read(file);
  if (!tensors.ok()) return;
  const auto all = bytes_of(file);
  for (const auto& [name, view] : *tensors) {
    RC_ASSERT(view.bytes.data() >= all.data());
    RC_ASSERT(view.bytes.data() + view.bytes.size() <= all.data() + all.size());
    RC_ASSERT(static_cast<size_t>(view.values() * tensor_type_bytes(view.type)) ==
              view.bytes.size());
  }
}

TEST(MappedFile, MapsWhatIsThere) {
  const TemporaryFolder folder;
  folder.write("a", "hello");
  folder.write("empty", "");
  auto file = MappedFile::open(folder.path("a"));
  ASSERT_TRUE(file.ok());
  MappedFile moved = std::move(*file);
  ASSERT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 'o');
  EXPECT_EQ(MappedFile::open(folder.path("empty"))->bytes().size(), 0u);
  EXPECT_EQ(MappedFile::open(folder.path("none")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(MappedFile::open(folder.path("")).error().code, ErrorCode::kBadInput);
}

}  // namespace
}  // namespace weft
