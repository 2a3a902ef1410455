import numpy as np, sys
from compare import cases
from pencil.model import model_of
from pencil.solution import Solution
from pencil.samples import *
from pencil.density import _from_above,_at,_physical,resolvent_on_axis
m=model_of(cases()['few-relu-d90-rad']['setting']); sp=sample_spectrum(m,typical_batch(m),given=False); eq=sp.solution.equations; nu=sp.solution.pencil.start()
s=np.linspace(sp.edge*.999,.05,40)
a=resolvent_on_axis(eq,s**2,nu)
for x,v in zip(s[::3],a[::3]):
    f=_from_above(eq,float(x*x),nu); print(round(x,3), v, eq.q_weights@f.resolvent, 'omega.im max',(f.omega/x**2).imag.max())
