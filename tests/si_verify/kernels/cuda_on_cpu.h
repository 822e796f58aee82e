// CUDA C++ on the CPU: every thread of a block is a fiber, run in turn up to its next barrier or shuffle. Blocks run one after
// another. Slow, and no statement about a GPU: it executes the kernels' logic where there is none. A barrier that not every
// live thread reaches aborts.
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __device__
#define __global__
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)

struct Triple {
    unsigned x, y, z;
};
static Triple threadIdx, blockIdx, blockDim;

namespace cuda_on_cpu {
enum { RUNNING, AT_WARP, AT_BLOCK };
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done = false;
    int waits = RUNNING;
    unsigned long long slot = 0;
};
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static std::function<void()> body;
static unsigned current;

static void enter() {
    body();
    fibers[current].done = true;
    swapcontext(&fibers[current].context, &scheduler);
}

static void wait(int kind) {
    unsigned me = current;
    fibers[me].waits = kind;
    swapcontext(&fibers[me].context, &scheduler);
}

static bool release(unsigned from, unsigned to, int kind) {
    bool any = false;
    for (unsigned i = from; i < to; ++i) {
        if (fibers[i].done) continue;
        if (fibers[i].waits != kind) return false;
        any = true;
    }
    for (unsigned i = from; any && i < to; ++i) fibers[i].waits = RUNNING;
    return any;
}

static void launch(unsigned grid, unsigned block, std::function<void()> kernel) {
    body = std::move(kernel);
    blockDim = {block, 1, 1};
    for (unsigned b = 0; b < grid; ++b) {
        blockIdx = {b, 0, 0};
        fibers.resize(block);  // stacks are kept from block to block
        for (auto& f : fibers) {
            f.stack.resize(1 << 16);
            f.done = false;
            f.waits = RUNNING;
            getcontext(&f.context);
            f.context.uc_stack.ss_sp = f.stack.data();
            f.context.uc_stack.ss_size = f.stack.size();
            f.context.uc_link = nullptr;
            makecontext(&f.context, enter, 0);
        }
        for (;;) {
            bool moved = false, left = false;
            for (current = 0; current < block; ++current) {
                Fiber& f = fibers[current];
                if (f.done || f.waits != RUNNING) continue;
                threadIdx = {current, 0, 0};
                swapcontext(&scheduler, &f.context);
                moved = true;
            }
            for (unsigned w = 0; w < block; w += 32) moved |= release(w, w + 32 < block ? w + 32 : block, AT_WARP);
            moved |= release(0, block, AT_BLOCK);
            for (auto& f : fibers) left |= !f.done;
            if (!left) break;
            if (!moved) {
                std::fprintf(stderr, "deadlock: threads of a block or warp wait at different barriers\n");
                std::abort();
            }
        }
    }
}
}  // namespace cuda_on_cpu

// A pointer to inputs of whatever type an instance takes.
struct In {
    const void* at;
    template <class T>
    operator const T*() const {
        return static_cast<const T*>(at);
    }
};

static inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void __syncthreads() { cuda_on_cpu::wait(cuda_on_cpu::AT_BLOCK); }
static inline void __syncwarp() { cuda_on_cpu::wait(cuda_on_cpu::AT_WARP); }

template <class T>
static T __shfl_xor_sync(unsigned, T value, int mask) {
    using namespace cuda_on_cpu;
    unsigned me = current;
    std::memcpy(&fibers[me].slot, &value, sizeof value);
    wait(AT_WARP);
    T got;
    std::memcpy(&got, &fibers[me ^ mask].slot, sizeof got);
    wait(AT_WARP);  // nobody writes again before all have read
    return got;
}

static inline void sincospi(double v, double* s, double* c) { *s = std::sin(M_PI * v), *c = std::cos(M_PI * v); }
static inline void sincospif(float v, float* s, float* c) {
    *s = (float)std::sin(M_PI * (double)v), *c = (float)std::cos(M_PI * (double)v);
}
