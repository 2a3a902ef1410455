"""Prototype: norms as latent variables (theory2 section 12, second half).  Usage: latents.py [row ...]"""
from __future__ import annotations
import json, math, sys, time
from dataclasses import dataclass, replace, field
import numpy as np
from scipy.special import roots_genlaguerre, roots_gegenbauer
from rmt_spikes.setting import Setting
from rmt_spikes.functions.quadrature import legendre
from rmt_spikes.theory.latent import LabelFunctions, latent, readout_rule
from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gaussian_draws
from rmt_spikes.theory.methods.uniform.channels import LevelChannel
from rmt_spikes.theory.methods.uniform.pencil.channel import PencilChannel, PencilDirections
from rmt_spikes.theory.methods.uniform.equations import FixedPoint
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.pencil.batch import first_batch
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.levels import Pencil
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms, row_lengths
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent

PIECE = 40


def sphere_points(mean, scale, dims, splits):
    """zeta nodes and weights (sphere law, unit variance, `dims` dimensions), cut at kinks of f(mean + scale zeta)."""
    mean, scale, dims = np.broadcast_arrays(mean, scale, dims)
    end = np.minimum(np.sqrt(dims), 9.0)
    cuts = [-end] + [np.clip((k - mean) / scale, -end, end) for k in sorted(splits)] + [end]
    if not splits:
        cuts = [-end, 0 * end, end]
    x, w = legendre(PIECE)
    z, ws = [], []
    for a, b in zip(cuts[:-1], cuts[1:]):
        half = 0.5 * (b - a)[..., None]
        z.append(0.5 * (a + b)[..., None] + half * x)
        ws.append(half * w)
    z, ws = np.concatenate(z, -1), np.concatenate(ws, -1)
    with np.errstate(divide="ignore"):
        logw = 0.5 * (dims[..., None] - 3.0) * np.log1p(-np.minimum(z**2 / dims[..., None], 1.0))
    ws = ws * np.exp(logw)
    return z, ws / ws.sum(-1, keepdims=True)


@dataclass
class Options:
    n_w: int = 5
    n_rho: int = 5
    n_q: int = 24
    n_alpha: int = 10
    dof: bool = True
    rank_one: bool = False
    fixed_rho: bool = False
    fixed_w: bool = False
    gaussian: bool = False
    vw: str = "sketch"          # sketch | zero | derived
    vw_shift: float = 0.0
    own_trace: bool = True
    bent: bool = True
    length: bool = True


class Equations(FixedPoint):
    rows = 0.0
    columns = 0.0

    def inverses(self, profile, state, parts):
        values = super().inverses(profile, state, parts)
        return values + np.concatenate([np.broadcast_to(self.rows, state[0].shape), np.broadcast_to(self.columns, state[1].shape)])


class Finite(FiniteRank):
    def stiffness(self, state):
        o = self.owner
        omega = state.omega
        weights = self.equations.a_weights
        n, A, W = omega.size, o.A, o.W
        r = self.directions.count - 1
        size = self.functions.shape[1]
        neurons = weights * omega
        matrix = np.diag(1.0 / np.outer(self.scales, neurons).ravel()).astype(float)
        part = self._parts(state)[0]
        resp = self.directions.response(part)                     # (1+r, n, 1+r, n)
        full = np.linalg.inv(resp.reshape((1 + r) * n, -1)) - np.kron(np.eye(1 + r), part.k)
        full = full.reshape(1 + r, n, 1 + r, n)
        root = np.sqrt(neurons)
        s = np.zeros((n, A)); u = np.zeros((n, A))
        for a in range(A):
            i = slice(a * W, (a + 1) * W)
            s[i, a] = root[i] / np.linalg.norm(root[i])
            v = root[i] * (o.w[i] if W > 1 else 1.0)
            v = v - s[i, a] * (s[i, a] @ v) * 0
            u[i, a] = v / np.linalg.norm(v)
        c = o.tau_c
        qq = c[:, None] * (s.T @ full[0, :, 0] @ s) * c
        first = np.eye(n) + u @ (qq - np.eye(A)) @ u.T if W > 1 else np.eye(n)
        sc0 = np.sqrt(self.scales[0])
        matrix[:n, :n] = first / (sc0**2 * root[:, None] * root)
        g = np.sqrt(o.gamma_t)
        for k in range(1, 1 + r):
            b = slice(n * k, n * (k + 1))
            if W > 1:
                cross = u @ (c[:, None] * (s.T @ full[0, :, k])) / (sc0 * g * root[:, None] * root)
                matrix[:n, b] = cross
                matrix[b, :n] = cross.T
            for l in range(1, 1 + r):
                b2 = slice(n * l, n * (l + 1))
                matrix[b, b2] = full[k, :, l] / (g**2 * root[:, None] * root)
        return matrix


class Latents:
    def __init__(self, setting, o=Options()):
        self.setting, self.o = setting, o
        d, N = setting.d, setting.width
        self.variables = variables = latent(setting)
        D = d - 1
        base = readout_rule(setting, o.n_alpha, finite=True)
        A = base.nodes.size
        if o.fixed_w:
            w, pw = np.zeros(1), np.ones(1)
        else:
            x, pw = roots_gegenbauer(o.n_w, (d - 2) / 2)
            w, pw = x * math.sqrt(d), pw / pw.sum()
        W = w.size
        self.A, self.W = A, W
        alpha = np.repeat(base.nodes, W); p = np.repeat(base.weights, W) * np.tile(pw, A)
        self.w = np.tile(w, A)
        law = ReadoutLaw("product", alpha, p)
        batch = first_batch(setting, variables, base)
        if o.rank_one:
            batch = replace(batch, theta=0.0)
        special = SpecialDirections(batch)
        lengths = row_lengths(special, Terms(trace=True))
        self.special_a, self.lengths = special, lengths
        tau = lengths.tau
        if o.own_trace and not o.rank_one:
            hv = special.frame.T @ batch.whole.mean(batch.whole.r[:, None, None] * special.moments[1]) @ special.frame
            er = float(batch.whole.mean(batch.whole.r))
            extra = 24 * batch.slope.coefficients[4] * batch.theta * base.nodes * (np.trace(hv) - er * hv.shape[0]) / d
            tau = np.sqrt(tau**2 + extra)
        self.tau = tau
        own = special.own_growth / tau[:, None, None] ** 2
        C = own[:, 0, 0]
        gam = special.coherent[:, 0, :] / tau[:, None]
        cn = lengths.coherent / tau**2
        corr = np.minimum(1.0, (gam**2).sum(1) / C)
        self.C, self.cn, self.corr = C, cn, corr
        vw = self.v_w(own, C, cn, corr, batch, special, tau) + o.vw_shift
        self.vw = vw
        r = batch.directions
        Nm = lengths.norm_covariance / (2 / d * (1 - (r + 1) / d))
        if o.rank_one: Nm = np.ones((A, A))
        sp = np.sqrt(base.weights)
        lam, vec = np.linalg.eigh(sp[:, None] * Nm * sp)
        pw_a = np.sqrt(lam[-1]) * np.abs(vec[:, -1]) / sp
        left = Nm - np.outer(pw_a, pw_a)
        q, qw = gaussian_draws(setting.n_ridge, o.n_q)
        if o.fixed_rho:
            rho2, pr = np.ones(1), np.ones(1)
        else:
            x, pr = roots_genlaguerre(o.n_rho, D / 2 - 1)
            rho2, pr = 2 * x / D, pr / pr.sum()
        Q, R = q.size, rho2.size
        qs, rs = np.repeat(q, R), np.tile(rho2, Q)
        self.q_weights = np.repeat(qw, R) * np.tile(pr, Q)
        rep = lambda y: np.repeat(y, W, axis=0)
        power = rho2[None, :] ** pw_a[:, None]
        power /= power @ pr[:, None] if R > 1 else 1.0
        rho_a = rep(np.tile(power, (1, Q)))                                        # (AW, QR)
        linear = rep(tau * np.sqrt(C / d)) * self.w
        self.labels = self.label_functions(variables.beta_cosine, qs, rs, D)
        part = linear
        if o.bent and not o.rank_one and W > 1:
            part = linear + rep(np.sqrt(corr) * np.sign(gam[:, 0]) * batch.theta * base.nodes) * np.tile(self.bend(w, qs, rs), A)
        self.part = part
        V = 1 - rep(C) / d + rep(vw) * (self.w**2 - 1) / d + rep(lengths.along * np.sqrt(C / d)) * self.w
        V = V + (linear**2 - part**2) / rep(tau)**2
        if o.vw == "exact" and not o.rank_one and W > 1:
            grown = np.sqrt(1 - w**2 / d) + batch.theta * base.nodes[:, None] * self.radial(w, qs, rs)      # (A, W)
            grown = grown**2
            m = (grown @ pw)[:, None]
            er_ = float(batch.whole.mean(batch.whole.r))
            hv = (special.frame.T @ batch.whole.mean(batch.whole.r[:, None, None] * special.moments[1]) @ special.frame)
            first = 1 - 1 / d + 24 * batch.slope.coefficients[4] * batch.theta * base.nodes * (hv[0, 0] - er_) / d
            V = (tau**2 * (1 - C / d))[:, None] + corr[:, None] * (grown - m) + (m - first[:, None])
            V = V.ravel() / rep(tau**2)
        if W == 1: V = np.ones(A) * 1.0
        V = V[:, None] * rho_a
        shift = variables.shift * alpha
        mean = (shift + part)[:, None] * qs
        scale = rep(tau)[:, None] * np.sqrt(V)
        dims = rep(d / np.diagonal(Nm) - 1)
        if o.gaussian: dims = dims * 0 + 1e7
        f = setting.activation_function
        a0 = np.zeros(mean.shape); a1 = a0.copy(); a2 = a0.copy(); sq = a0.copy(); mr = a0.copy()
        for i in range(mean.shape[0]):
            z, ws = sphere_points(mean[i], scale[i], dims[i], f.splits)
            val = f(mean[i][:, None] + scale[i][:, None] * z)
            var2 = 2 * (dims[i] - 1) / (dims[i] + 2)
            a0[i] = (ws * val).sum(-1); a1[i] = (ws * val * z).sum(-1)
            e2 = (ws * val * (z**2 - 1)).sum(-1)
            a2[i] = e2 / math.sqrt(var2); sq[i] = (ws * val**2).sum(-1)
            mr[i] = e2 / 2 * (dims[i] + 2) / dims[i]
        # equations
        self.dims1, self.dims2 = d - 1, (d - 1) * d / 2 - 1
        d1, d2 = self.dims1, self.dims2
        if o.dof:
            d1, d2 = d1 - r, d2 - r * (r + 1) / 2
        per = 1 - C / d
        lin = a1 / rep(tau * np.sqrt(per))[:, None]
        if o.vw == "exact": lin = a1 / rep(np.sqrt(lengths.growth[0] * (1 - 1 / d)))[:, None]                     # gamma = N/d
        pbatch = replace(batch, law=law)
        pspecial = SpecialDirections(pbatch)
        pencil = Pencil(pbatch)
        one = PencilChannel(lin * math.sqrt(d1 / d), N / d1, pencil)
        growth = rep(lengths.growth[0] / (tau**2 * per) * (1 - 1 / d))
        if o.vw == "exact": growth = growth * 0 + 1
        two = LevelChannel(a2 * math.sqrt(d2 / self.dims2), N / d2, growth[None, :], np.ones(1))
        noise = np.maximum(sq - a0**2 - a1**2 - a2**2, 0)
        self.equations = Equations(q_weights=self.q_weights, a_weights=p, noise=noise, ratio=setting.ridge_ratio, channels=(one, two))
        # finite-rank: blocks m0, t, length, pair (t,t)
        assert r == 1
        n = alpha.size
        zero = np.zeros_like(a0)
        own_r, gam_r = rep(own), rep(special.coherent / tau[:, None, None])
        m0 = np.array([a0, 2 * mr * own_r[:, 0, 1][:, None] / d * qs,
                       math.sqrt(2) * mr * (own_r[:, 1, 1] - rep(per) / (1 - 1 / d))[:, None] / d])
        t = np.array([zero, lin, zero])
        spread = lengths.spread if o.length and not o.rank_one else lengths.spread * 0
        ln = np.array([mr * np.sqrt(rep(spread))[:, None], zero, zero])
        g = gam_r[:, :, 1]
        form = g[:, :, None] * g[:, None, :] * math.sqrt(0.5)
        const = np.trace(form, axis1=1, axis2=2) - math.sqrt(0.5) * rep(cn)
        tt = np.array([a2 * (form[:, 0, 0][:, None] * (qs**2 - 1) + const[:, None]), a2 * 2 * form[:, 0, 1][:, None] * qs,
                       a2 * math.sqrt(2) * form[:, 1, 1][:, None]])
        functions = np.concatenate([m0, t, ln, tt], axis=1)
        self.gamma_t = N / d
        scales = np.array([N, N / d, N, N / self.dims2])
        self.tau_c = tau * np.sqrt(C)
        self.finite = Finite(equations=self.equations, functions=functions, norm=mr,
                             norm_covariance=2 / d * np.kron(left, np.ones((W, W))) if not o.fixed_rho else np.zeros((n, n)),
                             scales=scales, directions=PencilDirections(one, pspecial))
        object.__setattr__(self.finite, "owner", self)

    def v_w(self, own, C, cn, corr, batch, special, tau):
        o = self.o
        if o.rank_one: return -np.ones_like(C)
        if o.vw == "zero": return 0 * C
        alpha = batch.law.nodes
        frame = special.frame
        hv = frame.T @ batch.whole.mean(batch.whole.r[:, None, None] * special.moments[1]) @ frame
        gv = frame.T @ batch.whole.mean(batch.whole.r[:, None, None]**2 * special.moments[1]) @ frame
        hq = hv[0, 0]; er = float(batch.whole.mean(batch.whole.r))
        b2 = 12 * batch.slope.coefficients[4]
        ta = batch.theta * alpha
        if o.vw in ("derived", "exact"):
            return corr * (2 * b2 * ta * (hq - er) / tau**2 - cn)
        if o.vw == "sketch":
            # (C): linear coefficient 2k + 24 c_4 theta
            CN = C + 2 * b2 * ta * hq / tau**2
            self.CN = CN
            return CN - C - cn * corr
    def bend(self, w, q, rho2):
        """What the slope of the activation adds to the component along q beyond first order in w."""
        s = self.setting; d = s.d; f = s.activation_function
        c = s.activation_expansion.coefficients
        f0 = self.labels[0][0]
        out = np.zeros(w.size)
        for i, x in enumerate(w / math.sqrt(d)):
            z, ws = sphere_points(x * q, np.sqrt((1 - x * x) * rho2), np.full(q.size, d - 1.0), f.splits)
            slope = (ws * f.derivative(x * q[:, None] + np.sqrt((1 - x * x) * rho2)[:, None] * z)).sum(-1)
            out[i] = self.q_weights @ (f0 * q * (slope - c[1] - 2 * c[2] * x * q))
        return 0.5 * (out - out[::-1])          # odd in w

    def radial(self, w, q, rho2):
        """Growth along its own rest, by the component along q."""
        s = self.setting; d = s.d; f = s.activation_function
        f0 = self.labels[0][0]
        out = np.zeros(w.size)
        for i, x in enumerate(w / math.sqrt(d)):
            rho = np.sqrt(rho2)
            c = math.sqrt(1 - x * x)
            z, ws = sphere_points(x * q, c * rho, np.full(q.size, d - 1.0), f.splits)
            out[i] = self.q_weights @ (f0 * rho * (ws * z * f.derivative(x * q[:, None] + c * rho[:, None] * z)).sum(-1))
        return out

    def label_functions(self, cosine, q, rho2, D):
        s = self.setting
        f = s.target_function
        sine = math.sqrt(max(0.0, 1 - cosine**2))
        rho = np.sqrt(rho2)
        z, ws = sphere_points(cosine * q, sine * rho, np.full(q.size, float(D)), f.splits)
        y = f(cosine * q[:, None] + sine * rho[:, None] * z)
        f0 = (ws * y).sum(-1); f1 = (ws * y * z).sum(-1)
        f2 = (ws * y * (z**2 - 1)).sum(-1) / math.sqrt(2 * (D - 1) / (D + 2))
        e = (ws * y**2).sum(-1) + s.noise_std**2
        rest = e - f0**2 - f1**2
        rest = rest + s.label_energy - self.q_weights @ e
        return np.array([f0, f1, f2]), f0**2 + f1**2 + rest

    def solve(self, profile, start=None):
        eq, fin = self.equations, self.finite
        if start is None:
            point = BulkEquivalent.of(self.setting).at_ridge(self.setting.ridge)
            start = (np.full(eq.q_weights.size, 1 / point.kappa), np.full(eq.a_weights.size, point.kappa * point.g))
            Equations.rows = Equations.columns = 0.0
        profile = np.asarray(profile)
        state = eq.solve(profile, start, positive=True)
        if not self.o.dof:
            return state
        for it in range(60):
            total = np.linalg.inv(fin.total(state))
            U = fin.functions
            rows = np.einsum("vsq,st,vtq->q", U, total, U, optimize=True)
            n = eq.a_weights.size
            rows = rows + ((self.finite.norm_covariance * total[:n, :n]) @ fin.norm * fin.norm).sum(0)
            rows /= self.setting.n_ridge
            S = fin.kernel(state.resolvent)
            dd = np.einsum("st,ts->s", S, total).reshape(-1, n).sum(0)
            cols = dd / (self.setting.width * eq.a_weights * state.omega)
            if it:
                change = max(np.max(np.abs(rows - Equations.rows) * state.resolvent), np.max(np.abs(cols - Equations.columns) * state.omega))
            else: change = 1
            Equations.rows, Equations.columns = rows, cols
            state = eq.solve(profile, state, positive=True)
            if change < 1e-9: return state
        print("dof not converged", change)
        return state

    def functional(self, state):
        f, energy = self.labels
        src = self.finite.source(state.resolvent, f)
        return float(self.q_weights @ (state.resolvent * energy) - src @ self.finite.response(state, src))

    def losses(self, eps=2e-3):
        L = self.setting.ridge
        state = self.solve(L)
        T = self.functional(state)
        one = np.ones_like(state.resolvent)
        e = eps * L
        tr = [self.functional(self.solve(L * one + s * e, state)) for s in (1, -1)]
        h = eps * state.resolvent**-2 * L / np.max(state.resolvent**-2)
        k = eps * L / np.max(state.resolvent**-2)
        te = [self.functional(self.solve(L * one + s * h, state)) for s in (1, -1)]
        return np.array([L * T, -L**2 * (tr[0] - tr[1]) / (2 * e), -(te[0] - te[1]) / (2 * k)])


ROWS = json.load(open("/work/shared/reference/simulations2.json"))


def setting_of(name):
    s = dict(ROWS[name]["setting"])
    t = s.pop("target")
    if isinstance(t, dict): t = t.get("hermite", t.get("expression"))
    return Setting(**s, target=t) if not isinstance(t, list) else Setting(**s, target={"hermite": t})


def compare(name, values):
    m = ROWS[name]["mean_se"]
    return " ".join(f"{100*(v/m[k][0]-1):+.1f}({100*m[k][1]/m[k][0]:.1f})" for k, v in zip(("objective", "train", "test"), values))


if __name__ == "__main__":
    for name in sys.argv[1:] or ["few-relu-d50-rad", "few-relu-d30-rad", "few-relu-d30-wide", "few-relu-d90-rad", "few-softplus-d40-rad"]:
        s = setting_of(name)
        for label, o in (("sketch", Options(own_trace=False,bent=False)), ("bent", Options(vw="derived")),("bent, sketch", Options()),("nodes", Options(vw="derived",n_w=8,n_rho=7,n_q=32))):
            t = time.perf_counter()
            x = Latents(s, o)
            v = x.losses()
            print(name, label, compare(name, v), f"{time.perf_counter()-t:.1f}s C={x.C} cn={x.cn} corr={x.corr} vw={x.vw}", flush=True)
