// One run: devices contact, download, install and break; the rules of rollouts decide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "ota/domain/rollout_rules.hpp"
#include "ota/simulate/run.hpp"
#include "simulate/dice.hpp"

namespace ota::simulate {

/// What a device does after the install, as the server sees it.
enum class Acts : std::uint8_t { healthy, loud, silent };

struct Device {
  std::uint32_t group = 0;
  std::uint32_t turn = 0;  ///< events of earlier turns are void
  Bucket bucket = Bucket::assigned;
  ContactClass contact = ContactClass::minutes;  ///< as its task was counted last
  Acts acts = Acts::healthy;
  bool breaks = false;  ///< the firmware breaks it
  bool dead = false;
  bool flaps = false;
  bool present = false;  ///< at any time: its contacts are no events, but for the one that proves it
  bool has_task = false;
  Millis usual{0};  ///< gap between its contacts
  Millis last_contact{0};
  Millis staged_at{0};
  Millis passed_at{0};
};

class Player {
 public:
  Player(const Fleet& fleet, const Plan& plan, std::uint64_t seed);
  Outcome play();

 private:
  // In the order in which they happen at the same moment: timers before contacts.
  enum class Kind : std::uint8_t { look, soaked, lost, gone, contact, verified, report };
  struct Event {
    Millis at;
    Kind kind;
    std::uint32_t device;
    std::uint32_t turn;
    std::uint64_t number;
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : kind != other.kind ? kind > other.kind : number > other.number;
    }
  };

  void populate();
  Device make_device(std::uint32_t group);
  Millis habit(std::uint32_t group);
  Millis draw_gap(const Device& device);
  void schedule(Millis after, Kind kind, std::uint32_t device);
  void handle(const Event& event);

  // What devices do.
  void contacts(std::uint32_t id);
  void start_download(std::uint32_t id);
  void verifies(std::uint32_t id);
  void leaves(std::uint32_t id);

  // What the server does.
  void settle();
  void take_steps();
  void open_next_stage();
  void follow(RolloutEvent event, Cause by);
  bool may_admit() const;
  void admit(std::uint32_t id);
  void admit_present();
  GateRefusal ask_gate(const Device& device) const;
  void pass(std::uint32_t id);
  void push_staged();
  void move(std::uint32_t id, Bucket to);
  Membership membership_of(const Device& device) const;
  const Group& group_of(const Device& device) const { return fleet_.groups[device.group]; }
  Millis soak() const { return std::chrono::seconds{plan_.spec.soak_s}; }
  WallTime wall() const { return WallTime{now_}; }

  const Fleet& fleet_;
  const Plan& plan_;
  Dice dice_;
  Millis now_{0};
  std::uint64_t events_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;

  std::vector<Device> devices_;
  std::vector<Millis> habits_;                     ///< of the groups: usual gap of their flapping devices
  std::vector<std::uint32_t> order_;               ///< of the devices that are always present, at random
  std::size_t walked_ = 0;                         ///< how far `order_` was asked in this stage
  std::vector<std::deque<std::uint32_t>> staged_;  ///< of the groups: present devices that wait at the gate

  std::vector<char> fits_;                         ///< of the groups: their devices may be admitted

  Rollout rollout_;
  RolloutCounts counts_;
  bool changed_ = true;  ///< counters, rollout or time: the rules must be asked again
  std::optional<Millis> look_;
  Outcome outcome_;
};

}  // namespace ota::simulate
