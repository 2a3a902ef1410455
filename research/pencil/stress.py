"""Random settings: does Newton converge, and do exact derivatives agree with finite differences?"""
import numpy as np, time, sys
from dataclasses import replace
from pencil.model import model_of
from pencil.solution import Solution
from pencil.labels import residual_law
rng=np.random.default_rng(int(sys.argv[1])); bad=0; worst=0; times=[]
for i in range(int(sys.argv[2])):
    n=int(np.exp(rng.uniform(4,11))); d=max(20,int(n*np.exp(rng.uniform(-4,1.2)))); N=max(10,int(n*np.exp(rng.uniform(-3,1.5))))
    s=dict(n=n,d=d,width=N,n_ridge=int(n*np.exp(rng.uniform(-1,1))),ridge=float(10**rng.uniform(-6,0)),activation=str(rng.choice(['relu','tanh','gelu','softplus','erf','sigmoid'])),target=[{'hermite':[0,1,.7]},{'hermite':[.5,1,0,.4]},'tanh',{'expression':'z1+.8*z1*z2'}][rng.integers(4)],noise_std=float(rng.choice([0.,.3,1.])),readout=str(rng.choice(['gaussian','rademacher','constant'])),step_size=float(rng.choice([0.,N**.5*10**rng.uniform(-3,.5)])))
    if rng.random()<.4: s['covariance']=dict(eigenvalues=[.2,1.,3.],proportions=[.5,.3,.2],teacher=[.1,.2,.7])
    try:
        t=time.time(); m=model_of(s,24); S=Solution(m,residuals=residual_law(m,8)); g=S.losses(); times.append(time.time()-t)
        h=1e-4; T=[]
        for k in (-1,1):
            mm=replace(m,ridge=m.ridge*(1+k*h)); Q=Solution(mm,residuals=S.pencil.residuals); T.append(Q.losses()[0]/mm.ridge)
        fd=-m.ridge**2*(T[1]-T[0])/(2*h*m.ridge); e=abs(fd/g[1]-1); worst=max(worst,e if g[1]>1e-6*g[0] else 0)
        if not (0<g[1]<=g[0]<=1.001*float(S.finite_rank.energy@S.equations.q_weights) and g[2]>0) or (e>1e-4 and g[1]>1e-4*g[0]): print('odd',np.array(g),e,s)
    except Exception as ex: bad+=1; print('FAIL',type(ex).__name__,ex,s)
print('failed',bad,'worst derivative',worst,'time mean max',np.mean(times),max(times))
