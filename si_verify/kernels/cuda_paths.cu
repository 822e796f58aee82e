// A particle's whole trajectory in one launch: field, counter-based noise and stepping; needs cuda_mixture.cu before it.
//
// The drift b + g s at each stage's time is a velocity with another slope and offset, so one weighted sum serves it; the host
// makes those records (cuda_records.py). Noise: si_verify/kernels/philox.py, counter (particle, step, block, stream).

enum { EULER = 0, HEUN = 1, RK4 = 2 };

struct Words {
    unsigned int a, b, c, d;
};

#ifdef __CUDA_ARCH__
// One instruction; from a product of 64-bit numbers the compiler makes two.
__device__ inline unsigned long long product(unsigned int a, unsigned int b) {
    unsigned long long y;
    asm("mul.wide.u32 %0, %1, %2;" : "=l"(y) : "r"(a), "r"(b));
    return y;
}
#else
__device__ inline unsigned long long product(unsigned int a, unsigned int b) { return (unsigned long long)a * b; }
#endif

__device__ inline Words philox(unsigned int c0, unsigned int c1, unsigned int c2, unsigned int c3,
                               unsigned long long seed) {
    unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p0 = product(0xD2511F53u, c0), p1 = product(0xCD9E8D57u, c2);
        c0 = (unsigned int)(p1 >> 32) ^ c1 ^ k0;
        c1 = (unsigned int)p1;
        c2 = (unsigned int)(p0 >> 32) ^ c3 ^ k1;
        c3 = (unsigned int)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return Words{c0, c1, c2, c3};
}

// What CUDA's logf, sqrtf and sincospif do, for uniforms alone: in [2^-33, 1], so no case is special.
#ifdef __CUDA_ARCH__
__device__ inline float root(float x) {
    float y;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ inline int bits_of(float x) { return __float_as_int(x); }
__device__ inline float of_bits(int bits) { return __int_as_float(bits); }
#else
__device__ inline float root(float x) { return sqrtf(x); }
__device__ inline int bits_of(float x) { int bits; memcpy(&bits, &x, sizeof x); return bits; }
__device__ inline float of_bits(int bits) { float x; memcpy(&x, &bits, sizeof x); return x; }
#endif

// u = 2^e m with m in [√½, √2): log m = 2 artanh s, s = (m - 1) / (m + 1). The coefficients are fdlibm's (e_logf.c).
__device__ inline float minus_two_log(float u) {
    const int bits = bits_of(u), e = (bits - 0x3f3504f3) & (int)0xff800000u;
    const float f = of_bits(bits - e) - 1.0f, s = f * reciprocal(2.0f + f), z = s * s;
    const float odd = fmaf(z, fmaf(z, fmaf(z, fmaf(z, 0.24279078841f, 0.28498786688f), 0.40000972152f), 0.66666662693f), 2.0f);
    return fmaf((float)e, -2.0f * 0.69314718056f * 0x1p-23f, -2.0f * s * odd);
}

// cos and sin of 2 pi v, v in [0, 1]: the nearest quarter and what is left of it, which is exact.
__device__ inline void turn(float v, float& cosine, float& sine) {
    const float magic = 12582912.0f;  // 1.5 * 2^23: the last bits are the quarter
    const float shifted = fmaf(v, 4.0f, magic);
    const int quarter = bits_of(shifted);
    const float a = 6.28318530718f * fmaf(shifted - magic, -0.25f, v), z = a * a;
    const float s = fmaf(a * z, fmaf(z, fmaf(z, -1.9515295891e-4f, 8.3321608736e-3f), -1.6666654611e-1f), a);
    const float c = fmaf(z, fmaf(z, fmaf(z, fmaf(z, 2.443315711809948e-5f, -1.388731625493765e-3f), 4.166664568298827e-2f), -0.5f), 1.0f);
    const bool odd = quarter & 1;
    const unsigned low = (unsigned)quarter << 30, minus = 0x80000000u;
    sine = of_bits(bits_of(odd ? c : s) ^ (int)(low & minus));
    cosine = of_bits(bits_of(odd ? s : c) ^ (int)((low + (1u << 30)) & minus));
}

__device__ inline void box_muller(float u, float v, float& even, float& odd) {
    const float radius = root(minus_two_log(u));
    float s, c;
    turn(v, c, s);
    even = radius * c;
    odd = radius * s;
}

__device__ inline void box_muller(double u, double v, double& even, double& odd) {
    const double radius = sqrt(-2.0 * log(u));
    double s, c;
    sincospi(2.0 * v, &s, &c);
    even = radius * c;
    odd = radius * s;
}

__device__ inline float uniform(unsigned int word) { return fmaf((float)word, 0x1p-32f, 0x1p-33f); }

__device__ inline double uniform(unsigned int high, unsigned int low) {
    const unsigned long long bits = (((unsigned long long)high << 32) | low) >> 11;
    return (double)bits * 0x1p-53 + 0x1p-54;
}

__device__ inline int normals(const Words& w, float (&z)[4]) {
    box_muller(uniform(w.a), uniform(w.b), z[0], z[1]);
    box_muller(uniform(w.c), uniform(w.d), z[2], z[3]);
    return 4;
}

__device__ inline int normals(const Words& w, double (&z)[4]) {
    box_muller(uniform(w.a, w.b), uniform(w.c, w.d), z[0], z[1]);
    return 2;
}

template <class Real, int Dim, int Kind, int Points>
__device__ inline void drift(Real (&f)[Points][Dim], const Real (&x)[Points][Dim], const Real* records, int k) {
    Sums<Real, Dim> a[Points];
#pragma unroll
    for (int p = 0; p < Points; ++p) a[p].start();
    absorb<Real, Dim, Kind, VELOCITY, Points>(a, x, records, k);
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Real share = reciprocal(a[p].total);
#pragma unroll
        for (int d = 0; d < Dim; ++d) f[p][d] = share * flowing<Kind>(a[p], x[p][d], d);
    }
}

// to = x + h f, all points
template <class Real, int Dim, int Points>
__device__ inline void along(Real (&to)[Points][Dim], const Real (&x)[Points][Dim], Real h, const Real (&f)[Points][Dim]) {
#pragma unroll
    for (int p = 0; p < Points; ++p)
#pragma unroll
        for (int d = 0; d < Dim; ++d) to[p][d] = x[p][d] + h * f[p][d];
}

// records (stages, K, words): stage i of EULER is t_i, of HEUN t_i and t_{i+1}, of RK4 t_i, t_i + h/2 and t_{i+1} in turn.
// steps (steps, 2): h and the noise's scale sqrt(2 eps |h|). Noisy = false never draws. A thread has Points particles, so
// that a component's record is read once for them.
template <class Real, int Dim, int Kind, int Method, bool Noisy, int Points>
__global__ void paths(const Real* __restrict__ start, Real* end, Index n, const Real* __restrict__ records, int k,
                      const Real* __restrict__ steps, int count, unsigned int first_step, unsigned long long seed,
                      unsigned int stream, unsigned int first_particle) {
    const Index first = (Index)blockIdx.x * blockDim.x * Points + threadIdx.x;
    if (first >= n) return;
    const Index stage = (Index)k * Layout<Dim, Kind>::words;
    Real x[Points][Dim], f[Points][Dim];
#pragma unroll
    for (int p = 0; p < Points; ++p)
#pragma unroll
        for (int d = 0; d < Dim; ++d) {
            const Index row = first + (Index)p * blockDim.x;
            x[p][d] = start[(row < n ? row : first) * Dim + d];  // past the end: the first again, never stored
        }
    for (int i = 0; i < count; ++i) {
        const Real h = steps[2 * (Index)i], scale = steps[2 * (Index)i + 1];
        const Real* here = records + (Method == RK4 ? 2 : 1) * i * stage;
        Real noise[Points][Dim];
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            const unsigned int particle = first_particle + (unsigned int)(first + (Index)p * blockDim.x);
#pragma unroll
            for (int d = 0; d < Dim; ++d) noise[p][d] = Real(0);
            if (Noisy) {
                constexpr int Width = sizeof(Real) == 4 ? 4 : 2;
#pragma unroll
                for (int block = 0; block * Width < Dim; ++block) {
                    Real z[4];
                    normals(philox(particle, first_step + i, block, stream, seed), z);
#pragma unroll
                    for (int j = 0; j < Width; ++j)
                        if (block * Width + j < Dim) noise[p][block * Width + j] = scale * z[j];
                }
            }
        }
        drift<Real, Dim, Kind>(f, x, here, k);
        if (Method == HEUN) {
            Real to[Points][Dim], g[Points][Dim];
            along(to, x, h, f);
            along(to, to, Real(1), noise);
            drift<Real, Dim, Kind>(g, to, here + stage, k);
#pragma unroll
            for (int p = 0; p < Points; ++p)
#pragma unroll
                for (int d = 0; d < Dim; ++d) f[p][d] = Real(0.5) * (f[p][d] + g[p][d]);
        }
        if (Method == RK4) {
            Real to[Points][Dim], g[Points][Dim], sum[Points][Dim];
            along(to, x, Real(0.5) * h, f);
            drift<Real, Dim, Kind>(g, to, here + stage, k);
            along(sum, f, Real(2), g);
            along(to, x, Real(0.5) * h, g);
            drift<Real, Dim, Kind>(g, to, here + stage, k);
            along(sum, sum, Real(2), g);
            along(to, x, h, g);
            drift<Real, Dim, Kind>(g, to, here + 2 * stage, k);
#pragma unroll
            for (int p = 0; p < Points; ++p)
#pragma unroll
                for (int d = 0; d < Dim; ++d) f[p][d] = (sum[p][d] + g[p][d]) / Real(6);
        }
#pragma unroll
        for (int p = 0; p < Points; ++p)
#pragma unroll
            for (int d = 0; d < Dim; ++d) x[p][d] += h * f[p][d] + noise[p][d];
    }
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + (Index)p * blockDim.x;
#pragma unroll
        for (int d = 0; d < Dim; ++d)
            if (row < n) end[row * Dim + d] = x[p][d];
    }
}
