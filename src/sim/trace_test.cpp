// Every trace format on a few lines of text, and every way in which a trace can be wrong.
#include "sim/trace.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <numeric>

#include "sim/trace_testing.h"

namespace weft {
namespace {

struct Played {
  std::vector<TraceRow> rows;
  TraceNotes notes;
  std::string error;  // empty: read to the end
};

Played play(std::string_view text, const TraceOptions& options = {}) {
  Played out;
  auto reader = TraceReader::from_memory(text, "t", options);
  if (!reader) return out.error = reader.error().message, out;
  TraceRow row;
  for (;;) {
    auto more = reader->next(row);
    if (!more) return out.error = more.error().message, out;
    if (!*more) break;
    out.rows.push_back(row);
  }
  out.notes = reader->notes();
  return out;
}

TraceFormat format_of(std::string_view text) {
  auto reader = TraceReader::from_memory(text, "t");
  EXPECT_TRUE(reader.ok());
  return reader->format();
}

constexpr const char* kMooncake =
    R"({"timestamp": 0, "input_length": 1100, "output_length": 52, "hash_ids": [7, 8, 9]})"
    "\n"
    R"({"timestamp": 3052, "input_length": 512, "output_length": 0, "hash_ids": [7]})"
    "\n";

TEST(Trace, ReadsMooncake) {
  EXPECT_EQ(format_of(kMooncake), TraceFormat::kMooncake);
  const Played played = play(kMooncake);
  ASSERT_EQ(played.rows.size(), 2u) << played.error;
  EXPECT_EQ(played.rows[0].prompt, 1100);
  EXPECT_EQ(played.rows[0].output, 52);
  EXPECT_EQ(played.rows[0].segments,
            (std::vector<Segment>{{7, Tokens(512)}, {8, Tokens(512)}, {9, Tokens(76)}}));
  EXPECT_EQ(played.rows[1].at_ns, 3'052'000'000);
  EXPECT_EQ(played.rows[1].segments, (std::vector<Segment>{{7, Tokens(512)}}));
  EXPECT_EQ(played.rows[1].output, 1) << "an answer of 0 tokens counts as 1";
  EXPECT_EQ(played.notes.raised, 1u);
}

TEST(Trace, HashIdsMayBeFewerButNotMoreThanThePromptHolds) {
  const Played fewer =
      play(R"({"timestamp":0,"input_length":1100,"output_length":5,"hash_ids":[7]})");
  ASSERT_EQ(fewer.rows.size(), 1u);
  EXPECT_EQ(fewer.rows[0].segments, (std::vector<Segment>{{7, Tokens(512)}}));
  const Played more =
      play(R"({"timestamp":0,"input_length":500,"output_length":5,"hash_ids":[7,8]})");
  EXPECT_EQ(more.error,
            "t:1: found 2 hash_ids for 500 tokens, expected at most 1 of 512 tokens each");
  const Played other =
      play(R"({"timestamp":0,"input_length":500,"output_length":5,"hash_ids":[7,8]})",
           {.hash_tokens = 256});
  ASSERT_EQ(other.rows.size(), 1u) << other.error;
  EXPECT_EQ(other.rows[0].segments, (std::vector<Segment>{{7, Tokens(256)}, {8, Tokens(244)}}));
}

TEST(Trace, ReadsBailianAndItsConversations) {
  const std::string text =
      R"({"chat_id": 55, "parent_chat_id": -1, "timestamp": 1.5, "input_length": 20, )"
      R"("output_length": 3, "type": "text", "turn": 1, "hash_ids": [4, 5]})"
      "\n"
      R"({"chat_id": 60, "parent_chat_id": -1, "timestamp": 2, "input_length": 8, )"
      R"("output_length": 3, "type": "text", "turn": 1, "hash_ids": [9]})"
      "\n"
      R"({"chat_id": 159, "parent_chat_id": 55, "timestamp": 61.114, "input_length": 40, )"
      R"("output_length": 3, "type": "text", "turn": 2, "hash_ids": [4, 6, 7]})"
      "\n"
      R"({"chat_id": 200, "parent_chat_id": 159, "timestamp": 90, "input_length": 40, )"
      R"("output_length": 3, "type": "text", "turn": 3, "hash_ids": [4, 6, 7]})"
      "\n"
      R"({"chat_id": 201, "parent_chat_id": 7, "timestamp": 91, "input_length": 4, )"
      R"("output_length": 3, "type": "text", "turn": 2, "hash_ids": [1]})"
      "\n";
  EXPECT_EQ(format_of(text), TraceFormat::kBailian);
  const Played played = play(text);
  ASSERT_EQ(played.rows.size(), 5u) << played.error;
  EXPECT_EQ(played.rows[0].segments, (std::vector<Segment>{{4, Tokens(16)}, {5, Tokens(4)}}));
  EXPECT_EQ(played.rows[2].at_ns, 61'114'000'000);
  EXPECT_EQ(played.rows[2].conversation, played.rows[0].conversation);
  EXPECT_EQ(played.rows[3].conversation, played.rows[0].conversation);
  EXPECT_NE(played.rows[1].conversation, played.rows[0].conversation);
  EXPECT_NE(played.rows[4].conversation, 0u) << "its parent is not in the file";
}

TEST(Trace, ReadsAzureAcrossMidnight) {
  const std::string text =
      "\xEF\xBB\xBFTIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 23:59:59.9799600,4808,10\r\n\r\n"
      "2023-11-17 00:00:00.0799600,3180,8";
  EXPECT_EQ(format_of(text), TraceFormat::kAzure);
  const Played played = play(text);
  ASSERT_EQ(played.rows.size(), 2u) << played.error;
  EXPECT_EQ(played.rows[0].at_ns, 0);
  EXPECT_EQ(played.rows[1].at_ns, 100'000'000);
  EXPECT_EQ(played.rows[1].prompt, 3180);
}

TEST(Trace, ReadsBurstGptAndLeavesFailuresOut) {
  const std::string text =
      "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "5,ChatGPT,472,18,490,Conversation log\n"
      "45,ChatGPT,1087,0,1087,Conversation log\n"
      "118.5,\"GPT-4, turbo\",417,276,693,API log\n";
  EXPECT_EQ(format_of(text), TraceFormat::kBurstGpt);
  const Played played = play(text);
  ASSERT_EQ(played.rows.size(), 2u) << played.error;
  EXPECT_EQ(played.rows[0].at_ns, 0);
  EXPECT_EQ(played.rows[1].at_ns, 113'500'000'000);
  EXPECT_EQ(played.rows[1].output, 276);
  EXPECT_EQ(played.notes.failed, 1u);
}

TEST(Trace, ReadsApexAsAskedOrAsServed) {
  const std::string text =
      "StartTimeOffset_ns,RequestID,ContextTokens,GeneratedTokens,Measured8TP_PromptTokens,"
      "Measured8TP_GeneratedTokens\n"
      "1000,aa,304,822,,\n"
      "2500,bb,497,1783,498,12\n";
  EXPECT_EQ(format_of(text), TraceFormat::kApex);
  const Played asked = play(text);
  ASSERT_EQ(asked.rows.size(), 2u) << asked.error;
  EXPECT_EQ(asked.rows[0].at_ns, 1000) << "its own zero";
  EXPECT_EQ(asked.rows[1].output, 1783);
  const Played served = play(text, {.served_lengths = true});
  ASSERT_EQ(served.rows.size(), 2u) << served.error;
  EXPECT_EQ(served.rows[0].output, 822) << "no record, so as asked";
  EXPECT_EQ(served.rows[1].prompt, 498);
  EXPECT_EQ(served.rows[1].output, 12);
  EXPECT_NE(play(kMooncake, {.served_lengths = true}).error, "");
}

TEST(Trace, ReadsEngineLogs) {
  const std::string text = R"({"request_id": "b-0", "input_toks": 2358, "output_toks": 531, )"
                           R"("arrival_time": 1777142838.338653, "queued_ts": 4.5})"
                           "\n"
                           R"({"request_id": "b-1", "input_toks": 1034, "output_toks": 769, )"
                           R"("arrival_time": 1777142838.6237123, "queued_ts": 4.6})"
                           "\n";
  EXPECT_EQ(format_of(text), TraceFormat::kEngineLog);
  const Played played = play(text);
  ASSERT_EQ(played.rows.size(), 2u) << played.error;
  EXPECT_EQ(played.rows[0].at_ns, 0);
  EXPECT_EQ(played.rows[1].at_ns, 285'059'300);
}

TEST(Trace, ReadsPlainCsvWithItsOptionalColumns) {
  const std::string text =
      "output_tokens,arrival_s,input_tokens,conversation,priority,deadline_s,remark\n"
      "30,0.25,100,alice,2,1.5,x\n"
      "31,0.5,101,,,,\n"
      "32,0.75,102,alice,-1,0,y\n";
  EXPECT_EQ(format_of(text), TraceFormat::kCsv);
  const Played played = play(text);
  ASSERT_EQ(played.rows.size(), 3u) << played.error;
  EXPECT_EQ(played.rows[0].at_ns, 250'000'000);
  EXPECT_EQ(played.rows[0].prompt, 100);
  EXPECT_EQ(played.rows[0].output, 30);
  EXPECT_EQ(played.rows[0].priority, 2);
  EXPECT_EQ(played.rows[0].deadline, milliseconds(1500));
  EXPECT_NE(played.rows[0].conversation, 0u);
  EXPECT_EQ(played.rows[1].conversation, 0u);
  EXPECT_EQ(played.rows[1].priority, 0);
  EXPECT_EQ(played.rows[2].conversation, played.rows[0].conversation);
  EXPECT_EQ(played.rows[2].priority, -1);
}

TEST(Trace, ReadsLengthsWithoutTimes) {
  for (const char* text : {"num_prefill_tokens,num_decode_tokens,pd_ratio\n74,918,0.08\n0,5,0\n",
                           "input_tokens,output_tokens\n74,918\n0,5\n"}) {
    EXPECT_EQ(format_of(text), TraceFormat::kLengths);
    const Played played = play(text);
    ASSERT_EQ(played.rows.size(), 2u) << played.error;
    EXPECT_EQ(played.rows[0].output, 918);
    EXPECT_EQ(played.rows[1].prompt, 1);
  }
}

TEST(Trace, ErrorsNameFileLineWhatWasFoundAndWhatWasExpected) {
  const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  const std::string csv = "arrival_s,input_tokens,output_tokens,deadline_s\n";
  const std::string good =
      R"({"timestamp": 0, "input_length": 5, "output_length": 5, "hash_ids": [1]})"
      "\n";
  const std::pair<std::string, std::string> cases[] = {
      {azure + "2023-11-16 18:17:03,5\n", "t:2: found 2 columns in"},
      {azure + "yesterday,5,5\n",
       "t:2: found \"yesterday\" in column TIMESTAMP, expected a time like"},
      {azure + "2023-11-16 18:17:03,-5,5\n",
       "t:2: found \"-5\" in column ContextTokens, expected a token"},
      {azure + "2023-11-16 18:17:03,5,99999999999\n",
       "found \"99999999999\" in column GeneratedTokens"},
      {csv + "nan,5,5,0\n", "t:2: found \"nan\" in column arrival_s, expected seconds, 0 or more"},
      {csv + "-1,5,5,0\n", "t:2: found \"-1\" in column arrival_s"},
      {csv + "1,5,5,0\n1,5,x,0\n", "t:3: found \"x\" in column output_tokens"},
      {csv + "1,5,5,-3\n", "t:2: found \"-3\" in column deadline_s"},
      {good + "{\"timestamp\": 1\n", "t:2: found \"{\"timestamp\": 1\", expected one JSON object"},
      {good + good.substr(0, good.size() - 1) + "x\n", "t:2: found"},
      {good + "[1, 2]\n", "t:2: found \"[1, 2]\", expected one JSON object"},
      {good + "{\"timestamp\": 1, \"input_length\": 5}\n", "t:2: found no output_length in"},
      {good + "{\"timestamp\": \"1\", \"input_length\": 5, \"output_length\": 5}\n",
       "for timestamp, expected"},
      {good + "{\"timestamp\": 1, \"input_length\": 5.5, \"output_length\": 5}\n",
       "found \"5.5\" for input_length"},
      {good + "{\"timestamp\": 1, \"input_length\": 5, \"output_length\": -5}\n",
       "found \"-5\" for output_length"},
      {good + "{\"timestamp\": 1, \"hash_ids\": [1, \"a\"]}\n",
       "t:2: found no whole number in place 1 of hash_ids"},
      {good + "{\"timestamp\": 1, \"hash_ids\": 4}\n", "t:2: found no array for hash_ids"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string error = play(text).error;
    EXPECT_NE(error.find(expected), std::string::npos) << error << "\n  expected: " << expected;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Trace, WhatIsNoTraceIsRefusedAtOnce) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "t: found an empty file"},
      {"\n \n\r\n", "t: found an empty file"},
      {"hello\n", "t:1: found \"hello\", expected a trace"},
      {"{\"a\": 1}\n", "t:1: found \"{\"a\": 1}\", expected a trace"},
      {"{", "t:1: found \"{\", expected a trace"},
      {std::string("\x7f"
                   "ELF\x02\x01\0\0",
                   8),
       "t:1: found binary data"},
      {"a,b,c\n1,2,3\n", "expected a trace"},
      {"arrival_s,input_tokens,output_tokens\n", "t: found no request in 1 lines"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string error = play(text).error;
    EXPECT_NE(error.find(expected), std::string::npos) << error << "\n  expected: " << expected;
  }
  EXPECT_EQ(TraceReader::open("/nowhere/at.all").error().code, ErrorCode::kNotFound);
  EXPECT_NE(TraceReader::open("/").error().message.find("found a folder"), std::string::npos);
}

TEST(Trace, ALineWithoutEndIsAnError) {
  const std::string error = play(std::string(kLongestLine + 1, 'x')).error;
  EXPECT_NE(error.find("t:1: found a line over"), std::string::npos) << error;
}

std::string csv_with_times(const std::vector<int>& times) {
  std::string out = "arrival_s,input_tokens,output_tokens\n";
  for (size_t i = 0; i < times.size(); ++i) out += fmt::format("{},{},1\n", times[i], i + 1);
  return out;
}

TEST(Trace, NeighboursOutOfOrderAreSortedAndTiesKeepTheirOrder) {
  const Played played = play(csv_with_times({3, 1, 2, 2, 0}));
  ASSERT_EQ(played.rows.size(), 5u);
  std::vector<int64_t> order;
  order.reserve(played.rows.size());
  for (const TraceRow& row : played.rows) order.push_back(row.prompt);
  EXPECT_EQ(order, (std::vector<int64_t>{5, 2, 3, 4, 1}));
}

TEST(Trace, ARowFarOutOfPlaceIsAnErrorThatNamesItsLine) {
  std::vector<int> times(3000);
  std::iota(times.begin(), times.end(), 0);
  times.push_back(10);
  const Played played = play(csv_with_times(times));
  EXPECT_NE(played.error.find("t:3002: found a time"), std::string::npos) << played.error;
  EXPECT_NE(played.error.find("sort the file"), std::string::npos) << played.error;
}

TEST(Trace, EveryCutOfAFileEndsInRowsOrAnError) {
  const std::string text = std::string(kMooncake) + kMooncake;
  for (size_t size = 0; size < text.size(); ++size) {
    const Played played = play(std::string_view(text).substr(0, size));
    EXPECT_EQ(played.error.find('\n'), std::string::npos);
    EXPECT_LE(played.rows.size(), 4u);
  }
}

// The text as one compressed stream, the way gzip and zstd write it.
std::string compress(const std::string& text, int (*add_filter)(archive*)) {
  std::string out(text.size() + 1024, '\0');
  size_t used = 0;
  archive* writer = archive_write_new();
  add_filter(writer);
  archive_write_set_format_raw(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, text.data(), text.size());
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

TEST(Trace, CompressedFilesReadAlikeAndBrokenOnesAreErrors) {
  std::vector<int> times(20'000);
  for (size_t i = 0; i < times.size(); ++i) times[i] = static_cast<int>(i / 3);
  const std::string text = csv_with_times(times);
  for (auto* filter : {archive_write_add_filter_gzip, archive_write_add_filter_zstd}) {
    const std::string bytes = compress(text, filter);
    ASSERT_LT(bytes.size(), text.size());
    const Played whole = play(bytes);
    EXPECT_EQ(whole.rows.size(), times.size()) << whole.error;
    const Played half = play(std::string_view(bytes).substr(0, bytes.size() / 2));
    EXPECT_NE(half.error.find("t: found broken data"), std::string::npos) << half.error;
    EXPECT_EQ(half.error.find('\n'), std::string::npos);
  }
}

TEST(Trace, MemoryAndFileReadAlike) {
  TemporaryFolder folder;
  const std::string text = csv_with_times({1, 2, 3});
  auto reader = TraceReader::open(folder.write("a.csv", text));
  ASSERT_TRUE(reader.ok());
  TraceRow row;
  size_t rows = 0;
  while (reader->next(row).value()) ++rows;
  EXPECT_EQ(rows, play(text).rows.size());
  EXPECT_EQ(reader->progress(), 1.0);
}

TEST(TokenColumn, ReadsOneColumnByName) {
  TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "x,y\n1,20\n2,0\n");
  EXPECT_EQ(read_token_column(path, "y").value(), (std::vector<double>{20, 1}));
  EXPECT_NE(read_token_column(path, "z").error().message.find("expected one named z"),
            std::string::npos);
  const std::string bad = folder.write("b.csv", "x,y\n1,20\n2\n");
  EXPECT_NE(read_token_column(bad, "y").error().message.find("b.csv:3: found \"\""),
            std::string::npos);
}

}  // namespace
}  // namespace weft
