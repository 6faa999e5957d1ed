// World: a deployment on modelled hardware with a workload and faults, on any clock. On the virtual
// clock it is the simulator, on the wall clock the emulator.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cost/step_model.h"
#include "node/deployment.h"
#include "runtime/loop.h"
#include "sim/model_transport.h"
#include "sim/player.h"
#include "sim/scenario.h"

namespace weft {

class ModelDevice;

struct WorldObserver {
  Callback<const RequestRecord&> request_ended;
  Callback<const StepReport&> step_done;
};

class World {
 public:
  // kBadInput when a fault names something that is not there. Everything given outlives the world.
  static Result<std::unique_ptr<World>> make(Clock& clock, const Deployment& deployment,
                                             Scenario& scenario, WorldObserver observer);
  ~World();

  // Plays to the end of the workload and of its last request. `progress` is called now and then.
  // An emulator does not call it, runs the loop and submits to the cluster's router itself.
  Status run(const std::function<void()>& progress = {});

  // What run() checks: with 0 nothing; else the nodes that an event touched after every event, all
  // of them now and then, and each block they hold every `every`-th event and at the end.
  void set_integrity_checks(int64_t every);

  [[nodiscard]] Cluster& cluster() { return *cluster_; }
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const Player& player() const { return player_; }
  [[nodiscard]] const ModelTransport& transport() const { return transport_; }
  [[nodiscard]] Instant last_end() const { return last_end_; }
  [[nodiscard]] const Deployment& deployment() const { return deployment_; }
  // Nothing runs, nothing is held, every block is free.
  [[nodiscard]] bool drained();

 private:
  struct Fault {
    Fault(World& owner, const FaultConfig& what, std::vector<size_t> nodes);
    void fire();
    World& world;
    FaultConfig config;
    std::vector<size_t> targets;  // instances, or instances + i for cache i
    int tier = 0;
    bool on = false;
    Timer timer;
  };
  World(Clock& clock, const Deployment& deployment, Scenario& scenario, WorldObserver observer);
  Status add_faults(const std::vector<FaultConfig>& faults);
  Result<std::vector<size_t>> find_targets(const FaultConfig& fault, int& tier) const;
  void apply(const Fault& fault, bool on);
  void apply_down(size_t target, bool on);
  std::unique_ptr<Device> make_device(size_t instance);
  std::vector<std::unique_ptr<Store>> make_stores(size_t cache);
  void request_ended(const RequestRecord& record);
  void check();
  void check_deeply();

  const Deployment& deployment_;
  uint64_t seed_;
  WorldObserver observer_;
  Loop loop_;
  ModelTransport transport_;
  std::vector<StepModel> models_;  // by group
  std::vector<double> slowdown_;   // by instance
  Player player_;
  bool plays_ = false;
  std::unique_ptr<Cluster> cluster_;
  std::vector<std::unique_ptr<Fault>> faults_;
  Instant last_end_;
  int64_t check_every_ = 0;
  int64_t checks_ = 0;
};

}  // namespace weft
