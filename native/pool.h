#pragma once
// Threads that share the pieces of a job. The caller works too, so a job finishes even when the pool is busy.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace qs {

class Pool {
 public:
  static Pool& shared();
  ~Pool();

  // Total threads of a job, the caller included; at least 1.
  void setThreads(size_t threads);
  size_t threads() const { return threads_.load(); }

  // Runs piece(0..count−1), each once, and returns when all are done. Pieces that have not started when `cancelled`
  // becomes non-zero are skipped, and the result is false. An exception of a piece is rethrown here, that of the first piece
  // if several throw; pieces that have not started by then are skipped.
  bool run(size_t count, const std::function<void(size_t)>& piece, const std::atomic<int32_t>* cancelled);

 private:
  struct Job;
  Pool();
  void work();
  static void take(Job& job);
  void stop();

  std::atomic<size_t> threads_{1};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Job>> jobs_;
  std::vector<std::thread> workers_;
  bool stopping_ = false;
};

}  // namespace qs
