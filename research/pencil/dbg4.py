import numpy as np
from compare import cases
from pencil.model import model_of
from pencil.solution import Solution
from pencil.labels import residual_law
C=cases(); L=[(k,C[k]['setting']) for k in ('relu-quadratic-alpha0.4','relu-quadratic-alpha0.5','tanh-cubic-alpha0.5','aniso-relu-a40')]+[('erf',{'n': 21296, 'd': 7838, 'width': 76135, 'n_ridge': 13999, 'ridge': 0.21603203315453368, 'activation': 'erf', 'target': {'hermite': [0.5, 1, 0, 0.4]}, 'noise_std': 0.3, 'readout': 'gaussian', 'step_size': 478.1520681065457, 'covariance': {'eigenvalues': [0.2, 1.0, 3.0], 'proportions': [0.5, 0.3, 0.2], 'teacher': [0.1, 0.2, 0.7]}}),('relu wide',{'n': 21105, 'd': 956, 'width': 38137, 'n_ridge': 57090, 'ridge': 1.67e-06, 'activation': 'relu', 'target': {'expression': 'z1+.8*z1*z2'}, 'noise_std': 0.3, 'readout': 'gaussian', 'step_size': 71., 'covariance': {'eigenvalues': [0.2, 1.0, 3.0], 'proportions': [0.5, 0.3, 0.2], 'teacher': [0.1, 0.2, 0.7]}})]
for k,s in L:
    m=model_of(s,24); ref=None
    for rank in (None,20,16,12,10,8):
        S=Solution(m,residuals=residual_law(m,8),rank=rank); v=S.pencil.reduction[1]; K=S.equations.matrices(S.start).k
        E=K-v@(v.T@K@v)@v.T; 
        try: g=np.array(S.losses())
        except Exception as e: g=np.full(3,np.nan)
        ref=g if ref is None else ref
        print(k,rank,'crit max E_aa/K_aa %.1e'%np.max(np.abs(np.diag(E))/np.diag(K)),' abs/p %.1e'%np.max(np.abs(np.diag(E))/m.law.weights), 'trE/trK %.1e'%(np.trace(E)/np.trace(K)), np.round((g/ref-1)*100,4))
