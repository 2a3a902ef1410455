import numpy as np
from pencil.model import model_of
from pencil.solution import Solution
from pencil.labels import residual_law
import pencil.equations as E
s={'n': 21296, 'd': 7838, 'width': 76135, 'n_ridge': 13999, 'ridge': 0.21603203315453368, 'activation': 'erf', 'target': {'hermite': [0.5, 1, 0, 0.4]}, 'noise_std': 0.3, 'readout': 'gaussian', 'step_size': 478.1520681065457, 'covariance': {'eigenvalues': [0.2, 1.0, 3.0], 'proportions': [0.5, 0.3, 0.2], 'teacher': [0.1, 0.2, 0.7]}}
m=model_of(s,24); S=Solution(m,residuals=residual_law(m,8),rank=10); eq=S.equations
print(S.moments['noise'].min(), S.moments['noise'].max(), (S.moments['second']**2).max(), eq.gamma, eq.gamma_two, eq.ratio)
st=S.start; prof=np.full(32,m.ridge)
for i in range(12):
    f,p=eq.residual(prof,st); r,c=eq.inverses(prof,st,p); print(i,S.pencil.blocks,np.abs(f).max(), r.min(), r.max(), c.min(), c.max(), np.linalg.eigvalsh(p.y).min(), 'nu',np.linalg.eigvalsh(st.nu)[[0,-1]] , np.linalg.eigvalsh(p.levels.nu)[[0,-1]], 'omega', st.omega.min(), st.omega.max(),'mindet',np.linalg.eigvals(np.eye(len(p.levels.m))+m.phi*p.levels.m@S.pencil.letters).real.min())
    st=E.State(1/r,np.sqrt(st.omega/c),p.levels.nu)
