// Mixture fields: log-density, score and velocity in one pass over the components, online softmax, nothing N x K.
//
// What the arrays hold is prepared on the host in float64 (cuda_records.py): logits are in units of log 2, so that a weight is
// one exp2, and precisions carry the factor (log2 e) / 2; what that adds is taken away once a point, not once a component.
//
//   narrow  a thread owns Points points and has all their coordinates in registers; the block shares tiles of components
//   wide    a warp owns Points points, its lanes share the coordinates; full covariances pass through shared memory
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

__device__ inline float power_of_two(float x) { return exp2f(x); }
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

// Where the numbers of one component stand in its record; cuda_records.py writes the same.
template <int Dim, int Kind>
struct Layout {
    static constexpr int bias = 0, half = 1, slope = 2;  // half and slope: isotropic ones
    static constexpr int mean = HEAD, offset = HEAD + Dim;
    static constexpr int halves = HEAD + 2 * Dim, slopes = HEAD + 3 * Dim;  // diagonal
    static constexpr int whiten = HEAD + 2 * Dim, map = whiten + Dim * (Dim + 1) / 2;  // full: lower rows, then D x D
    static constexpr int used =
        Kind == ISOTROPIC ? HEAD + 2 * Dim : Kind == DIAGONAL ? HEAD + 4 * Dim : map + Dim * Dim;
    static constexpr int words = (used + 3) / 4 * 4;
};

// Running maximum, total and weighted sums of one point. The start is finite: no difference of infinities can arise.
template <class Real, int Dim>
struct Sums {
    Real top, total, weighted_slope;
    Real s[Dim], b[Dim];

    __device__ void start() {
        top = lowest(Real(0));
        total = weighted_slope = Real(0);
#pragma unroll
        for (int d = 0; d < Dim; ++d) s[d] = b[d] = Real(0);
    }
};

// bias - |y|^2, y the whitened difference (kept only for full covariances).
template <class Real, int Dim, int Kind>
__device__ inline Real logit(const Real (&x)[Dim], const Real* c, Real (&y)[Dim]) {
    typedef Layout<Dim, Kind> At;
    Real square = 0;
    if (Kind == FULL) {
        Real delta[Dim];
        int word = At::whiten;
#pragma unroll
        for (int i = 0; i < Dim; ++i) {
            delta[i] = x[i] - c[At::mean + i];
            Real sum = 0;
#pragma unroll
            for (int j = 0; j <= i; ++j) sum += c[word++] * delta[j];
            y[i] = sum;
            square += sum * sum;
        }
        return c[At::bias] - square;
    }
#pragma unroll
    for (int d = 0; d < Dim; ++d) {
        Real delta = x[d] - c[At::mean + d];
        square += Kind == DIAGONAL ? delta * delta * c[At::halves + d] : delta * delta;
    }
    return c[At::bias] - (Kind == ISOTROPIC ? c[At::half] * square : square);
}

// Expanded: u = offset + slope x instead of offset + slope (x - m), one operation a coordinate less.
template <class Real, int Dim, int Kind, int Want, bool Expanded>
__device__ inline void add(Sums<Real, Dim>& a, Real w, const Real (&x)[Dim], const Real* c, const Real (&y)[Dim]) {
    typedef Layout<Dim, Kind> At;
    a.total += w;
    if (Kind == FULL) {
        int word = At::whiten;
#pragma unroll
        for (int i = 0; i < Dim; ++i) {
            Real wy = w * y[i];
            if (Want & SCORE) {
#pragma unroll
                for (int j = 0; j <= i; ++j) a.s[j] += c[word++] * wy;
            }
            if (Want & VELOCITY) {
                a.b[i] += w * c[At::offset + i];
#pragma unroll
                for (int j = 0; j < Dim; ++j) a.b[j] += c[At::map + j * Dim + i] * wy;
            }
        }
        return;
    }
    Real pull = Kind == ISOTROPIC ? w * c[At::half] : Real(0), flow = Kind == ISOTROPIC ? w * c[At::slope] : Real(0);
    if (Expanded && Kind == ISOTROPIC) a.weighted_slope += flow;
#pragma unroll
    for (int d = 0; d < Dim; ++d) {
        Real delta = x[d] - c[At::mean + d];
        if (Want & SCORE) a.s[d] += (Kind == DIAGONAL ? w * c[At::halves + d] : pull) * delta;
        if (Want & VELOCITY) {
            a.b[d] += w * c[At::offset + d];
            if (!(Expanded && Kind == ISOTROPIC))
                a.b[d] += (Kind == DIAGONAL ? w * c[At::slopes + d] : flow) * (Expanded ? x[d] : delta);
        }
    }
}

// Groups of components: one rescaling a group. K is padded to whole groups with components of zero weight.
template <class Real, int Dim, int Kind, int Want, bool Expanded>
__device__ inline void absorb(Sums<Real, Dim>& a, const Real (&x)[Dim], const Real* records, int count) {
    constexpr int Group = Kind == FULL ? 1 : GROUP, words = Layout<Dim, Kind>::words;
    for (int k = 0; k < count; k += Group) {
        const Real* c = records + (Index)k * words;
        Real l[Group], y[Dim], top = a.top;
#pragma unroll
        for (int g = 0; g < Group; ++g) {
            l[g] = logit<Real, Dim, Kind>(x, c + g * words, y);
            top = l[g] > top ? l[g] : top;
        }
        Real shrink = power_of_two(a.top - top);
        a.top = top;
        a.total *= shrink;
        a.weighted_slope *= shrink;
#pragma unroll
        for (int d = 0; d < Dim; ++d) {
            if (Want & SCORE) a.s[d] *= shrink;
            if (Want & VELOCITY) a.b[d] *= shrink;
        }
#pragma unroll
        for (int g = 0; g < Group; ++g)
            add<Real, Dim, Kind, Want, Expanded>(a, power_of_two(l[g] - top), x, c + g * words, y);
    }
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
    __shared__ Real tile[Tile * words];
    const Index first = (Index)blockIdx.x * blockDim.x * Points + threadIdx.x;
    Real at[Points][Dim], top[Points], total[Points];
    Sums<Real, Dim> a[Points];
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + (Index)p * blockDim.x;
        top[p] = lowest(Real(0));
        total[p] = Real(0);
#pragma unroll
        for (int d = 0; d < Dim; ++d) at[p][d] = row < n ? widen(x[row * x_row + d * x_col]) : Real(0);
    }
    for (Index k1 = 0; k1 < k; k1 += STRETCH) {
        const Index end = k - k1 < STRETCH ? k : k1 + STRETCH;
#pragma unroll
        for (int p = 0; p < Points; ++p) a[p].start();
        for (Index k0 = k1; k0 < end; k0 += Tile) {
            const int count = end - k0 < Tile ? (int)(end - k0) : Tile;
            for (int i = threadIdx.x; i < count * words; i += blockDim.x) tile[i] = records[k0 * words + i];
            __syncthreads();
#pragma unroll
            for (int p = 0; p < Points; ++p) absorb<Real, Dim, Kind, Want, false>(a[p], at[p], tile, count);
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
        const Real share = Real(1) / a[p].total;
        if (Want & DENSITY) density[row] = a[p].top * Units<Real>::log_two() + logarithm(a[p].total);
#pragma unroll
        for (int d = 0; d < Dim; ++d) {
            if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * (a[p].s[d] * share);
            if (Want & VELOCITY) velocity[row * Dim + d] = a[p].b[d] * share;
        }
    }
}

template <class Real>
__device__ inline Real warp_sum(Real v) {
    for (int m = LANES / 2; m > 0; m /= 2) v += __shfl_xor_sync(0xffffffffu, v, m);
    return v;  // the same bits in every lane: each step adds the same two numbers
}

// Arrays by name (K, D) and (K, D, D); the transposes are read where a lane owns a row, so that lanes read neighbours.
// In: of points and of what has a number a coordinate; an isotropic half or slope, like the bias, is Real.
template <class Real, int Dim, int Kind, int Want, int Points, int Warps, class In>
__global__ void fields_wide(const In* __restrict__ x, Index x_row, Index x_col, Index n, Index k,
                            const Real* __restrict__ bias, const In* __restrict__ mean,
                            const typename Choose<Kind == ISOTROPIC, Real, In>::type* __restrict__ half,
                            const In* __restrict__ offset,
                            const typename Choose<Kind == ISOTROPIC, Real, In>::type* __restrict__ slope,
                            const In* __restrict__ whiten, const In* __restrict__ whiten_t,
                            const In* __restrict__ slope_t, Real* density, Real* score, Real* velocity) {
    constexpr int Chunks = (Dim + LANES - 1) / LANES, Held = Kind == FULL ? Dim : 1;
    __shared__ Real away[Warps][Points][Held], white[Warps][Points][Held];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Index first = ((Index)blockIdx.x * Warps + warp) * Points;
    if (first >= n) return;  // a whole warp; no barrier of the block is used below
    Real at[Points][Chunks], s[Points][Chunks], b[Points][Chunks], top[Points], total[Points];
    Real whole_top[Points], whole[Points];
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + p < n ? first + p : n - 1;  // past the end: the last row again, never stored
        top[p] = lowest(Real(0));
        total[p] = whole[p] = Real(0);
        whole_top[p] = top[p];
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            at[p][c] = d < Dim ? widen(x[row * x_row + d * x_col]) : Real(0);
            s[p][c] = b[p][c] = Real(0);
        }
    }
    for (Index kk = 0; kk < k; ++kk) {
        Real delta[Points][Chunks], square[Points], pull[Chunks];
#pragma unroll
        for (int p = 0; p < Points; ++p) square[p] = Real(0);
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            const bool in = d < Dim;
            const Real m = in ? widen(mean[kk * Dim + d]) : Real(0);
            pull[c] = Kind == ISOTROPIC ? widen(half[kk]) : Kind == DIAGONAL && in ? widen(half[kk * Dim + d]) : Real(0);
#pragma unroll
            for (int p = 0; p < Points; ++p) {
                delta[p][c] = at[p][c] - m;
                if (Kind == FULL) {
                    if (in) away[warp][p][d] = delta[p][c];
                } else {
                    square[p] += delta[p][c] * delta[p][c] * pull[c];
                }
            }
        }
        if (Kind == FULL) {
            const Index matrix = kk * Dim * Dim;
            __syncwarp();
            for (int c = 0; c < Chunks; ++c) {
                const int i = lane + c * LANES;
                Real y[Points] = {};
                for (int j = 0; j <= i && i < Dim; ++j) {
                    const Real l = widen(whiten_t[matrix + (Index)j * Dim + i]);
#pragma unroll
                    for (int p = 0; p < Points; ++p) y[p] += l * away[warp][p][j];
                }
#pragma unroll
                for (int p = 0; p < Points; ++p) {
                    if (i < Dim) white[warp][p][i] = y[p];
                    square[p] += y[p] * y[p];
                }
            }
            __syncwarp();
        }
        Real w[Points];
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            const Real l = bias[kk] - warp_sum(square[p]);
            if (l > top[p]) {  // all lanes alike
                const Real shrink = power_of_two(top[p] - l);
                top[p] = l;
                total[p] *= shrink;
#pragma unroll
                for (int c = 0; c < Chunks; ++c) {
                    s[p][c] *= shrink;
                    b[p][c] *= shrink;
                }
            }
            w[p] = power_of_two(l - top[p]);
            total[p] += w[p];
        }
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            if (d >= Dim) continue;
            const Index at_k = kk * Dim + d;
            if (Kind != FULL) {
                const Real rate = Want & VELOCITY ? widen(offset[at_k]) : Real(0);
                const Real ratio = Want & VELOCITY ? widen(slope[Kind == ISOTROPIC ? kk : at_k]) : Real(0);
#pragma unroll
                for (int p = 0; p < Points; ++p) {
                    if (Want & SCORE) s[p][c] += w[p] * pull[c] * delta[p][c];
                    if (Want & VELOCITY) b[p][c] += w[p] * (rate + ratio * delta[p][c]);
                }
                continue;
            }
            const Index matrix = kk * Dim * Dim;
            Real g[Points] = {}, u[Points] = {};
            for (int j = Want & VELOCITY ? 0 : d; j < Dim; ++j) {
                const Real column = Want & SCORE && j >= d ? widen(whiten[matrix + (Index)j * Dim + d]) : Real(0);
                const Real row = Want & VELOCITY ? widen(slope_t[matrix + (Index)j * Dim + d]) : Real(0);
#pragma unroll
                for (int p = 0; p < Points; ++p) {
                    if (Want & SCORE) g[p] += column * white[warp][p][j];
                    if (Want & VELOCITY) u[p] += row * white[warp][p][j];
                }
            }
#pragma unroll
            for (int p = 0; p < Points; ++p) {
                if (Want & SCORE) s[p][c] += w[p] * g[p];
                if (Want & VELOCITY) b[p][c] += w[p] * (widen(offset[at_k]) + u[p]);
            }
        }
        if (Kind == FULL) __syncwarp();  // the next component writes where this one reads
        if (k <= STRETCH || ((kk + 1) % STRETCH != 0 && kk + 1 < k)) continue;
        const bool begun = kk >= STRETCH, over = kk + 1 == k;
#pragma unroll
        for (int p = 0; p < Points; ++p) {
            const Index row = first + p;
            Real before, own;
            join(whole_top[p], whole[p], top[p], total[p], before, own);
            if (row < n) {
#pragma unroll
                for (int c = 0; c < Chunks; ++c) {
                    const Index d = lane + c * LANES, to = row * Dim + d;
                    if (d >= Dim) continue;
                    if (Want & SCORE) score[to] = s[p][c] = own * s[p][c] + (begun ? before * score[to] : Real(0));
                    if (Want & VELOCITY)
                        velocity[to] = b[p][c] = own * b[p][c] + (begun ? before * velocity[to] : Real(0));
                }
            }
            top[p] = over ? whole_top[p] : lowest(Real(0));
            total[p] = over ? whole[p] : Real(0);
#pragma unroll
            for (int c = 0; c < Chunks; ++c)
                if (!over) s[p][c] = b[p][c] = Real(0);
        }
    }
#pragma unroll
    for (int p = 0; p < Points; ++p) {
        const Index row = first + p;
        if (row >= n) continue;
        const Real share = Real(1) / total[p];
        if (Want & DENSITY && lane == 0) density[row] = top[p] * Units<Real>::log_two() + logarithm(total[p]);
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * LANES;
            if (d >= Dim) continue;
            if (Want & SCORE) score[row * Dim + d] = Units<Real>::slope() * (s[p][c] * share);
            if (Want & VELOCITY) velocity[row * Dim + d] = b[p][c] * share;
        }
    }
}
