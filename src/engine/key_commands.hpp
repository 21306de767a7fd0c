// KeyControl over the engine's loop.
#pragma once

#include "engine/engine_loop.hpp"
#include "ota/engine/key_control.hpp"

namespace ota::engine {

class KeyCommands final : public KeyControl {
 public:
  explicit KeyCommands(EngineLoop& loop) : loop_(loop) {}

  void put_key(KeyChange change, Caller caller, Done<ApiKey> done) override;
  void remove_key(std::string name, Caller caller, Done<void> done) override;
  void key_used(std::string name) override;

 private:
  EngineLoop& loop_;
};

}  // namespace ota::engine
