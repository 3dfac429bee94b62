#include "pool.h"

#include <unistd.h>

#include <map>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace edge_mtl {
namespace {

constexpr int kSpins = 2000;

inline void relax() {
#ifdef __x86_64__
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

std::shared_ptr<Pool> Pool::of(int threads) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<Pool>> pools;
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<Pool> pool = pools[threads].lock();
  if (pool == nullptr || pool->process_ != getpid()) {
    pool = std::make_shared<Pool>(threads);
    pools[threads] = pool;
  }
  return pool;
}

Pool::Pool(int threads) : process_(getpid()) {
  for (int worker = 1; worker < threads; ++worker) {
    helpers_.emplace_back([this, worker] { help(worker); });
  }
}

Pool::~Pool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) {
    if (process_ == getpid()) {
      helper.join();
    } else {
      helper.detach();
    }
  }
}

void Pool::run_job(int parts, const Job& job) {
  const std::unique_lock<std::mutex> alone(in_use_, std::try_to_lock);
  if (!alone.owns_lock() || helpers_.empty() || parts < 2) {
    for (int part = 0; part < parts; ++part) job.call(job.work, part, 0);
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    parts_ = parts;
    next_part_.store(0, std::memory_order_relaxed);
    ++jobs_;
  }
  wake_.notify_all();
  take_parts(job, 0);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_ = nullptr;  // who wakes up now has come too late
  }
  // A helper that is not done yet works on its last part: going to sleep would take longer.
  for (int i = 0; i < kSpins && helping_.load(std::memory_order_acquire) != 0; ++i) relax();
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return helping_ == 0; });
}

void Pool::take_parts(const Job& job, int worker) {
  const int parts = parts_;
  for (int part; (part = next_part_.fetch_add(1, std::memory_order_relaxed)) < parts;) {
    job.call(job.work, part, worker);
  }
}

void Pool::help(int worker) {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return closing_ || (job_ != nullptr && jobs_ != seen); });
    if (closing_) return;
    seen = jobs_;
    const Job* const job = job_;
    ++helping_;
    lock.unlock();
    take_parts(*job, worker);
    lock.lock();
    if (--helping_ == 0) done_.notify_one();
  }
}

}  // namespace edge_mtl
