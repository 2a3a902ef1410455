"""Regression of the squared length of trained rows on the square of their component along q, against formulas."""
import sys, numpy as np, math
sys.path.insert(0,'research')
from latents import *
def run(name, trials=12, M=2000, seed=1):
    s = setting_of(name); o = Options(); x = Latents(s, o)
    d, n = s.d, s.n; f = s.activation_function; c1 = s.activation_expansion.coefficients[1]
    rng = np.random.default_rng(seed)
    out = {1: [], -1: []}
    for t in range(trials):
        X = rng.standard_normal((n, d)); y = s.target_function(X[:, 0]) + s.noise_std * rng.standard_normal(n)
        beta = X.T @ y / n; b = beta / np.linalg.norm(beta)
        W0 = rng.standard_normal((M, d)); W0 /= np.linalg.norm(W0, axis=1)[:, None]
        g = (f.derivative(X @ W0.T) * y[:, None]).T @ X / n       # (M,d)
        H = (X.T * y) @ X / n
        for a in (1, -1):
            x_ = W0 + s.theta * a * (g - c1 * beta)
            gq = x_ @ b
            gq = gq - gq.mean()
            rest = np.sum(x_**2, 1) - (x_ @ b)**2 + gq**2
            t2 = rest.mean(); w2 = gq**2 / (gq**2).mean(); C = d * (gq**2).mean() / t2
            dl = rest / t2 - 1
            slope = np.cov(dl, w2)[0, 1] / w2.var() * d
            wi2 = d * (W0 @ b)**2
            out[a].append([t2, C, slope, slope - C, d * np.var(dl), np.var(w2), d*np.var(dl-slope/d*(w2-1))])
    i = 1 if x.lengths.tau.size > 1 else 0
    for a, k in ((-1, 0), (1, 1)):
        m = np.array(out[a]); 
        print(name, a, "MC tau2 C total v_w dvar var(w2) dvar_given_w", np.round(m.mean(0), 3), "+-", np.round(m.std(0) / math.sqrt(trials), 3),
              "theory tau2", x.lengths.tau[k]**2, "C", x.C[k], "total", x.vw[k] + x.C[k], "v_w", x.vw[k], "spread d", d * x.lengths.spread[k])
for n in sys.argv[1:]: run(n)
