// Callback: a member function bound to its object, two words, no allocation.
// Lifetime and LifetimeRef: how a late answer learns that its owner is gone.
#pragma once

#include <cstdint>
#include <utility>

namespace weft {

template <class... Args>
class Callback {
 public:
  constexpr Callback() = default;

  // Binds `method` of `owner`; the caller keeps `owner` alive while the callback can be called.
  template <auto Method, class Owner>
  static Callback to(Owner* owner) {
    return Callback(owner, [](void* self, Args... args) {
      (static_cast<Owner*>(self)->*Method)(std::forward<Args>(args)...);
    });
  }

  explicit operator bool() const { return function_ != nullptr; }
  void operator()(Args... args) const { function_(owner_, std::forward<Args>(args)...); }

 private:
  using Function = void (*)(void*, Args...);
  Callback(void* owner, Function function) : owner_(owner), function_(function) {}

  void* owner_ = nullptr;
  Function function_ = nullptr;
};

// A member of an object that hands out LifetimeRefs; when the object dies, they all know.
// For one thread: the references are made, copied and dropped on the loop's thread; moving one to
// another thread and back is fine.
class LifetimeRef;
class Lifetime {
 public:
  Lifetime() : state_(new State) {}
  ~Lifetime() {
    state_->alive = false;
    release(state_);
  }
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

 private:
  friend class LifetimeRef;
  struct State {
    uint32_t references = 1;
    bool alive = true;
  };
  static void release(State* state) {
    if (--state->references == 0) delete state;
  }
  State* state_;
};

class LifetimeRef {
 public:
  LifetimeRef() = default;
  LifetimeRef(const Lifetime& lifetime) : state_(lifetime.state_) { ++state_->references; }
  LifetimeRef(const LifetimeRef& other) : state_(other.state_) {
    if (state_ != nullptr) ++state_->references;
  }
  LifetimeRef(LifetimeRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  LifetimeRef& operator=(LifetimeRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~LifetimeRef() {
    if (state_ != nullptr) Lifetime::release(state_);
  }
  [[nodiscard]] bool alive() const { return state_ != nullptr && state_->alive; }

 private:
  Lifetime::State* state_ = nullptr;
};

// What a port calls when an operation is done. Does nothing once the owner has died: a crashed
// node is a destroyed object, and nothing that was under way may touch it. The tag comes back as
// the first argument.
template <class... Args>
class Completion {
 public:
  Completion() = default;
  Completion(const Lifetime& owner, Callback<uint64_t, Args...> done, uint64_t tag = 0)
      : owner_(owner), done_(done), tag_(tag) {}
  void operator()(Args... args) const {
    if (owner_.alive()) done_(tag_, std::forward<Args>(args)...);
  }

 private:
  LifetimeRef owner_;
  Callback<uint64_t, Args...> done_;
  uint64_t tag_ = 0;
};

}  // namespace weft
