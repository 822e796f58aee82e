// A particle's whole trajectory in one launch: field, counter-based noise and stepping; needs cuda_mixture.cu before it.
//
// The drift b + g s at each stage's time is a velocity with another slope and offset, so one weighted sum serves it; the host
// makes those records (cuda_records.py). Noise: si_verify/kernels/philox.py, counter (particle, step, block, stream).

enum { EULER = 0, HEUN = 1, RK4 = 2 };

struct Words {
    unsigned int a, b, c, d;
};

__device__ inline Words philox(unsigned int c0, unsigned int c1, unsigned int c2, unsigned int c3,
                               unsigned long long seed) {
    unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p0 = (unsigned long long)0xD2511F53u * c0, p1 = (unsigned long long)0xCD9E8D57u * c2;
        c0 = (unsigned int)(p1 >> 32) ^ c1 ^ k0;
        c1 = (unsigned int)p1;
        c2 = (unsigned int)(p0 >> 32) ^ c3 ^ k1;
        c3 = (unsigned int)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return Words{c0, c1, c2, c3};
}

__device__ inline void box_muller(float u, float v, float& even, float& odd) {
    const float radius = sqrtf(-2.0f * logf(u));
    float s, c;
    sincospif(2.0f * v, &s, &c);
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

template <class Real, int Dim, int Kind>
__device__ inline void drift(Real (&f)[Dim], const Real (&x)[Dim], const Real* records, int k) {
    Sums<Real, Dim> a;
    a.start();
    absorb<Real, Dim, Kind, VELOCITY, true>(a, x, records, k);
    const Real share = Real(1) / a.total;
#pragma unroll
    for (int d = 0; d < Dim; ++d)
        f[d] = share * (Kind == ISOTROPIC ? a.b[d] + a.weighted_slope * x[d] : a.b[d]);
}

template <class Real, int Dim>
__device__ inline void along(Real (&to)[Dim], const Real (&x)[Dim], Real h, const Real (&f)[Dim]) {
#pragma unroll
    for (int d = 0; d < Dim; ++d) to[d] = x[d] + h * f[d];
}

// records (stages, K, words): stage i of EULER is t_i, of HEUN t_i and t_{i+1}, of RK4 t_i, t_i + h/2 and t_{i+1} in turn.
// steps (steps, 2): h and the noise's scale sqrt(2 eps |h|). Noisy = false never draws.
template <class Real, int Dim, int Kind, int Method, bool Noisy>
__global__ void paths(const Real* __restrict__ start, Real* end, Index n, const Real* __restrict__ records, int k,
                      const Real* __restrict__ steps, int count, unsigned int first_step, unsigned long long seed,
                      unsigned int stream, unsigned int first_particle) {
    const Index row = (Index)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n) return;
    const Index stage = (Index)k * Layout<Dim, Kind>::words;
    Real x[Dim], f[Dim];
#pragma unroll
    for (int d = 0; d < Dim; ++d) x[d] = start[row * Dim + d];
    for (int i = 0; i < count; ++i) {
        const Real h = steps[2 * (Index)i], scale = steps[2 * (Index)i + 1];
        const Real* here = records + (Method == RK4 ? 2 : 1) * i * stage;
        Real noise[Dim];
#pragma unroll
        for (int d = 0; d < Dim; ++d) noise[d] = Real(0);
        if (Noisy) {
            constexpr int Width = sizeof(Real) == 4 ? 4 : 2;
#pragma unroll
            for (int block = 0; block * Width < Dim; ++block) {
                Real z[4];
                normals(philox(first_particle + (unsigned int)row, first_step + i, block, stream, seed), z);
#pragma unroll
                for (int j = 0; j < Width; ++j)
                    if (block * Width + j < Dim) noise[block * Width + j] = scale * z[j];
            }
        }
        drift<Real, Dim, Kind>(f, x, here, k);
        if (Method == HEUN) {
            Real to[Dim], g[Dim];
            along(to, x, h, f);
#pragma unroll
            for (int d = 0; d < Dim; ++d) to[d] += noise[d];
            drift<Real, Dim, Kind>(g, to, here + stage, k);
#pragma unroll
            for (int d = 0; d < Dim; ++d) f[d] = Real(0.5) * (f[d] + g[d]);
        }
        if (Method == RK4) {
            Real to[Dim], g[Dim], sum[Dim];
            along(to, x, Real(0.5) * h, f);
            drift<Real, Dim, Kind>(g, to, here + stage, k);
            along(sum, f, Real(2), g);
            along(to, x, Real(0.5) * h, g);
            drift<Real, Dim, Kind>(g, to, here + stage, k);
            along(sum, sum, Real(2), g);
            along(to, x, h, g);
            drift<Real, Dim, Kind>(g, to, here + 2 * stage, k);
#pragma unroll
            for (int d = 0; d < Dim; ++d) f[d] = (sum[d] + g[d]) / Real(6);
        }
#pragma unroll
        for (int d = 0; d < Dim; ++d) x[d] += h * f[d] + noise[d];
    }
#pragma unroll
    for (int d = 0; d < Dim; ++d) end[row * Dim + d] = x[d];
}
