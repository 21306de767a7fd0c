#include "agent/transport_choice.hpp"

#include <algorithm>
#include <utility>

namespace ota::agent {

void TransportChoice::set_order(std::vector<Transport> order) {
  if (order.empty() || order == order_) return;
  order_ = std::move(order);
  auto& first = of(order_.front());
  first.rests_until = {};
  first.failures = first.rest.count() > 0 ? kFailures - 1 : 0;
}

void TransportChoice::begin_task() {
  for (auto& record : records_) record.excluded = false;
}

void TransportChoice::exclude(Transport transport) { of(transport).excluded = true; }

bool TransportChoice::usable(Transport transport, Time now) const {
  const auto& record = of(transport);
  return !record.excluded && record.rests_until <= now &&
         std::find(order_.begin(), order_.end(), transport) != order_.end();
}

Transport TransportChoice::current(Time now) const {
  for (const auto transport : order_)
    if (usable(transport, now)) return transport;
  const auto sooner = [this](Transport a, Transport b) {
    return std::pair(of(a).excluded, of(a).rests_until) < std::pair(of(b).excluded, of(b).rests_until);
  };
  return *std::min_element(order_.begin(), order_.end(), sooner);
}

void TransportChoice::worked(Transport transport) {
  auto& record = of(transport);
  record.failures = 0;
  record.rests_until = {};
  if (++record.successes >= kProven) record.rest = std::chrono::seconds(0);
}

void TransportChoice::failed(Transport transport, Time now) {
  auto& record = of(transport);
  record.successes = 0;
  if (++record.failures >= kFailures) died(transport, now);
}

void TransportChoice::died(Transport transport, Time now) {
  auto& record = of(transport);
  record.successes = 0;
  record.rest = record.rest.count() == 0 ? kRest : std::min(record.rest * 2, kLongestRest);
  record.rests_until = now + record.rest;
  record.failures = kFailures - 1;  // tried again, one failure is enough
}

}  // namespace ota::agent
