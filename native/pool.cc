#include "pool.h"

#include <algorithm>
#include <exception>

namespace qs {

struct Pool::Job {
  const std::function<void(size_t)>* piece;
  size_t count;
  const std::atomic<int32_t>* cancelled;
  std::atomic<size_t> next{0};
  std::atomic<size_t> left;
  std::atomic<bool> complete{true};
  std::atomic<bool> failed{false};
  size_t failedIndex = 0;      // guarded by mutex
  std::exception_ptr failure;  // of the first piece that failed; guarded by mutex
  std::mutex mutex;
  std::condition_variable done;
};

Pool& Pool::shared() {
  static Pool* pool = new Pool();  // never destroyed: threads may outlive static destruction
  return *pool;
}

Pool::Pool() { setThreads(std::max(1u, std::thread::hardware_concurrency())); }
Pool::~Pool() { stop(); }

void Pool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  stopping_ = false;
}

void Pool::setThreads(size_t threads) {
  threads = std::clamp<size_t>(threads, 1, 256);
  if (threads == threads_.load() && workers_.size() + 1 == threads) return;
  stop();
  threads_ = threads;
  for (size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

void Pool::take(Job& job) {
  for (;;) {
    const size_t index = job.next.fetch_add(1);
    if (index >= job.count) return;
    if (job.failed.load() || (job.cancelled != nullptr && job.cancelled->load(std::memory_order_relaxed) != 0)) {
      job.complete = false;
    } else {
      try {
        (*job.piece)(index);
      } catch (...) {
        const std::lock_guard lock(job.mutex);
        if (!job.failed || index < job.failedIndex) {
          job.failedIndex = index;
          job.failure = std::current_exception();
        }
        job.failed = true;
      }
    }
    if (job.left.fetch_sub(1) == 1) {
      const std::lock_guard lock(job.mutex);
      job.done.notify_all();
    }
  }
}

void Pool::work() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = jobs_.front();
      if (job->next.load() >= job->count) {
        jobs_.erase(jobs_.begin());
        continue;
      }
    }
    take(*job);
  }
}

bool Pool::run(size_t count, const std::function<void(size_t)>& piece, const std::atomic<int32_t>* cancelled) {
  if (count == 0) return true;
  auto job = std::make_shared<Job>();
  job->piece = &piece;
  job->count = count;
  job->cancelled = cancelled;
  job->left = count;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  wake_.notify_all();
  take(*job);
  {
    std::unique_lock lock(job->mutex);
    job->done.wait(lock, [&] { return job->left.load() == 0; });
  }
  const std::lock_guard lock(mutex_);
  std::erase(jobs_, job);
  if (job->failure) std::rethrow_exception(job->failure);
  return job->complete.load();
}

}  // namespace qs
