import cProfile,pstats
from compare import cases
from pencil.model import model_of
from pencil.samples import *
m=model_of(cases()['relu-quadratic-alpha0.45']['setting']); b=typical_batch(m)
import time; t=time.time(); typical_batch(m); print('batch',time.time()-t)
p=cProfile.Profile(); p.enable(); q=sample_spectrum(m,b,given=False); p.disable(); print(q.solution.pencil.nodes, q.solution.pencil.residuals.r.size); pstats.Stats(p).sort_stats('cumtime').print_stats(26)
