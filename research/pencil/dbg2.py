import numpy as np, sys
from compare import cases
from pencil.model import model_of
from pencil.samples import *
from pencil.samples import _bulk,_growth,_size,_place
m=model_of(cases()[sys.argv[1]]['setting'],12); rng=np.random.default_rng(1)
for dr in range(2):
    b=draw(m,rng)
    whole=compress(b.r,np.full(m.n,1/m.n),b.u,16); base=Solution(m,n_q=24,residuals=whole)
    print(np.round(b.effective[:16],2))
    for k in (1,2,3,4,5,6,8,10,12,14,16):
        s=_bulk(m,b,whole,k,int(sys.argv[2]),base); path=UpperCurve(s.equations)
        p=path.start(300.,s.pencil.start()); pts=path.follow(p)
        o,om=_growth(m,b,k-1,k); rest=b.effective[k:]; r=b.effective[k-1]
        sz=_size(pts[-1],om)
        pl=np.nan
        if sz>1: q=_place(path,pts,om); pl=np.sqrt(q.z)
        # pencil's own determinant at the edge: smallest real root r>0
        M=pts[-1].parts.levels.m; T1=s.pencil.letters_of(np.array([1.]))[0]; Tm=s.pencil.letters_of(np.array([-1.]))[0]
        A1=m.phi*M@(T1-Tm)/2; A2=m.phi*M@(T1+Tm)/2; nA=len(M)
        mu=np.linalg.eigvals(np.block([[-A1,-A2],[np.eye(nA),np.zeros((nA,nA))]])); mu=mu[abs(mu.imag)<1e-9*abs(mu)].real
        pos=mu[mu>0]; rc=1/pos.max() if pos.size else np.nan
        print(k,'edge',round(np.sqrt(pts[-1].z),3),o,'sum',round(float(np.sum(rest**2/(r-rest)**2))/m.n,3),'size',round(sz,3),'place',round(pl,3),'r',round(r,2),'r_crit(edge)',round(rc,2))
