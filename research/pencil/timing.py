import cProfile,pstats,time,sys
import numpy as np
from pencil.model import model_of
from pencil.solution import Solution
from compare import cases
def run(s):
    t0=time.time(); m=model_of(s); t1=time.time(); S=Solution(m); S.rows;S.moments; S.pencil; t2=time.time(); S.finite_rank; t3=time.time(); S.solved; t4=time.time(); S.losses(); t5=time.time()
    return [round(x*1e3,1) for x in (t1-t0,t2-t1,t3-t2,t4-t3,t5-t4,t5-t0)]
s=cases()['relu-quadratic-alpha0.4']['setting']
run(s); print('ms: model, law+rows+moments, finite rank, solve, losses, total', run(s), run(s))
A=np.random.randn(1000,1000);A=A+A.T
t=time.time(); np.linalg.eigvalsh(A); print('eigvalsh(1000)',round((time.time()-t)*1e3))
if len(sys.argv)>1:
    p=cProfile.Profile(); p.enable(); run(s); p.disable(); pstats.Stats(p).sort_stats(sys.argv[1]).print_stats(24)
