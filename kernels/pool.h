// A few threads that help with one piece of work at a time and sleep in between.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace edge_mtl {

class Pool {
 public:
  // The pool of so many threads that work at once, the caller of `run` among them: whoever asks for
  // the same number gets the same one, for as long as anybody has it.
  static std::shared_ptr<Pool> of(int threads);

  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls work(part, worker) for every part below `parts` and returns when all are done. Calls with
  // the same worker, a number below `threads`, follow one another. The caller starts at once,
  // helpers join when they are awake. Where another thread is using the pool the caller does all of
  // it alone. `work` must not throw.
  template <typename Work>
  void run(int parts, const Work& work) {
    const Job job{&work, [](const void* it, int part, int worker) {
                    (*static_cast<const Work*>(it))(part, worker);
                  }};
    run_job(parts, job);
  }

 private:
  struct Job {
    const void* work;
    void (*call)(const void* work, int part, int worker);
  };

  void run_job(int parts, const Job& job);
  void take_parts(const Job& job, int worker);
  void help(int worker);

  std::mutex in_use_;  // by the caller of `run`

  std::mutex mutex_;  // of what follows
  std::condition_variable wake_, done_;
  const Job* job_ = nullptr;
  std::atomic<int> helping_{0};  // changes under the mutex
  uint64_t jobs_ = 0;
  bool closing_ = false;

  const int process_;  // a child of a fork has the object, but not its helpers
  int parts_ = 0;
  std::atomic<int> next_part_{0};
  std::vector<std::thread> helpers_;
};

}  // namespace edge_mtl
