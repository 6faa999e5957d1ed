// Step time from the cost model; which draft tokens are accepted from a hash of seed, request and
// position, so that it does not depend on the order of anything.
#include "sim/model_device.h"

#include "base/check.h"
#include "base/random.h"

namespace weft {

ModelDevice::ModelDevice(Loop& loop, const StepModel& model, const ModelDeviceConfig& config)
    : model_(model),
      seed_(mix64(config.seed)),
      accept_below_(static_cast<uint64_t>(config.acceptance * 0x1.0p53)),
      timer_(loop, Callback<>::to<&ModelDevice::fire>(this)),
      loop_(loop) {}

void ModelDevice::submit(const Batch& batch, StepDone done) {
  CHECK(!timer_.armed(), "one step at a time");
  took_ = model_.time(batch.loads);
  if (slowdown_ != 1.0) took_ = seconds(to_seconds(took_) * slowdown_);
  fill_outputs(batch);
  done_ = std::move(done);
  timer_.arm(loop_.now() + took_);
}

void ModelDevice::fill_outputs(const Batch& batch) {
  outputs_.resize(batch.work.size());
  for (size_t i = 0; i < batch.work.size(); ++i) {
    const SequenceWork& work = batch.work[i];
    int32_t tokens = work.samples ? 1 : 0;
    if (work.decode && work.tokens > 1) {
      const uint64_t stream = seed_ ^ work.request.value();
      const auto at = static_cast<uint64_t>(work.generated);
      while (tokens < work.tokens &&
             (mix64(stream, at + static_cast<uint64_t>(tokens)) >> 11) < accept_below_) {
        ++tokens;
      }
    }
    outputs_[i] = {tokens, false};
  }
}

void ModelDevice::fire() { done_({outputs_, took_}); }

}  // namespace weft
