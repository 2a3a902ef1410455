"""Losses of the prototype against the reference simulations."""
import json, sys, time
import numpy as np
from pencil.model import model_of
from pencil.solution import Solution, Terms
def cases():
    out = dict(json.load(open('/work/shared/reference/simulations.json'))['cases'])
    out.update(json.load(open('/work/shared/reference/simulations2.json')))
    return {k: v for k, v in out.items() if not k.startswith('same')}
TABLE = {'few-relu-d50-a40': (0.4032, 0.3864, 0.4659), 'few-relu-d50-a0': (0.8432, 0.8076, 0.9726), 'few-gelu-d120-a30': (0.5013, 0.4886, 0.6664), 'multi-relu-a45': (0.3451, 0.2730, 1.3186), 'multi-softplus-const-sqrt': (0.2356, 0.1849, 0.5383), 'multi-tanh-sign-a40': (0.1947, 0.1524, 0.5947), 'aniso-tanh-theta08': (0.2730, 0.2361, 0.3923), 'aniso-relu-a40': (0.4761, 0.3803, 1.9031)}
def row(name, case, terms, n_alpha=24):
    t = time.time(); got = Solution(model_of(case['setting'], n_alpha), terms).losses(); t = time.time()-t
    m = case['mean_se']; obs = np.array([m[k] for k in ('objective', 'train', 'test')])
    dev = (np.array(got)/obs[:, 0]-1)*100; se = obs[:, 1]/obs[:, 0]*100
    ok = ['ok' if abs(d) <= 2.5*s+1 else 'BAD' for d, s in zip(dev, se)]
    line = f"{name:38s} " + ' '.join(f'{g:.4f}' for g in got) + '  ' + ' '.join(f'{d:+.1f}({s:.1f})' for d, s in zip(dev, se)) + f"  {'' if set(ok)=={'ok'} else ok}"
    if name in TABLE: line += '  | table ' + ' '.join(f'{(g/w-1)*100:+.2f}%' for g, w in zip(got, TABLE[name]))
    print(line + f'  {t:.2f}s', flush=True)
if __name__ == '__main__':
    pattern = sys.argv[1] if len(sys.argv) > 1 else ''
    terms = Terms(**json.loads(sys.argv[2])) if len(sys.argv) > 2 else Terms()
    for name, case in cases().items():
        if pattern in name:
            try: row(name, case, terms)
            except Exception as e: print(name, type(e).__name__, e)
