"""Small simulations of a step: rank one, and on a first batch of any size, against the prototype."""
import sys; sys.path.insert(0, 'research')
from latents import *
import scipy.linalg as sl
def simulate(s, trials, kinds, seed=3):
    d, N, m = s.d, s.width, s.n_ridge; f = s.activation_function; c1 = s.activation_expansion.coefficients[1]
    rng = np.random.default_rng(seed); out = {k: [] for k in kinds}; x = latent(s)
    for _ in range(trials):
        W0 = rng.standard_normal((N, d)); W0 /= np.linalg.norm(W0, axis=1)[:, None]
        a = {'rademacher': rng.choice([-1.0, 1.0], N), 'constant': np.ones(N), 'gaussian': rng.standard_normal(N)}[s.readout]
        Z = rng.standard_normal((m, d)); y = s.target_function(Z[:, 0]) + s.noise_std * rng.standard_normal(m)
        T = rng.standard_normal((m, d)); yt = s.target_function(T[:, 0]) + s.noise_std * rng.standard_normal(m)
        for kind in kinds:
            if kind == "rank1":
                cosine = x.beta_cosine; b = rng.standard_normal(d); b[0] = 0; b /= np.linalg.norm(b); b *= math.sqrt(1 - cosine**2); b[0] = cosine
                W = W0 + x.shift * np.outer(a, b)
            elif kind == "none": W = W0
            else:
                n = int(kind); g = 0
                done = 0
                while done < n:
                    k = min(5000, n - done); X = rng.standard_normal((k, d)); r = s.target_function(X[:, 0]) + s.noise_std * rng.standard_normal(k)
                    g = g + (f.derivative(X @ W0.T) * r[:, None]).T @ X; done += k
                W = W0 + s.theta * a[:, None] * g / n
            F = f(Z @ W.T)
            c = sl.solve(F.T @ F / m + s.ridge * np.eye(N), F.T @ y / m, assume_a="pos")
            tr = np.mean((y - F @ c)**2)
            out[kind].append([tr + s.ridge * c @ c, tr, np.mean((yt - f(T @ W.T) @ c)**2)])
    return {k: (np.mean(v, 0), np.std(v, 0) / math.sqrt(trials - 1)) for k, v in out.items()}
if __name__ == "__main__":
    name, trials = sys.argv[1], int(sys.argv[2]); base = setting_of(name)
    sim = simulate(base, trials, sys.argv[3:])
    for kind, (mean, se) in sim.items():
        s = base if kind in ("rank1", "none") else base.replace(n=int(kind), n_ridge=base.n_ridge)
        if kind == "none": s = base.replace(step_size=0.0)
        for label, o in (("exact", Options(vw="exact", rank_one=kind in ("rank1", "none"))), ("bent", Options(vw="derived", rank_one=kind in ("rank1", "none")))):
            v = Latents(s, o).losses()
            print(name, kind, label, " ".join(f"{100*(p/q-1):+.1f}({100*e/q:.1f})" for p, q, e in zip(v, mean, se)), flush=True)
