"""Random settings: do edge, poles and bulk mass come out?"""
import numpy as np, time, sys
from pencil.model import model_of
from pencil.samples import sample_spectrum, levels_spectrum, typical_batch
from pencil.outliers import UpperSpectrum
from pencil.density import quantiles
rng=np.random.default_rng(int(sys.argv[1])); bad=0; T=[]; M=[]
for i in range(int(sys.argv[2])):
    n=int(np.exp(rng.uniform(6,8.5))); d=int(n*np.exp(rng.uniform(-2.5,.5))); N=int(n*np.exp(rng.uniform(-1.5,.7)))
    s=dict(n=n,d=d,width=N,n_ridge=int(n*np.exp(rng.uniform(-.7,.7))),ridge=.01,activation=str(rng.choice(['relu','tanh','gelu','softplus','erf'])),target=[{'hermite':[0,1,.7]},{'hermite':[.5,1,0,.4]},'tanh'][rng.integers(3)],noise_std=.3,readout=str(rng.choice(['gaussian','rademacher','constant'])),step_size=float(N**.5*10**rng.uniform(-2,.2)))
    if rng.random()<.3: s['covariance']=dict(eigenvalues=[.5,2.5],proportions=[.75,.25],teacher=[.6,.4])
    try:
        t=time.time(); m=model_of(s,16); b=typical_batch(m); sp=sample_spectrum(m,b,given=False) if m.isotropic else levels_spectrum(m,b)
        u=UpperSpectrum(sp.solution.finite_rank,1.); u.__dict__['points']=sp.points; k=len(u.poles); t1=time.time()-t
        quantiles(sp.solution.equations,sp.solution.pencil.start(),u.edge,np.array([.5]),min(N,m.n_ridge)/m.n_ridge,points=60); T.append(t1); M.append(quantiles.mass)
        if abs(quantiles.mass-1)>.03: print('mass',quantiles.mass,u.edge,s)
    except Exception as ex: bad+=1; print('FAIL',type(ex).__name__,ex,s)
print('failed',bad,'of',sys.argv[2],'time median max',np.median(T),max(T),'mass min max',min(M),max(M))
