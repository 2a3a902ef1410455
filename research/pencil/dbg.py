import numpy as np, sys
from compare import cases
from pencil.model import model_of
from pencil.samples import *
from pencil.samples import _bulk
m=model_of(cases()[sys.argv[1]]['setting'],12); b=draw(m,np.random.default_rng(1))
whole=compress(b.r,np.full(m.n,1/m.n),b.u,16); base=Solution(m,n_q=24,residuals=whole)
for rem in (0,4,8,12,20,40):
    s=_bulk(m,b,whole,rem,16,base); path=UpperCurve(s.equations)
    try:
        p=path.start(300.,s.pencil.start()); pts=path.follow(p)
        print(rem, np.sqrt(pts[-1].z), len(pts), [round(float(np.sqrt(q.z)),3) for q in pts][-8:], 'max R ratio', np.round(np.ptp(np.log(-pts[-1].state.resolvent)),2))
    except Exception as e: print(rem,e)
