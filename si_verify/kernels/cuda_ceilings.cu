// What a device computes between registers: multiply-adds and powers of two, each thread's chains long enough apart that none
// waits for itself. The answers are written, so that nothing is taken away.

__device__ inline float ceiling_power(float x) {
#ifdef __CUDA_ARCH__
    float y;
    asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return exp2f(x);
#endif
}
__device__ inline double ceiling_power(double x) { return exp2(x); }

enum { CHAINS = 16 };

template <class Real>
__global__ void multiply_adds(Real* out, int rounds) {
    Real x[CHAINS];
    const Real a = Real(0.999), b = Real(threadIdx.x) * Real(1e-3);
#pragma unroll
    for (int i = 0; i < CHAINS; ++i) x[i] = Real(i) + b;
    for (int r = 0; r < rounds; ++r) {
#pragma unroll
        for (int i = 0; i < CHAINS; ++i) x[i] = x[i] * a + b;
    }
    Real sum = 0;
#pragma unroll
    for (int i = 0; i < CHAINS; ++i) sum += x[i];
    out[(long long)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// x <- 2^-x goes to 0.641; a sign costs nothing, and no other unit takes part.
template <class Real>
__global__ void powers(Real* out, int rounds) {
    Real x[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; ++i) x[i] = Real(threadIdx.x + i) * Real(1e-3);
    for (int r = 0; r < rounds; ++r) {
#pragma unroll
        for (int i = 0; i < CHAINS; ++i) x[i] = ceiling_power(-x[i]);
    }
    Real sum = 0;
#pragma unroll
    for (int i = 0; i < CHAINS; ++i) sum += x[i];
    out[(long long)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
