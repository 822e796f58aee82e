// Mixture fields: log-density, score and velocity in one pass over the components, online softmax, nothing N x K.
//
// What the arrays hold is prepared on the host in float64 (cuda_records.py): logits are in units of log 2, so that a weight is
// one exp2, and precisions carry the factor (log2 e) / 2; what that adds is taken away once a point, not once a component.
//
// The kernel of this file, for few dimensions: a thread owns Points points and has all their coordinates in registers; the
// block shares tiles of components. The sums are expanded where that saves work, Σ w (m - x) as Σ w m and x Σ w: they lose
// what the condition number in x has room for. Differences enter the logits as they are.
//
// Offsets into arrays are 64-bit: N·D, K·D and K·D·D pass 2^31. The code is plain C++ but for the words of CUDA, and the tests
// run it on the CPU through tests/si_verify/kernels/cuda_on_cpu.h.

enum { ISOTROPIC = 0, DIAGONAL = 1, FULL = 2 };
enum { DENSITY = 1, SCORE = 2, VELOCITY = 4 };
enum { GROUP = 4, HEAD = 4, LANES = 32 };
// Components whose sums grow in registers, a multiple of GROUP: n additions lose about √n / 3 units in the last place. What
// more components leave is parked in the answers' own memory between stretches, and joins sum by sum.
enum { STRETCH = 4096 };

typedef long long Index;

// Points and components may come as bfloat16; they are widened as they are loaded, and every sum is float.
struct Bfloat16 {
    unsigned short bits;
};
__device__ inline float widen(Bfloat16 v) { return __uint_as_float((unsigned)v.bits << 16); }
__device__ inline float widen(float v) { return v; }
__device__ inline double widen(double v) { return v; }

template <bool First, class A, class B>
struct Choose {
    typedef A type;
};
template <class A, class B>
struct Choose<false, A, B> {
    typedef B type;
};

#ifdef __CUDA_ARCH__
// exp2f spends three slots on subnormal answers, and no weight below 2^-126 of the largest adds anything to a sum.
__device__ inline float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
// 1 unit in the last place; of sums of weights, which are neither subnormal nor beyond 2^126.
__device__ inline float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#else
__device__ inline float power_of_two(float x) { return exp2f(x); }
__device__ inline float reciprocal(float x) { return 1.0f / x; }
#endif
__device__ inline double reciprocal(double x) { return 1.0 / x; }
__device__ inline float larger_of(float a, float b) { return fmaxf(a, b); }
__device__ inline double larger_of(double a, double b) { return a > b ? a : b; }
__device__ inline double power_of_two(double x) { return exp2(x); }
__device__ inline float logarithm(float x) { return logf(x); }
__device__ inline double logarithm(double x) { return log(x); }
__device__ inline float lowest(float) { return -3.402823466e38f; }
__device__ inline double lowest(double) { return -1.797693134862315708e308; }

template <class Real>
struct Units {
    static __device__ inline Real log_two() { return (Real)0.69314718055994530942; }
    // -g = 2 log 2 times the sum of half-precisions
    static __device__ inline Real slope() { return (Real)-1.38629436111989061883; }
};

// Four numbers that are loaded at once.
template <class Real>
struct alignas(16) Quad {
    Real v[4];
};

// Numbers Word, Word + 1, ... of a record, by quads; those that are fetched again are still there.
template <int Word, int Count, class Real>
__device__ inline void fetch(Real (&to)[Count], const Real* record) {
#pragma unroll
    for (int q = Word / 4; 4 * q < Word + Count; ++q) {
        const Quad<Real> quad = ((const Quad<Real>*)record)[q];
#pragma unroll
        for (int i = 0; i < 4; ++i)
            if (4 * q + i >= Word && 4 * q + i < Word + Count) to[4 * q + i - Word] = quad.v[i];
    }
}

// Where the numbers of one component stand in its record; cuda_records.py writes the same.
template <int Dim, int Kind>
struct Layout {
    static constexpr int bias = 0, half = 1, slope = 2;  // half and slope: isotropic ones
    static constexpr int mean = HEAD, offset = HEAD + Dim;
    static constexpr int halves = HEAD + 2 * Dim, slopes = HEAD + 3 * Dim;  // diagonal
    // Full: the lower rows, each of whole quads; then D x D, rows of whole quads.
    static __device__ constexpr int row(int i) { return 8 * (i / 4) * (i / 4 + 1) + 4 * (i % 4) * (i / 4 + 1); }
    static constexpr int width = (Dim + 3) / 4 * 4;
    static constexpr int whiten = (HEAD + 2 * Dim + 3) / 4 * 4, map = whiten + row(Dim);
    static constexpr int used =
        Kind == ISOTROPIC ? HEAD + 2 * Dim : Kind == DIAGONAL ? HEAD + 4 * Dim : map + Dim * width;
    static constexpr int words = (used + 3) / 4 * 4;
};

// Running maximum, total and weighted sums of one point. The start is finite: no difference of infinities can arise.
// Isotropic: score and velocity are pull x - s and flow x + b.
template <class Real, int Dim>
struct Sums {
    Real top, total, pull, flow;
    Real s[Dim], b[Dim];

    __device__ void start() {
        top = lowest(Real(0));
        total = pull = flow = Real(0);
#pragma unroll
        for (int d = 0; d < Dim; ++d) s[d] = b[d] = Real(0);
    }

    template <int Want>
    __device__ void rise(Real to) {
        const Real shrink = power_of_two(top - to);
        top = to;
        total *= shrink;
        pull *= shrink;
        flow *= shrink;
#pragma unroll
        for (int d = 0; d < Dim; ++d) {
            if (Want & SCORE) s[d] *= shrink;
            if (Want & VELOCITY) b[d] *= shrink;
        }
    }
};

// |y|^2 of y = L^-1 (x - m), row by row; with Back what a row adds to g = L^-T y at once, so that it is read once. mean:
// of D numbers, rows: of whole quads as ``Layout`` has them.
template <bool Back, class Real, int Dim>
__device__ inline Real whitened(const Real (&x)[Dim], const Real* mean, const Real* rows, Real (&y)[Dim], Real (&g)[Dim]) {
    Real delta[Dim], square = 0;
    fetch<0>(delta, mean);
#pragma unroll
    for (int i = 0; i < Dim; ++i) {
        delta[i] = x[i] - delta[i];
        g[i] = Real(0);
        y[i] = Real(0);
        const Quad<Real>* row = (const Quad<Real>*)(rows + Layout<Dim, FULL>::row(i));
#pragma unroll
        for (int j = 0; j <= i; ++j) y[i] += row[j / 4].v[j % 4] * delta[j];
        square += y[i] * y[i];
#pragma unroll
        for (int j = 0; j <= i; ++j)
            if (Back) g[j] += row[j / 4].v[j % 4] * y[i];
    }
    return square;
}

// A component with a full covariance.
template <class Real, int Dim, int Want>
__device__ inline void absorb_full(Sums<Real, Dim>& a, const Real (&x)[Dim], const Real* c) {
    typedef Layout<Dim, FULL> At;
    Real y[Dim], g[Dim];
    const Real square = whitened<(Want & SCORE) != 0>(x, c + At::mean, c + At::whiten, y, g);
    const Real l = c[At::bias] - square;
    if (l > a.top) a.template rise<Want>(l);
    const Real w = power_of_two(l - a.top);
    a.total += w;
#pragma unroll
    for (int d = 0; d < Dim; ++d) {
        if (Want & SCORE) a.s[d] += w * g[d];
        if (Want & VELOCITY) {
            const Quad<Real>* row = (const Quad<Real>*)(c + At::map + d * At::width);
            Real u = c[At::offset + d];
#pragma unroll
            for (int j = 0; j < Dim; ++j) u += row[j / 4].v[j % 4] * y[j];
            a.b[d] += w * u;
        }
    }
}

// count components, a multiple of the group: K is padded to whole groups with components of zero weight.
template <class Real, int Dim, int Kind, int Want, int Points>
__device__ inline void absorb(Sums<Real, Dim> (&a)[Points], const Real (&x)[Points][Dim], const Real* records, int count) {
    typedef Layout<Dim, Kind> At;
    // Components that share one rescaling. Where a point fills registers, one, and it is skipped if nothing rises.
    constexpr bool Alone = Kind == FULL || Dim * (sizeof(Real) / 4) > (Kind == DIAGONAL ? 4 : 16);
    constexpr int Group = Alone ? 1 : GROUP;
    for (int k = 0; k < count; k += Group, records += Group * At::words) {
        if (Kind == FULL) {
#pragma unroll
            for (int p = 0; p < Points; ++p) absorb_full<Real, Dim, Want>(a[p], x[p], records);
            continue;
        }
        Real l[Points][Group];
#pragma unroll
        for (int g = 0; g < Group; ++g) {
            const Real* c = records + g * At::words;
            Real head[2], mean[Dim], halves[Kind == DIAGONAL ? Dim : 1];
            fetch<At::bias>(head, c);
            fetch<At::mean>(mean, c);
            if (Kind == DIAGONAL) fetch<At::halves>(halves, c);
#pragma unroll
            for (int p = 0; p < Points; ++p) {
                Real square = 0;
#pragma unroll
                for (int d = 0; d < Dim; ++d) {
                    const Real delta = x[p][d] - mean[d];
                    square += Kind == DIAGONAL ? halves[Kind == DIAGONAL ? d : 0] * delta * delta : delta * delta;
                }
                l[p][g] = head[0] - (Kind == ISOTROPIC ? head[1] * square : square);
            }
        }
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            Real top = a[p].top;
#pragma unroll
            for (int g = 0; g < Group; ++g) top = larger_of(top, l[p][g]);
            if (Group > 1 || top > a[p].top) a[p].template rise<Want>(top);
        }
#pragma unroll
        for (int g = 0; g < Group; ++g) {
            const Real* c = records + g * At::words;
            Real head[3], mean[Dim], offset[Dim], halves[Kind == DIAGONAL ? Dim : 1], slopes[Kind == DIAGONAL ? Dim : 1];
            fetch<At::bias>(head, c);
            fetch<At::mean>(mean, c);
            fetch<At::offset>(offset, c);
            if (Kind == DIAGONAL) fetch<At::halves>(halves, c);
            if (Kind == DIAGONAL) fetch<At::slopes>(slopes, c);
#pragma unroll
            for (int p = 0; p < Points; ++p) {
                const Real w = power_of_two(l[p][g] - a[p].top), pull = w * head[1];
                a[p].total += w;
                if (Kind == ISOTROPIC) {
                    a[p].pull += pull;
                    a[p].flow += w * head[2];
                }
#pragma unroll
                for (int d = 0; d < Dim; ++d) {
                    const int e = Kind == DIAGONAL ? d : 0;
                    const Real rate = Kind == DIAGONAL ? offset[d] + slopes[e] * x[p][d] : offset[d];
                    if (Want & SCORE)
                        a[p].s[d] += Kind == DIAGONAL ? w * (halves[e] * (x[p][d] - mean[d])) : pull * mean[d];
                    if (Want & VELOCITY) a[p].b[d] += w * rate;
                }
            }
        }
    }
}

// The weighted sum of the field itself, before it is divided by the total.
template <int Kind, class Real, int Dim>
__device__ inline Real pulled(const Sums<Real, Dim>& a, Real x, int d) {
    return Kind == ISOTROPIC ? a.pull * x - a.s[d] : a.s[d];
}
template <int Kind, class Real, int Dim>
__device__ inline Real flowing(const Sums<Real, Dim>& a, Real x, int d) {
    return Kind == ISOTROPIC ? a.flow * x + a.b[d] : a.b[d];
}

// What a stretch of components changes in the total of those before it: the factors of old and new sums, the new top.
template <class Real>
__device__ inline void join(Real& top, Real& total, Real own_top, Real own_total, Real& old_factor, Real& own_factor) {
    const Real high = own_top > top ? own_top : top;
    old_factor = power_of_two(top - high);
    own_factor = power_of_two(own_top - high);
    total = total * old_factor + own_total * own_factor;
    top = high;
}

// x alone may be narrower than Real: components pass through shared memory once a block, and a half of that saves nothing.
template <class Real, int Dim, int Kind, int Want, int Points, int Tile, class In>
__global__ void fields_narrow(const In* __restrict__ x, Index x_row, Index x_col, Index n,
                              const Real* __restrict__ records, Index k, Real* density, Real* score, Real* velocity) {
    constexpr int words = Layout<Dim, Kind>::words;
    __shared__ Quad<Real> tile[Tile * words / 4];
    const Index first = (Index)blockIdx.x * blockDim.x * Points + threadIdx.x;
    Real at[Points][Dim], top[Points], total[Points], pull[Points], flow[Points];
    Sums<Real, Dim> a[Points];
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + (Index)p * blockDim.x;
        top[p] = lowest(Real(0));
        total[p] = pull[p] = flow[p] = Real(0);
#pragma unroll
        for (int d = 0; d < Dim; ++d) at[p][d] = row < n ? widen(x[row * x_row + d * x_col]) : Real(0);
    }
    for (Index k1 = 0; k1 < k; k1 += STRETCH) {
        const Index end = k - k1 < STRETCH ? k : k1 + STRETCH;
#pragma unroll
        for (int p = 0; p < Points; ++p) a[p].start();
        for (Index k0 = k1; k0 < end; k0 += Tile) {
            const int count = end - k0 < Tile ? (int)(end - k0) : Tile;
            const Quad<Real>* from = (const Quad<Real>*)(records + k0 * words);
            for (int i = threadIdx.x; i < count * (words / 4); i += blockDim.x) tile[i] = from[i];
            __syncthreads();
            absorb<Real, Dim, Kind, Want, Points>(a, at, (const Real*)tile, count);
            __syncthreads();
        }
        if (k <= STRETCH) break;
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            const Index row = first + (Index)p * blockDim.x;
            Real before, own;
            join(top[p], total[p], a[p].top, a[p].total, before, own);
            a[p].top = top[p];
            a[p].total = total[p];
            a[p].pull = pull[p] = before * pull[p] + own * a[p].pull;
            a[p].flow = flow[p] = before * flow[p] + own * a[p].flow;
            if (row >= n) continue;
#pragma unroll
            for (int d = 0; d < Dim; ++d) {
                const Index to = row * Dim + d;
                // The first stretch overwrites: what the memory held may be NaN.
                if (Want & SCORE) score[to] = a[p].s[d] = own * a[p].s[d] + (k1 > 0 ? before * score[to] : Real(0));
                if (Want & VELOCITY)
                    velocity[to] = a[p].b[d] = own * a[p].b[d] + (k1 > 0 ? before * velocity[to] : Real(0));
            }
        }
    }
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + (Index)p * blockDim.x;
        if (row >= n) continue;
        const Real share = reciprocal(a[p].total);
        if (Want & DENSITY) density[row] = a[p].top * Units<Real>::log_two() + logarithm(a[p].total);
#pragma unroll
        for (int d = 0; d < Dim; ++d) {
            if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * (pulled<Kind>(a[p], at[p][d], d) * share);
            if (Want & VELOCITY) velocity[row * Dim + d] = flowing<Kind>(a[p], at[p][d], d) * share;
        }
    }
}
