import sys, numpy as np, time
from compare import cases
from pencil.model import model_of
from pencil.solution import Solution, Terms
from pencil.labels import residual_law
C=cases()
for name in sys.argv[1:]:
    ref=None
    for na,cells,nq in ((32,60,48),(24,24,32),(16,24,32),(12,24,32),(10,12,32),(8,12,24),(8,8,20),(6,6,16)):
        m=model_of(C[name]['setting'],na); t=time.time(); s=Solution(m,n_q=nq,residuals=residual_law(m,cells)); g=np.array(s.losses()); t=time.time()-t
        ref=g if ref is None else ref
        print(name,na,cells,nq,np.round((g/ref-1)*100,4),f'{t:.3f}s')
