#pragma once
// Accumulators of integers, whose order does not matter: one for each thread that works at a time.
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace qs {

template <typename T>
class PerThread {
 public:
  explicit PerThread(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}

  // Runs work(accumulator) with one that no other thread uses meanwhile. One whose work throws is dropped.
  template <typename Work>
  void use(const Work& work) {
    std::unique_ptr<T> mine = take();
    work(*mine);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(mine));
  }

  // All of them, while no thread works.
  const std::vector<std::unique_ptr<T>>& all() const { return idle_; }
  std::vector<std::unique_ptr<T>> takeAll() { return std::exchange(idle_, {}); }

 private:
  std::unique_ptr<T> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto taken = std::move(idle_.back());
        idle_.pop_back();
        return taken;
      }
    }
    return make_();
  }

  std::function<std::unique_ptr<T>()> make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace qs
