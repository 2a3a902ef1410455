import sys, numpy as np, time
from compare import cases
from pencil.model import model_of
from pencil.solution import Solution, Terms
from pencil.labels import residual_law
C=cases()
for name in sys.argv[1:]:
    ref=None
    for na,cells,nq,rank in ((24,24,32,None),(24,8,32,None),(24,8,32,16),(24,8,32,12),(24,8,32,10),(24,8,32,8),(24,8,32,6),(24,6,24,8)):
        for _ in range(2):
            m=model_of(C[name]['setting'],na); t=time.time(); s=Solution(m,n_q=nq,residuals=residual_law(m,cells),rank=rank); g=np.array(s.losses()); t=time.time()-t
        ref=g if ref is None else ref
        print(name,na,cells,nq,rank,np.round((g/ref-1)*100,4),f'{t*1e3:.0f}ms')
