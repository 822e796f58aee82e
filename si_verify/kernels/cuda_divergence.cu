// log-density, score, velocity, their divergences and their products with a vector in one pass over the components; needs
// cuda_mixture.cu (Index, kinds, exp2) and cuda_paths.cu (Philox) before it.
//
// Lanes threads share the coordinates of a point. Means, not sums, run along: a component of weight w moves
//
//     b += w/W' (u - b),   s += w/W' (g - s),   C += w W/W' (u - b)(g - s)^T,   W' = W + w
//
// (D. H. D. West, Comm. ACM 22 (1979), 532), of C only its trace and its product with v. A new maximum rescales W and C and
// leaves the means alone; nothing large is ever subtracted from anything large. Stretches of components merge in the same
// way (Chan, Golub, LeVeque 1979), what is finished being parked in the answers' own memory.

// D numbers of a point that all its threads read: registers of the one thread, or shared memory.
enum { AWAY = 0, WHITE = 1, PROBE = 2, PROBE_WHITE = 3, EXCHANGED = 4 };

template <class Real, int Lanes>
__device__ inline Real sum_lanes(Real v) {
    for (int m = Lanes / 2; m > 0; m /= 2) v += __shfl_xor_sync(0xffffffffu, v, m);
    return v;  // the same bits in every lane: each step adds the same two numbers
}

// +-1 for coordinate d: si_verify/kernels/probes.py.
__device__ inline int rademacher(unsigned row, unsigned draw, int d, unsigned long long seed) {
    const Words w = philox(row, draw, (unsigned)(d / 128), 0x50726F62u, seed);
    const int i = d % 128 / 32;
    const unsigned word = i == 0 ? w.a : i == 1 ? w.b : i == 2 ? w.c : w.d;
    return 1 - 2 * (int)(word >> (d % 32) & 1u);
}

// traces (K, 2): -tr C^-1, tr A C^-1. scalars (5, N): log rho, div b, lap log rho, v.(grad b)v, v.(grad s)v.
// vectors (2 or 4, N, D): s, b, (grad s) v, (grad b) v. probe (N, D), or null for signs drawn here.
template <class Real, int Dim, int Kind, int Lanes, bool Probing>
__global__ void derivatives(const Real* __restrict__ x, Index x_row, Index x_col, Index n, Index k,
                            const Real* __restrict__ bias, const Real* __restrict__ mean,
                            const Real* __restrict__ precision, const Real* __restrict__ offset,
                            const Real* __restrict__ slope, const Real* __restrict__ whiten,
                            const Real* __restrict__ whiten_t, const Real* __restrict__ slope_t,
                            const Real* __restrict__ traces, const Real* __restrict__ probe, unsigned long long seed,
                            unsigned draw, unsigned first_row, Real* scalars, Real* vectors) {
    constexpr int Chunks = (Dim + Lanes - 1) / Lanes, Rows = 128 / Lanes;
    constexpr int Held = Kind == FULL && Lanes > 1 ? Dim : 1, Kept = Kind == FULL && Lanes == 1 ? Dim : 1;
    __shared__ Real shared[Rows][EXCHANGED][Held];
    Real registers[EXCHANGED][Kept];
    const int lane = threadIdx.x % Lanes, point = threadIdx.x / Lanes;
    const Index wanted = (Index)blockIdx.x * Rows + point, row = wanted < n ? wanted : n - 1;  // past the end: not stored
    const Real steep = (Real)0.72134752044448170368;  // log2(e) / 2
    Real at[Chunks], v[Chunks], s[Chunks], b[Chunks], hess[Chunks], turn[Chunks];
    Real top = lowest(Real(0)), total = 0, about_s = 0, about_b = 0, trace_s = 0, trace_b = 0;
    Real whole_top = top, whole = 0, whole_about_s = 0, whole_about_b = 0, whole_trace_s = 0, whole_trace_b = 0;

#define HOLD(what, d) (Lanes == 1 ? registers[what][d] : shared[point][what][d])
#pragma unroll
    for (int c = 0; c < Chunks; ++c) {
        const int d = lane + c * Lanes;
        at[c] = d < Dim ? x[row * x_row + d * x_col] : Real(0);
        v[c] = Real(0);
        if (Probing && d < Dim) {
            v[c] = probe ? probe[row * Dim + d] : (Real)rademacher(first_row + (unsigned)row, draw, d, seed);
            if (Kind == FULL) HOLD(PROBE, d) = v[c];
        }
        s[c] = b[c] = hess[c] = turn[c] = Real(0);
    }
    for (Index kk = 0; kk < k; ++kk) {
        Real g[Chunks], u[Chunks], own_s[Chunks], own_b[Chunks], square = 0;
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const int d = lane + c * Lanes;
            own_s[c] = own_b[c] = g[c] = u[c] = Real(0);
            if (d >= Dim) continue;
            const Real delta = at[c] - mean[kk * Dim + d];
            if (Kind == FULL) {
                HOLD(AWAY, d) = delta;
                continue;
            }
            const Index to = Kind == ISOTROPIC ? kk : kk * Dim + d;
            g[c] = -precision[to] * delta;
            u[c] = offset[kk * Dim + d] + slope[to] * delta;
            own_s[c] = -precision[to] * v[c];
            own_b[c] = slope[to] * v[c];
            square -= g[c] * delta;
        }
        if (Kind == FULL) {
            const Index matrix = kk * Dim * Dim;
            if (Lanes > 1) __syncwarp();
#pragma unroll
            for (int c = 0; c < Chunks; ++c) {
                const int i = lane + c * Lanes;
                if (i >= Dim) continue;
                Real y = 0, z = 0;
                for (int j = 0; j <= i; ++j) {
                    const Real l = whiten_t[matrix + (Index)j * Dim + i];
                    y += l * HOLD(AWAY, j);
                    if (Probing) z += l * HOLD(PROBE, j);
                }
                HOLD(WHITE, i) = y;
                HOLD(PROBE_WHITE, i) = z;
                square += y * y;
            }
            if (Lanes > 1) __syncwarp();
#pragma unroll
            for (int c = 0; c < Chunks; ++c) {
                const int d = lane + c * Lanes;
                if (d >= Dim) continue;
                u[c] = offset[kk * Dim + d];
                for (int j = 0; j < Dim; ++j) {
                    const Real column = j >= d ? whiten[matrix + (Index)j * Dim + d] : Real(0);
                    const Real map = slope_t[matrix + (Index)j * Dim + d];
                    g[c] -= column * HOLD(WHITE, j);
                    u[c] += map * HOLD(WHITE, j);
                    if (Probing) {
                        own_s[c] -= column * HOLD(PROBE_WHITE, j);
                        own_b[c] += map * HOLD(PROBE_WHITE, j);
                    }
                }
            }
        }
        const Real l = bias[kk] - steep * sum_lanes<Real, Lanes>(square);
        if (l > top) {  // all lanes of the point alike
            const Real shrink = power_of_two(top - l);
            top = l;
            total *= shrink;
            about_s *= shrink;
            about_b *= shrink;
            trace_s *= shrink;
            trace_b *= shrink;
#pragma unroll
            for (int c = 0; c < Chunks; ++c) {
                hess[c] *= shrink;
                turn[c] *= shrink;
            }
        }
        const Real w = power_of_two(l - top), next = total + w;
        // Nothing has been seen yet where the logits overflow: 0/0 is right there, and only there.
        const Real share = w / next, gain = total * share;
        total = next;
        trace_s += w * traces[2 * kk];
        trace_b += w * traces[2 * kk + 1];
        Real along = 0;
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const Real ds = g[c] - s[c], db = u[c] - b[c];
            about_s += gain * ds * ds;
            about_b += gain * ds * db;
            if (Probing) along += ds * v[c];
        }
        if (Probing) along = gain * sum_lanes<Real, Lanes>(along);
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const Real ds = g[c] - s[c], db = u[c] - b[c];
            if (Probing) {
                hess[c] += along * ds + w * own_s[c];
                turn[c] += along * db + w * own_b[c];
            }
            s[c] += share * ds;
            b[c] += share * db;
        }
        if (k <= STRETCH || ((kk + 1) % STRETCH != 0 && kk + 1 < k)) continue;
        const bool begun = kk >= STRETCH, over = kk + 1 == k;
        const Real high = top > whole_top ? top : whole_top;
        const Real before = power_of_two(whole_top - high), own = power_of_two(top - high);
        const Real both = before * whole + own * total, mine = own * total / both, cross = before * whole * mine;
        whole_top = high;
        whole = both;
        whole_about_s = before * whole_about_s + own * about_s;
        whole_about_b = before * whole_about_b + own * about_b;
        whole_trace_s = before * whole_trace_s + own * trace_s;
        whole_trace_b = before * whole_trace_b + own * trace_b;
        Real step_s[Chunks], step_b[Chunks], reach = 0;
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const Index d = lane + c * Lanes, to = row * Dim + d;
            // The first stretch overwrites: what the memory held may be NaN. Every lane of a row past the end reads the
            // last row's memory, which may be of another stretch: it is not stored.
            const Real old_s = begun && d < Dim ? vectors[to] : Real(0);
            const Real old_b = begun && d < Dim ? vectors[n * Dim + to] : Real(0);
            step_s[c] = s[c] - old_s;
            step_b[c] = b[c] - old_b;
            whole_about_s += cross * step_s[c] * step_s[c];
            whole_about_b += cross * step_s[c] * step_b[c];
            if (Probing) reach += step_s[c] * v[c];
            s[c] = old_s + mine * step_s[c];
            b[c] = old_b + mine * step_b[c];
        }
        if (Probing) reach = cross * sum_lanes<Real, Lanes>(reach);
#pragma unroll
        for (int c = 0; c < Chunks; ++c) {
            const Index d = lane + c * Lanes, to = row * Dim + d;
            if (Probing) {
                const Real old_h = begun && d < Dim ? vectors[2 * n * Dim + to] : Real(0);
                const Real old_t = begun && d < Dim ? vectors[3 * n * Dim + to] : Real(0);
                hess[c] = before * old_h + own * hess[c] + reach * step_s[c];
                turn[c] = before * old_t + own * turn[c] + reach * step_b[c];
            }
            if (!over && wanted < n && d < Dim) {
                vectors[to] = s[c];
                vectors[n * Dim + to] = b[c];
                if (Probing) {
                    vectors[2 * n * Dim + to] = hess[c];
                    vectors[3 * n * Dim + to] = turn[c];
                }
            }
            if (!over) s[c] = b[c] = hess[c] = turn[c] = Real(0);
        }
        top = over ? whole_top : lowest(Real(0));
        total = over ? whole : Real(0);
        about_s = over ? whole_about_s : Real(0);
        about_b = over ? whole_about_b : Real(0);
        trace_s = over ? whole_trace_s : Real(0);
        trace_b = over ? whole_trace_b : Real(0);
    }
    const Real share = Real(1) / total;
    Real bend_s = 0, bend_b = 0;
#pragma unroll
    for (int c = 0; c < Chunks; ++c) {
        const Index d = lane + c * Lanes, to = row * Dim + d;
        bend_s += v[c] * (hess[c] * share);
        bend_b += v[c] * (turn[c] * share);
        if (wanted >= n || d >= Dim) continue;
        vectors[to] = s[c];
        vectors[n * Dim + to] = b[c];
        if (Probing) {
            vectors[2 * n * Dim + to] = hess[c] * share;
            vectors[3 * n * Dim + to] = turn[c] * share;
        }
    }
    about_s = sum_lanes<Real, Lanes>(about_s);
    about_b = sum_lanes<Real, Lanes>(about_b);
    bend_s = sum_lanes<Real, Lanes>(bend_s);
    bend_b = sum_lanes<Real, Lanes>(bend_b);
    if (wanted >= n || lane > 0) return;
    scalars[row] = top * Units<Real>::log_two() + logarithm(total);
    scalars[n + row] = (trace_b + about_b) * share;
    scalars[2 * n + row] = (trace_s + about_s) * share;
    if (Probing) {
        scalars[3 * n + row] = bend_b;
        scalars[4 * n + row] = bend_s;
    }
#undef HOLD
}
