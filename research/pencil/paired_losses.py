"""Losses given each trial's labels: (predicted - simulated) / mean simulated, per cent (SE). Args: n trials changes."""
import sys, numpy as np
from dataclasses import replace
from pencil.model import model_of
from pencil.labels import compress
from pencil.solution import Solution, Terms
n=int(sys.argv[1]); trials=int(sys.argv[2])
s=dict(n=n,d=n//2,width=2*n//3,activation='relu',target={'hermite':[0,1,.70710678]},noise_std=.5,step_size=1.22*(2*n//3)**.5,ridge=.01,readout='constant'); s.update(eval(sys.argv[3]) if len(sys.argv)>3 else {})
m=model_of(s); rng=np.random.default_rng(3); f=m.activation.function
V={'full':Terms(),'v first':Terms(length='first'),'no length':Terms(length='none')}
P={k:[] for k in V}; S=[]
lev=np.repeat(m.eigenvalues,np.round(m.proportions*m.d).astype(int)); d=lev.size
b=np.zeros(d); 
for l,sh in zip(m.eigenvalues,m.shares): b[np.flatnonzero(lev==l)[0]]=np.sqrt(sh)
b/=np.sqrt(m.teacher_scale)
def data(k):
    X=rng.normal(size=(k,d))*np.sqrt(lev); u=X@b; return X,u,m.target(u[None])+m.noise_std*rng.normal(size=k)
for i in range(trials):
    X,u,r=data(m.n)
    w0=rng.normal(size=(m.width,d)); w0/=np.linalg.norm(w0,axis=1)[:,None]
    ro=s['readout']; al=rng.normal(size=m.width) if ro=='gaussian' else rng.choice([-1.,1.],m.width) if ro=='rademacher' else np.ones(m.width)
    w=w0+m.theta*((al[:,None]*f.derivative(w0@X.T))*(r-f(w0@X.T).T@al/m.width))@X/m.n
    X2,_,y=data(m.n_ridge); F=f(X2@w.T); G=F.T@F/m.n_ridge; a=np.linalg.solve(G+m.ridge*np.eye(m.width),F.T@y/m.n_ridge)
    tr=np.mean((y-F@a)**2); X3,_,y3=data(4000); S.append((tr+m.ridge*a@a,tr,np.mean((y3-f(X3@w.T)@a)**2)))
    law=compress(r,np.full(m.n,1/m.n),u[None],10)
    for k,t in V.items(): P[k].append(Solution(m,t,residuals=law).losses())
S=np.array(S)
for k in V:
    D=np.array(P[k])-S; print(f'{k:10s}', ' '.join(f'{x:+.2f}({e:.2f})' for x,e in zip(100*D.mean(0)/S.mean(0),100*D.std(0)/trials**.5/S.mean(0))))
