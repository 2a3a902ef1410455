"""d Var(delta) between neurons of the exact step against the formula: v_a at alpha = 1 (constant readout)."""
import sys, numpy as np
from pencil.model import model_of
from pencil.solution import Solution, Terms
def check(setting, trials=3, seed=0, W=3000):
    m=model_of({**setting,'width':W,'step_size':setting['theta']*W**.5, **{}}|{} if 0 else {k:v for k,v in {**setting,'width':W,'step_size':setting['theta']*W**.5}.items() if k!='theta'})
    v=[Solution(m,Terms(length=k)).rows for k in ('all','first')]
    rng=np.random.default_rng(seed); d,n=m.d,m.n; lev=np.repeat(m.eigenvalues,np.round(m.proportions*d).astype(int)); d=lev.size
    b=np.zeros(d)
    for l,s in zip(m.eigenvalues,m.shares):
        b[np.flatnonzero(lev==l)[0]]=np.sqrt(s)
    out=[];cov=[]
    for _ in range(trials):
        X=rng.normal(size=(n,d))*np.sqrt(lev); u=X@b/np.sqrt(m.teacher_scale); r=m.target(u[None])+m.noise_std*rng.normal(size=n)
        w0=rng.normal(size=(W,d)); w0/=np.linalg.norm(w0,axis=1)[:,None]
        P=m.activation.function.derivative(w0@X.T)
        w=w0+m.theta*(P*r)@X/n
        beta=X.T@r/n; S=lev
        off=w-np.outer((w*S)@beta/((beta*S)@beta),beta)
        L=(off**2)@S; de=L/L.mean()-1; out.append(d*de.var())
        comp=(w*S)@beta/np.sqrt((beta*S)@beta); comp=comp-comp.mean(); cov.append(d*np.mean(comp*de))
    i=-1
    t=v[0]; 
    frame,_,_=Solution(m).pencil.frame; g=float(frame[:,0]**2@Solution(m).pencil.direction_levels)
    print({k:setting[k] for k in ('activation','theta')}, 'sim', np.round(np.mean(out),3), f'({np.std(out)/len(out)**.5:.3f})', 'formula all/first', *[np.round(d*x.spread[i],3) for x in v], ' linear part: share of v', np.round(t.along[i]**2*g/t.tau[i]**4,4), ' tot', np.round(d*t.spread[i]+t.along[i]**2*g/t.tau[i]**4,3))
base=dict(n=1200,d=600,target={'hermite':[0,1,.7071]},noise_std=.5,ridge=.01,readout='constant')
cov=dict(eigenvalues=[.2,1.,3.],proportions=[.5,.3,.2],teacher=[.1,.2,.7]); cov2=dict(eigenvalues=[.5,2.5],proportions=[.75,.25],teacher=[.6,.4])
check({**base,'activation':'relu','theta':1.22}); check({**base,'activation':'relu','theta':.6})
for a,t,c in (('relu',1.2,cov),('relu',.7,cov2),('tanh',.8,cov),('gelu',1.,cov)): check({**base,'activation':a,'theta':t,'covariance':c,'noise_std':.3,'d':500,'n':1250})
